// SPDX-License-Identifier: Apache-2.0

package metricsserver

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// written writes a certificate and its key, and returns the certificate.
func written(t *testing.T, certFile, keyFile string) *x509.Certificate {
	t.Helper()
	made, err := selfSigned(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(made.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: made.Certificate[0]}, keyFile: {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	certificate, err := x509.ParseCertificate(made.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

// handshake is an error unless the server shows a certificate.
func handshake(t *testing.T, address string, want *x509.Certificate) error {
	t.Helper()
	trusted := x509.NewCertPool()
	trusted.AddCert(want)
	dialer := &tls.Dialer{NetDialer: &net.Dialer{Timeout: soon}, Config: &tls.Config{RootCAs: trusted, ServerName: want.DNSNames[0]}}
	c, err := dialer.DialContext(t.Context(), "tcp", address)
	if err == nil {
		err = c.Close()
	}
	return err
}

func TestACertificateOfOnesOwnIsServedAndRenewed(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	certFile, keyFile := filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key")
	first := written(t, certFile, keyFile)
	begin, later := time.Now(), atomic.Int64{}
	address := serve(t, Options{
		Secure: true, CertFile: certFile, KeyFile: keyFile, Now: func() time.Time { return begin.Add(time.Duration(later.Load())) },
	})
	if err := handshake(t, address, first); err != nil {
		t.Errorf("it cannot be verified: %v", err)
	}
	second := written(t, certFile, keyFile)
	if err := handshake(t, address, second); err == nil {
		t.Error("the files are read for each handshake")
	}
	later.Add(int64(lookAgain))
	if err := handshake(t, address, second); err != nil {
		t.Errorf("the renewed one is not served: %v", err)
	}
	if err := os.WriteFile(certFile, []byte("half a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	later.Add(int64(lookAgain))
	if err := handshake(t, address, second); err != nil {
		t.Errorf("with a file that cannot be read the old one is not served: %v", err)
	}
}

func TestACertificateThatIsNotThereIsToldAtTheStart(t *testing.T) {
	t.Parallel()
	err := Serve(t.Context(), Options{Address: "127.0.0.1:0", Secure: true, CertFile: "/nowhere/tls.crt", KeyFile: "/nowhere/tls.key", Now: time.Now})
	if err == nil || !strings.Contains(err.Error(), "--metrics-cert-file") || !strings.Contains(err.Error(), "/nowhere/tls.crt") {
		t.Errorf("error %v, want one that names flag and file", err)
	}
}
