// SPDX-License-Identifier: Apache-2.0

package metricsserver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"os"
	"sync"
	"time"

	"github.com/go-logr/logr"
)

// CheckFiles refuses flags for a certificate that cannot work together.
func CheckFiles(certFile, keyFile string, secure bool) error {
	if (certFile == "") != (keyFile == "") {
		return errors.New("--metrics-cert-file and --metrics-key-file go together: give both, or neither")
	}
	if certFile != "" && !secure {
		return errors.New("--metrics-cert-file is for https, and --metrics-secure=false is http: give one of them")
	}
	return nil
}

// certificateOf returns what the handshakes of a server are made with.
func certificateOf(o *Options) (func(*tls.ClientHelloInfo) (*tls.Certificate, error), error) {
	if o.CertFile != "" {
		f := &files{cert: o.CertFile, key: o.KeyFile, now: o.Now, log: o.Logger}
		if err := f.read(); err != nil {
			return nil, err
		}
		return f.get, nil
	}
	made, err := selfSigned(o.Now())
	return func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &made, nil }, err
}

// lookAgain is how long it takes until files that have changed are noticed. Certificates are renewed days before they end.
const lookAgain = 10 * time.Second

// files are a certificate's, which somebody else renews.
type files struct {
	cert, key string
	now       func() time.Time
	log       logr.Logger

	mu     sync.Mutex
	pair   *tls.Certificate
	looked time.Time
}

// get goes on with what there was while there is nothing better.
func (f *files) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.now().Sub(f.looked) >= lookAgain {
		if err := f.read(); err != nil {
			f.log.Error(err, "Cannot read a new certificate, the old one is served")
		}
	}
	return f.pair, nil
}

func (f *files) read() error {
	f.looked = f.now()
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return fmt.Errorf("read the certificate of --metrics-cert-file and --metrics-key-file: %w", err)
	}
	f.pair = &pair
	return nil
}

// validFor is longer than a process lives.
const validFor = 10 * 365 * 24 * time.Hour

const serialBits = 128

// selfSigned makes a certificate that nobody has signed, for the life of the process. Its key is of the kind that costs least for each
// handshake: strangers may have as many as they like.
func selfSigned(now time.Time) (tls.Certificate, error) {
	fail := func(err error) (tls.Certificate, error) {
		return tls.Certificate{}, fmt.Errorf("make a certificate: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		return fail(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fail(err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits))
	if err != nil {
		return fail(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: now.Add(-clockLeeway), NotAfter: now.Add(validFor),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return fail(err)
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}, nil
}
