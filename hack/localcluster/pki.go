// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

const (
	certificateLifetime = 365 * 24 * time.Hour
	// Certificates with less time left are made anew at the next start.
	certificateReserve = 7 * 24 * time.Hour
)

// pki is a folder of keys and certificates. It is made as a whole and replaced as a whole, so the
// authority's own key is not kept.
type pki struct {
	dir string
	// node is the address of the cluster's node; empty: it has none.
	node string
}

func (p pki) path(name string) string { return filepath.Join(p.dir, name) }

// leaf is a certificate that the authority signs; the name is that of its files.
type leaf struct {
	name     string
	template x509.Certificate
}

func (p pki) leaves() []leaf {
	addresses := []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(10, 96, 0, 1)}
	all := []leaf{clientLeaf("admin", "admin", "system:masters"), clientLeaf(controllerManager, "system:kube-controller-manager")}
	if p.node != "" {
		addresses = append(addresses, net.ParseIP(p.node))
		all = append(all,
			clientLeaf("kubelet-client", "kube-apiserver-kubelet-client", "system:masters"),
			clientLeaf("kube-scheduler", "system:kube-scheduler"),
			clientLeaf("kube-proxy", "system:kube-proxy"),
			clientLeaf("kubelet", "system:node:"+nodeName, "system:nodes"),
			serverLeaf("kubelet-server", nodeName, addresses, nodeName),
		)
	}
	return append(all, serverLeaf("apiserver", apiServer, addresses, "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"))
}

func clientLeaf(name, user string, groups ...string) leaf {
	return leaf{name, x509.Certificate{
		Subject:     pkix.Name{CommonName: user, Organization: groups},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}}
}

func serverLeaf(name, commonName string, addresses []net.IP, names ...string) leaf {
	return leaf{name, x509.Certificate{
		Subject:     pkix.Name{CommonName: commonName},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    names,
		IPAddresses: addresses,
	}}
}

// ensurePKI makes keys and certificates, unless usable ones are there.
func ensurePKI(dir, node string) (pki, error) {
	p := pki{dir, node}
	now := time.Now()
	if p.usable(now) {
		return p, nil
	}
	fresh := pki{dir + ".new", node}
	if err := errors.Join(os.RemoveAll(fresh.dir), os.MkdirAll(fresh.dir, 0o700)); err != nil {
		return p, err
	}
	if err := fresh.generate(now); err != nil {
		return p, fmt.Errorf("make keys and certificates: %w", err)
	}
	return p, errors.Join(os.RemoveAll(p.dir), os.Rename(fresh.dir, p.dir))
}

// usable reports whether all certificates are there and last for a while. They come and go together, and their
// keys with them. A node keeps its address.
func (p pki) usable(now time.Time) bool {
	names := []string{"ca"}
	for _, leaf := range p.leaves() {
		names = append(names, leaf.name)
	}
	for _, name := range names {
		text, err := os.ReadFile(p.path(name + ".crt"))
		if err != nil {
			return false
		}
		block, _ := pem.Decode(text)
		if block == nil {
			return false
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil || now.Add(certificateReserve).After(certificate.NotAfter) {
			return false
		}
	}
	return true
}

func (p pki) generate(now time.Time) error {
	authorityKey, err := newKey()
	if err != nil {
		return err
	}
	authority := withLifetime(x509.Certificate{
		Subject:               pkix.Name{CommonName: "localcluster"},
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		IsCA:                  true,
		BasicConstraintsValid: true,
	}, now)
	if err := p.sign("ca", authority, authority, &authorityKey.PublicKey, authorityKey); err != nil {
		return err
	}
	for _, leaf := range p.leaves() {
		key, err := newKey()
		if err != nil {
			return err
		}
		leaf.template.KeyUsage = x509.KeyUsageDigitalSignature
		template := withLifetime(leaf.template, now)
		err = errors.Join(
			p.sign(leaf.name, template, authority, &key.PublicKey, authorityKey),
			p.writeKey(leaf.name+".key", key),
		)
		if err != nil {
			return err
		}
	}
	return p.generateServiceAccountKeys()
}

func (p pki) generateServiceAccountKeys() error {
	key, err := newKey()
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	return errors.Join(p.writeKey("sa.key", key), p.writePEM("sa.pub", "PUBLIC KEY", public))
}

func (p pki) sign(name string, template, parent *x509.Certificate, public *ecdsa.PublicKey, key *ecdsa.PrivateKey) error {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return err
	}
	template.SerialNumber = serial
	certificate, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return err
	}
	return p.writePEM(name+".crt", "CERTIFICATE", certificate)
}

func (p pki) writeKey(name string, key *ecdsa.PrivateKey) error {
	bytes, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return p.writePEM(name, "EC PRIVATE KEY", bytes)
}

func (p pki) writePEM(name, kind string, bytes []byte) error {
	return os.WriteFile(p.path(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}), 0o600)
}

func (p pki) writeKubeconfig(path, server, user string) error {
	text, err := p.kubeconfig(server, user, "")
	if err != nil {
		return err
	}
	return writeFile(path, text)
}

// kubeconfig has the keys in it, so that it works wherever it is moved to. as is the user that the other one
// acts as; empty: itself.
func (p pki) kubeconfig(server, user, as string) (string, error) {
	encoded := []any{server}
	for _, name := range []string{"ca.crt", user + ".crt", user + ".key"} {
		text, err := os.ReadFile(p.path(name))
		if err != nil {
			return "", err
		}
		encoded = append(encoded, base64.StdEncoding.EncodeToString(text))
	}
	const format = `apiVersion: v1
kind: Config
clusters:
- name: local
  cluster:
    server: %s
    certificate-authority-data: %s
users:
- name: user
  user:
    client-certificate-data: %s
    client-key-data: %s
    as: %q
contexts:
- name: local
  context: {cluster: local, user: user}
current-context: local
`
	return fmt.Sprintf(format, append(encoded, as)...), nil
}

func withLifetime(template x509.Certificate, now time.Time) *x509.Certificate {
	template.NotBefore = now.Add(-time.Hour) // For clocks that are set back a little.
	template.NotAfter = now.Add(certificateLifetime)
	return &template
}

func newKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }
