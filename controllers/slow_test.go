// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

var tenTypes = []string{"delete", "eager", "error", "info", "move", "multi", "publish", "rename", "report", "upload"}

// A host of one tenant's that answers no write holds up that tenant alone, however many product environments it has.
func TestASlowHostHoldsUpNobodyElse(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.options.CallTimeout = 2 * patience // so that none comes to an end by itself
	release := make(chan struct{})
	var hanging atomic.Int32
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = fmt.Fprint(w, `{"triggers":[],"total":0}`)
			return
		}
		hanging.Add(1)
		select {
		case <-release:
		case <-r.Context().Done():
		}
		http.Error(w, `{"error":{"message":"too late"}}`, http.StatusServiceUnavailable)
	}))
	t.Cleanup(slow.Close)
	t.Cleanup(sync.OnceFunc(func() { close(release) }))
	f.start()
	for i := range 3 * passesPerNamespace {
		secret := f.secret(fmt.Sprintf("slow-%d", i))
		secret.StringData["CLOUDINARY_URL"] = fmt.Sprintf("cloudinary://key:secret@cloud%d?upload_prefix=%s", i, slow.URL)
		ep := f.endpoint(secret.Name, hook)
		ep.Spec.CredentialsSecretRef.Name = secret.Name
		f.create(secret, ep, f.trigger(secret.Name, ep.Name, "upload"))
	}
	f.eventually(func() error {
		if n := hanging.Load(); n < passesAtHost {
			return fmt.Errorf("%d calls hang, want %d", n, passesAtHost)
		}
		return nil
	})
	images := f.trigger("images", "media", "upload")
	f.create(f.secret("cloudinary"), f.endpoint("media", hook), images)
	ready(f, images)
	// That one became ready while the calls hung, and no further one was made.
	if n := hanging.Load(); n > passesAtHost {
		t.Errorf("%d calls to the slow host were made by then, want %d", n, passesAtHost)
	}
}

// A tenant chooses the hosts, and any number of them. Those that never answer keep its own waiting, and nobody else's.
func TestHostsThatNeverAnswerHoldUpTheirNamespaceAlone(t *testing.T) {
	t.Parallel()
	f, other := newFixture(t, simulator.Options{}), newFixture(t, simulator.Options{})
	f.namespaces = []string{other.namespace}
	f.options.CallTimeout = 2 * patience // so that none comes to an end by itself
	silent := newSilentHost(t)
	f.start()
	for i := range 3 * concurrentPasses {
		secret := other.secret(fmt.Sprintf("slow-%d", i))
		secret.StringData["CLOUDINARY_URL"] = "cloudinary://key:secret@cloud?upload_prefix=" + silent.name(i)
		ep := other.endpoint(secret.Name, hook)
		ep.Spec.CredentialsSecretRef.Name = secret.Name
		other.create(secret, ep)
	}
	f.eventually(func() error {
		if n := silent.held.Load(); n < passesPerNamespace {
			return fmt.Errorf("%d calls hang, want %d", n, passesPerNamespace)
		}
		return nil
	})
	images := f.trigger("images", "media", "upload")
	begun := silent.accepted.Load()
	f.create(f.secret("cloudinary"), f.endpoint("media", hook), images)
	ready(f, images)
	if n := silent.accepted.Load() - begun; n > 0 {
		t.Errorf("%d further calls were made to hosts that never answer: the trigger has waited for those before", n)
	}
	if n := silent.held.Load(); n > passesPerNamespace {
		t.Errorf("%d calls of one namespace hang, want %d", n, passesPerNamespace)
	}
}

// silentHost takes connections under many names, and never answers.
type silentHost struct {
	port           int
	held, accepted atomic.Int64
}

func newSilentHost(t *testing.T) *silentHost {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	address, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatalf("%v is no TCP address", l.Addr())
	}
	h := &silentHost{port: address.Port}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			h.held.Add(1)
			h.accepted.Add(1)
			go func() {
				_, _ = io.Copy(io.Discard, c) // until the caller has lost patience
				h.held.Add(-1)
				_ = c.Close()
			}()
		}
	}()
	t.Cleanup(func() { _ = l.Close() })
	return h
}

// name is one of its names.
func (h *silentHost) name(i int) string {
	const each = 200
	return fmt.Sprintf("http://127.0.%d.%d:%d", 1+i/each, 1+i%each, h.port)
}

// Other hosts' passes get their turn although each call is answered: a pass ends in time, and the next one goes on, without a list more.
func TestALongPassIsGoneOnWith(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.options.SyncInterval = 5 * time.Minute
	f.around(func(r *http.Request) {
		if r.Method == http.MethodPost {
			time.Sleep(1500 * time.Millisecond)
		}
	}, func(*http.Request) {})
	f.create(f.secret("cloudinary"), f.endpoint("media", hook))
	for _, eventType := range tenTypes {
		f.create(f.trigger(eventType, "media", eventType))
	}
	f.start()
	for _, eventType := range tenTypes {
		ready(f, f.trigger(eventType, "media", eventType))
	}
	if n := f.calls(http.MethodPost, http.StatusCreated); n != len(tenTypes) {
		t.Errorf("%d creates, want %d", n, len(tenTypes))
	}
	if n := f.calls(http.MethodGet, http.StatusOK); n > 4 {
		t.Errorf("%d lists, want one to accept the credentials and a few to verify: none for a pass that goes on", n)
	}
	if n := f.passesOf(resolve.EnvironmentUnit); n < 3 {
		t.Errorf("%d passes, want one that was cut and others", n)
	}
}
