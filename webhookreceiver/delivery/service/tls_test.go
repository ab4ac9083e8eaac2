// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/internal/kube"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

// configMaps is an API server that has ConfigMaps of the namespace shop.
type configMaps struct {
	have map[string]map[string]string
	err  error
	gets atomic.Int32
}

func (c *configMaps) Get(_ context.Context, key types.NamespacedName, into kube.Object) error {
	c.gets.Add(1)
	if c.err != nil {
		return c.err
	}
	data, ok := c.have[key.Name]
	if !ok || key.Namespace != "shop" {
		return apierrors.NewNotFound(schema.GroupResource{Resource: "configmaps"}, key.Name)
	}
	into.(*corev1.ConfigMap).Data = data
	return nil
}

func (c *configMaps) List(context.Context, string, string, runtime.Object) error {
	return errors.New("nothing is listed")
}

// authority signs certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "an authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	a.cert, a.key = a.sign(template, template, nil)
	return a
}

func (a *authority) sign(template, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	if by == nil {
		by = key
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

func (a *authority) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}))
}

// serve answers over TLS with a certificate for a name, until a time.
func (a *authority) serve(name string, until time.Time, change func(*tls.Config)) string {
	a.t.Helper()
	cert, key := a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: until,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, a.cert, a.key)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil || r.Host != "catalog.shop.svc:8080" || r.TLS == nil {
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}}
	if change != nil {
		change(server.TLS)
	}
	server.StartTLS()
	a.t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func tlsSender(t *testing.T, address string, api Reader) *Sender {
	t.Helper()
	s := New(Options{Resolver: &fixed{address: address}, Addresses: Addresses{AllowLoopback: true}, Reader: api})
	t.Cleanup(s.Close)
	return s
}

func overTLS(change func(*route.TLS)) *delivery.Delivery {
	return aDelivery(func(d *delivery.Delivery) {
		d.Target.Service.TLS = &route.TLS{CAConfigMap: "ca", CAKey: "ca.crt"}
		if change != nil {
			change(d.Target.Service.TLS)
		}
	})
}

const serviceName = "catalog.shop.svc"

func TestOverTLS(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	soon := time.Now().Add(time.Hour)
	ours := &configMaps{have: map[string]map[string]string{"ca": {"ca.crt": other.pem() + a.pem(), "other": other.pem(), "none": "hello"}}}
	for name, test := range map[string]struct {
		address string
		api     *configMaps
		change  func(*route.TLS)
		want    string // "": it is delivered
	}{
		"all is right":              {address: a.serve(serviceName, soon, nil)},
		"a name that was asked for": {address: a.serve("shop.example.com", soon, nil), change: func(t *route.TLS) { t.ServerName = "shop.example.com" }},
		"the certificate is for another name": {
			address: a.serve("catalog.other.svc", soon, nil), want: "the certificate of the target is for another name",
		},
		"it is not for the name that was asked for": {
			address: a.serve(serviceName, soon, nil), change: func(t *route.TLS) { t.ServerName = "shop.example.com" },
			want: "the certificate of the target is for another name",
		},
		"another authority": {
			address: a.serve(serviceName, soon, nil), change: func(t *route.TLS) { t.CAKey = "other" },
			want: "signed by an authority that is not trusted",
		},
		"the system's authorities": {
			address: a.serve(serviceName, soon, nil), change: func(t *route.TLS) { *t = route.TLS{} }, want: "signed by an authority that is not trusted",
		},
		"it has expired": {address: a.serve(serviceName, time.Now().Add(-time.Minute), nil), want: "has expired"},
		"the port does not speak TLS": {
			address: serve(t, func(http.ResponseWriter, *http.Request) {}), want: "the port does not speak TLS: take scheme: HTTPS out",
		},
		"it wants a certificate": {
			address: a.serve(serviceName, soon, func(c *tls.Config) { c.ClientAuth, c.MaxVersion = tls.RequireAnyClientCert, tls.VersionTLS12 }),
			want:    "it may ask for a certificate of the client",
		},
		"no ConfigMap": {
			change: func(t *route.TLS) { t.CAConfigMap = "none" }, want: "ConfigMap none does not exist, which tls.caConfigMapRef of the target names",
		},
		"no such key": {
			change: func(t *route.TLS) { t.CAKey = "tls.crt" }, want: "ConfigMap ca has no key tls.crt: it has ca.crt, none, other",
		},
		"no certificate": {change: func(t *route.TLS) { t.CAKey = "none" }, want: "none of ConfigMap ca has no certificate in PEM"},
		"it may not be read": {
			api:  &configMaps{err: apierrors.NewForbidden(schema.GroupResource{Resource: "configmaps"}, "ca", errors.New("no"))},
			want: "the receiver may not read ConfigMap ca: name it cloudinary-target-ca, or grant the receiver get of it",
		},
		"the API server does not answer": {api: &configMaps{err: errors.New("secret")}, want: "the API server did not give ConfigMap ca"},
		"too much": {
			api:  &configMaps{have: map[string]map[string]string{"ca": {"ca.crt": strings.Repeat("x", maxBundle+1)}}},
			want: "ca.crt of ConfigMap ca has 512 KiB",
		},
	} {
		t.Run(name, func(t *testing.T) {
			api := test.api
			if api == nil {
				api = ours
			}
			got := tlsSender(t, test.address, api).Send(t.Context(), overTLS(test.change))
			if test.want == "" && (got != delivery.Result{Verdict: delivery.Delivered, StatusCode: 200}) ||
				test.want != "" && (got.Verdict != delivery.Failed || !strings.Contains(got.Message, test.want)) {
				t.Errorf("%+v, want %q", got, test.want)
			}
		})
	}
}

