// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/report"
)

// asked is a queue with one dead letter, and its keeper. It notes what is asked for.
type asked struct {
	read    int
	changes []queue.Selection
}

func (a *asked) DeadLetters(queue.Selection, queue.Letter, int) []queue.Item {
	a.read++
	return []queue.Item{a.letter()}
}

func (a *asked) ItemsOf(queue.ID) []queue.Item {
	a.read++
	return []queue.Item{a.letter()}
}

func (a *asked) Get(queue.ID) (*queue.Record, error) {
	a.read++
	return record(1, "catalog"), nil
}

func (a *asked) Redrive(_ context.Context, which queue.Selection) (report.Redriven, error) {
	a.changes = append(a.changes, which)
	return report.Redriven{}, nil
}

func (a *asked) Discard(_ context.Context, which queue.Selection) (int, error) {
	a.changes = append(a.changes, which)
	return 0, nil
}

func (a *asked) Deliveries(queue.Endpoint, queue.ID) []v1alpha1.DeliveryStatus {
	a.read++
	return nil
}

func (a *asked) letter() queue.Item {
	return queue.Item{ID: 1, Target: "catalog", Dead: true, Endpoint: queue.Endpoint{Namespace: "shop", Name: "media"}}
}

// Whatever is sent, an answer is JSON, a stranger's request reaches nothing, and a change is about what the request names.
func FuzzServer(f *testing.F) {
	const list, redrive, discard = "/v1/deadletters", "/v1/deadletters/redrive", "/v1/deadletters/discard"
	whole := `{"namespace":"shop","endpoint":"media","target":"catalog","ids":["1","18446744073709551615"]}`
	for _, seed := range []struct{ method, target, header, host, body string }{
		{http.MethodGet, list, "1", "127.0.0.1:8082", ""},
		{http.MethodGet, list + "?namespace=shop&endpoint=media&target=catalog&limit=500&continue=1.catalog", "1", "localhost", ""},
		{http.MethodGet, list + "?limit=-1", "1", "[::1]:1", ""},
		{http.MethodGet, list + "?a=%zz&;", "1", "[::1]", ""},
		{http.MethodGet, list + "/1", "1", "127.0.0.1", ""},
		{http.MethodGet, list + "/..%2f", "1", "127.0.0.1", ""},
		{http.MethodGet, "/v1/notifications/1?namespace=shop&endpoint=media", "1", "127.0.0.1", ""},
		{http.MethodGet, "/v1/notifications/-1?namespace=%zz", "1", "127.0.0.1", ""},
		{http.MethodPost, redrive, "1", "127.0.0.1", whole},
		{http.MethodPost, discard, "1", "127.0.0.1", whole},
		{http.MethodPost, discard, "1", "127.0.0.1", `{"namespace":"shop","endpoint":"media","ids":[]}`},
		{http.MethodPost, discard, "1", "127.0.0.1", `{"namespace":"shop","endpoint":"media","ids":null}{}`},
		{http.MethodPost, discard, "1", "127.0.0.1", `[`},
		{http.MethodPost, discard, "0", "127.0.0.1", whole},
		{http.MethodPost, discard, "1", "rebound.example.com", whole},
		{http.MethodDelete, list, "1", "127.0.0.1", ""},
	} {
		f.Add(seed.method, seed.target, seed.header, seed.host, seed.body)
	}
	f.Fuzz(func(t *testing.T, method, target, header, host, body string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return // as it would other methods than tokens
		}
		a := &asked{}
		r := &http.Request{
			Method: method, URL: u, Host: host, Header: http.Header{Header: {header}}, Body: io.NopCloser(strings.NewReader(body)), ProtoMajor: 1, ProtoMinor: 1,
		}
		w := httptest.NewRecorder()
		NewServer(a, a).Handler().ServeHTTP(w, r.WithContext(t.Context()))
		// A path with dots in it is redirected by net/http, with a page of its own.
		if redirected := w.Code/100 == 3; !redirected && !json.Valid(w.Body.Bytes()) {
			t.Errorf("answered %d with %q", w.Code, w.Body)
		}
		if header != HeaderValue || !isLoopback(hostOf(r)) {
			if w.Code != http.StatusForbidden || a.read > 0 || len(a.changes) > 0 {
				t.Errorf("a stranger is answered %d; read %d times, changed %v", w.Code, a.read, a.changes)
			}
			return
		}
		checkChanges(t, method, body, a.changes)
	})
}

func checkChanges(t *testing.T, method, body string, changes []queue.Selection) {
	t.Helper()
	if len(changes) == 0 {
		return
	}
	var c choice
	err := json.Unmarshal([]byte(body), &c)
	if method != http.MethodPost || len(changes) > 1 || err != nil {
		t.Fatalf("%s %q changes %v (%v)", method, body, changes, err)
	}
	got := changes[0]
	named := 0
	if c.IDs != nil {
		named = len(*c.IDs)
	}
	if got.Endpoint != (queue.Endpoint{Namespace: c.Namespace, Name: c.Endpoint}) || c.Namespace == "" || c.Endpoint == "" ||
		got.Target != c.Target || len(got.IDs) != named || (c.IDs != nil && named == 0) {
		t.Errorf("%q changes %v", body, got)
	}
}
