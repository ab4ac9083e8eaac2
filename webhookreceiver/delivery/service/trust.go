// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

const (
	// maxBundle is how much of certificates a ConfigMap may have: twice what all authorities of the web have. maxBundles is how much of all of
	// them is kept in memory.
	maxBundle  = 512 << 10
	maxBundles = 4 << 20
	// TargetCAName is the ConfigMap that the receiver may read in every namespace, beside those that Kubernetes and OpenShift make.
	TargetCAName = "cloudinary-target-ca"
)

// authorities are whose signatures count on the certificate of a target. The zero value is those of the system.
type authorities struct {
	pool *x509.CertPool // nil: the system's
	id   string         // tells them from others
	size int
}

// trust reads authorities from ConfigMaps, and remembers them for half a minute.
type trust struct {
	reader  Reader
	now     func() time.Time
	lookups singleflight.Group

	mu    sync.Mutex
	known map[string]trusted
	bytes int
}

type trusted struct {
	authorities
	err   error
	until time.Time
}

func newTrust(reader Reader, now func() time.Time) *trust {
	return &trust{reader: reader, now: now, known: map[string]trusted{}}
}

// of returns the authorities of a target in a namespace. An error that is a *ResolveError has a text that is fit for a status.
func (t *trust) of(ctx context.Context, namespace string, target *route.TLS) (authorities, error) {
	if target.CAConfigMap == "" {
		return authorities{}, nil
	}
	at := types.NamespacedName{Namespace: namespace, Name: target.CAConfigMap}
	key := at.String() + "/" + target.CAKey
	before, fresh := t.recall(key)
	if fresh {
		return before.authorities, before.err
	}
	answer := t.lookups.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookupTime)
		defer cancel()
		now := t.now()
		found := trusted{until: now.Add(knownFor)}
		found.authorities, found.err = t.read(ctx, at, target.CAKey)
		if found.err != nil {
			found.until = now.Add(unknownFor)
		}
		if known := (*ResolveError)(nil); found.err != nil && before.pool != nil && !errors.As(found.err, &known) {
			// The API server does not say. What was trusted is most likely what is.
			found.authorities, found.err = before.authorities, nil
		}
		t.remember(key, found)
		return found, nil
	})
	select {
	case a := <-answer:
		found := a.Val.(trusted) // see above
		return found.authorities, found.err
	case <-ctx.Done():
		return authorities{}, ctx.Err()
	}
}

func (t *trust) recall(key string) (found trusted, fresh bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	found, ok := t.known[key]
	return found, ok && t.now().Before(found.until)
}

func (t *trust) remember(key string, found trusted) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bytes -= t.known[key].size
	if t.bytes+found.size > maxBundles || len(t.known) >= maxResolved {
		clear(t.known) // all of it can be had again
		t.bytes = 0
	}
	t.known[key] = found
	t.bytes += found.size
}

func (t *trust) read(ctx context.Context, at types.NamespacedName, key string) (authorities, error) {
	var m corev1.ConfigMap
	switch err := t.reader.Get(ctx, at, &m); {
	case apierrors.IsNotFound(err):
		return authorities{}, unusable("ConfigMap %s does not exist, which tls.caConfigMapRef of the target names", short(at.Name))
	case apierrors.IsForbidden(err):
		return authorities{}, unusable("the receiver may not read ConfigMap %s: name it %s, or grant the receiver get of it", short(at.Name), TargetCAName)
	case err != nil:
		return authorities{}, fmt.Errorf("get ConfigMap %s: %w", at, err)
	}
	text, ok := m.Data[key]
	if !ok {
		if text = string(m.BinaryData[key]); text == "" {
			return authorities{}, noSuchKey(&m, at, key)
		}
	}
	if len(text) > maxBundle {
		return authorities{}, unusable("%s of ConfigMap %s has %d KiB, and certificates may have %d KiB", short(key), short(at.Name), len(text)>>10, maxBundle>>10)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(text)) {
		return authorities{}, unusable("%s of ConfigMap %s has no certificate in PEM", short(key), short(at.Name))
	}
	sum := sha256.Sum256([]byte(text))
	return authorities{pool: pool, id: string(sum[:]), size: len(text)}, nil
}

// trustMessage says why it is not known whom to trust.
func trustMessage(err error, name string) string {
	if known := (*ResolveError)(nil); errors.As(err, &known) {
		return known.Error()
	}
	return fmt.Sprintf("the API server did not give ConfigMap %s", short(name))
}

func noSuchKey(m *corev1.ConfigMap, at types.NamespacedName, key string) error {
	has := slices.Sorted(maps.Keys(m.Data))
	if len(has) == 0 {
		return unusable("ConfigMap %s has no key %s, nor any other", short(at.Name), short(key))
	}
	for i, name := range has {
		has[i] = short(name)
	}
	return unusable("ConfigMap %s has no key %s: it has %s", short(at.Name), short(key), firstOf(has))
}

// encrypted is how a connection over TLS is made, in the context of a request over it.
type encrypted struct {
	address string
	config  *tls.Config
}

type encryptedKey struct{}

// connectionName is the host of a URL under which connections are kept: the same only for requests to the same Service, at the same address, with
// the same trust. Nobody is asked for it.
func connectionName(namespace string, target *route.Service, address string, a *authorities, serverName string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{namespace, target.Name, address, serverName, a.id}, "\x00")))
	return hex.EncodeToString(sum[:16]) + ".invalid:443"
}

// tlsMessage says why a connection over TLS was not made; "" if that is not why.
func tlsMessage(err error) string {
	var record tls.RecordHeaderError
	var verification *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &record):
		return "the port does not speak TLS: take scheme: HTTPS out of the target, or name the port that does"
	case errors.As(err, &hostname):
		return "the certificate of the target is for another name: it must be for <name>.<namespace>.svc of the Service, or for tls.serverName"
	case errors.As(err, &unknown):
		return "the certificate of the target is signed by an authority that is not trusted: " +
			"set tls.caConfigMapRef to a ConfigMap that has the authority's certificate"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the certificate of the target has expired, or is not valid yet"
	case errors.As(err, &verification):
		return "the certificate of the target is not valid"
	case isAlert(err):
		return "the target refused the TLS handshake; it may ask for a certificate of the client, which the receiver has none of"
	default:
		return ""
	}
}