// A connection is used again only by who trusts whom it was made to.
func TestAConnectionIsNotSharedByWhoDoesNotTrustIt(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	api := &configMaps{have: map[string]map[string]string{"ca": {"ca.crt": a.pem(), "other": other.pem()}}}
	s := tlsSender(t, a.serve(serviceName, time.Now().Add(time.Hour), nil), api)
	for range 2 {
		if got := s.Send(t.Context(), overTLS(nil)); got.Verdict != delivery.Delivered {
			t.Fatalf("%+v", got)
		}
	}
	for name, change := range map[string]func(*route.TLS){
		"another authority": func(t *route.TLS) { t.CAKey = "other" },
		"another name":      func(t *route.TLS) { t.ServerName = "shop.example.com" },
		"the system's":      func(t *route.TLS) { *t = route.TLS{} },
	} {
		if got := s.Send(t.Context(), overTLS(change)); got.Verdict != delivery.Failed || !strings.Contains(got.Message, "certificate") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// Authorities are asked for once in half a minute, and count for longer where the API server is away.
func TestAuthoritiesAreRemembered(t *testing.T) {
	a, now := newAuthority(t), time.Now()
	api := &configMaps{have: map[string]map[string]string{"ca": {"ca.crt": a.pem()}}}
	trust := newTrust(api, func() time.Time { return now })
	of := func() error {
		_, err := trust.of(t.Context(), "shop", &route.TLS{CAConfigMap: "ca", CAKey: "ca.crt"})
		return err
	}
	for range 3 {
		if err := of(); err != nil || api.gets.Load() != 1 {
			t.Fatalf("asked %d times: %v", api.gets.Load(), err)
		}
	}
	now, api.err = now.Add(knownFor), errors.New("away")
	if err := of(); err != nil || api.gets.Load() != 2 {
		t.Errorf("the API server is away: asked %d times, %v", api.gets.Load(), err)
	}
	now, api.err = now.Add(knownFor), nil
	api.have = nil
	if err := of(); err == nil {
		t.Error("the ConfigMap is gone and counts")
	}
}

// A port that speaks TLS is told, and nothing is given up, however the server puts it.
func TestAPortThatSpeaksTLS(t *testing.T) {
	a := newAuthority(t)
	refusing := raw(t, write("HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n"))
	for name, test := range map[string]struct {
		address string
		want    delivery.Result
	}{
		"Go's server answers 400":        {a.serve(serviceName, time.Now().Add(time.Hour), nil), delivery.Result{StatusCode: 400, Message: speaksTLS}},
		"others answer with an alert":    {tlsOnly(t, a, "\x15\x03\x01\x00\x02\x02\x46"), delivery.Result{Message: speaksTLS}},
		"others answer with nothing":     {tlsOnly(t, a, ""), delivery.Result{Message: speaksTLS}},
		"a 400 without TLS is a refusal": {refusing, delivery.Result{Verdict: delivery.Refused, StatusCode: 400, Message: "answered 400"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := tlsSender(t, test.address, nil)
			for range 2 {
				if got := s.Send(t.Context(), aDelivery(nil)); got != test.want {
					t.Errorf("%+v, want %+v", got, test.want)
				}
			}
		})
	}
}

// tlsOnly is a server that answers what is not TLS with some bytes, and closes.
func tlsOnly(t *testing.T, a *authority, answer string) string {
	t.Helper()
	behind := a.serve(serviceName, time.Now().Add(time.Hour), nil)
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				first := make([]byte, 1)
				if _, err := io.ReadFull(conn, first); err != nil {
					return
				}
				if first[0] != 0x16 { // no handshake
					_, _ = io.WriteString(conn, answer)
					return
				}
				to, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", behind)
				if err != nil {
					return
				}
				defer func() { _ = to.Close() }()
				_, _ = to.Write(first)
				go func() { _, _ = io.Copy(to, conn) }()
				_, _ = io.Copy(conn, to)
			}()
		}
	}()
	return l.Addr().String()
}

// What a target also answers while it is rolled out is a refusal only after some minutes.
func TestARolloutIsNoRefusal(t *testing.T) {
	var code atomic.Int32
	address := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(code.Load())) })
	now := time.Now()
	s := New(Options{Resolver: &fixed{address: address}, Addresses: Addresses{AllowLoopback: true}, Now: func() time.Time { return now }})
	t.Cleanup(s.Close)
	send := func(id queue.ID, answers int, want delivery.Verdict) {
		t.Helper()
		code.Store(int32(answers))
		got := s.Send(t.Context(), aDelivery(func(d *delivery.Delivery) { d.ID = id }))
		if got.Verdict != want || got.StatusCode != answers || !strings.HasPrefix(got.Message, "answered") && want != delivery.Delivered {
			t.Errorf("%d is %+v", answers, got)
		}
	}
	for _, answers := range []int{404, 409, 421, 425} {
		send(1, answers, delivery.Failed)
		now = now.Add(patientFor - 1)
		send(1, answers, delivery.Failed)
		send(2, answers, delivery.Failed) // each has its own time
		now = now.Add(1)
		send(1, answers, delivery.Refused)
		send(1, answers, delivery.Failed) // after a redrive it begins anew
		send(1, 503, delivery.Failed)
		now = now.Add(patientFor)
		send(1, answers, delivery.Failed) // it answered in another way meanwhile
		send(1, 200, delivery.Delivered)
		send(2, 200, delivery.Delivered)
	}
	if n := len(s.patience.since); n != 0 {
		t.Errorf("%d notifications are remembered", n)
	}
	for _, answers := range []int{400, 401, 403, 405, 410, 413, 415, 422} {
		send(3, answers, delivery.Refused)
	}
}

func TestPatienceIsBounded(t *testing.T) {
	p, now := newPatience(), time.Now()
	for id := range queue.ID(maxPatience + 10) {
		if p.ends(aDelivery(func(d *delivery.Delivery) { d.ID = id }), now) {
			t.Fatal("a refusal at once")
		}
	}
	if n := len(p.since); n != maxPatience {
		t.Errorf("%d are remembered", n)
	}
	p.ends(aDelivery(func(d *delivery.Delivery) { d.ID = maxPatience + 10 }), now.Add(forgottenAfter+time.Minute+1))
	if n := len(p.since); n != 1 {
		t.Errorf("%d are remembered of long ago", n)
	}
}
