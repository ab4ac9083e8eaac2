// SPDX-License-Identifier: Apache-2.0

package webhookreceiver

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

// uncounted counts answers, of which there are to be none.
type uncounted struct {
	recorder
	answered atomic.Int64
}

func (u *uncounted) Answered(int, time.Duration) { u.answered.Add(1) }

func ask(t *testing.T, method, url string) told {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	return answerTo(t, r)
}

func TestLoadBalancersAreToldWhetherNotificationsAreTaken(t *testing.T) {
	for name, tc := range map[string]struct {
		options func(*Options)
		status  int
	}{
		"it takes them":                   {func(*Options) {}, http.StatusOK},
		"the endpoints are not known yet": {func(o *Options) { o.Routes = func() *route.Table { return nil } }, http.StatusServiceUnavailable},
		"the store is not open":           {func(o *Options) { o.Ready = func() error { return errors.New("stopping") } }, http.StatusServiceUnavailable},
		"there is no endpoint":            {func(o *Options) { o.Routes = func() *route.Table { return route.NewTable(nil) } }, http.StatusOK},
		"it is full for a moment":         {func(o *Options) { o.MaxInFlight = 0 }, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			counted := &uncounted{}
			w := newWorld(t, func(o *Options) {
				o.VerboseRefusals, o.Recorder = false, counted
				tc.options(o)
			})
			get := ask(t, http.MethodGet, w.url+"/healthz?from=lb")
			head := ask(t, http.MethodHead, w.url+"/healthz")
			if get.Status != tc.status || head.Status != tc.status || get.Text == "" || head.Text != "" || !get.Closes {
				t.Errorf("GET is answered %+v, HEAD %+v, want %d", get, head, tc.status)
			}
			if counted.answered.Load() != 0 || len(counted.rejected) > 0 {
				t.Errorf("%d answers and %v refusals are counted", counted.answered.Load(), counted.rejected)
			}
		})
	}
}

// The path is no way to learn more than that.
func TestTheHealthCheckIsNoWayIn(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.VerboseRefusals = false })
	for _, request := range []string{"POST /healthz", "PUT /healthz", "GET /healthz/", "GET //healthz", "GET /hooks/healthz", "GET /readyz", "GET /", "HEAD /"} {
		method, at, _ := strings.Cut(request, " ")
		if got := ask(t, method, w.url+at); got.Status != http.StatusUnauthorized {
			t.Errorf("%s is answered %d", request, got.Status)
		}
	}
	signedHealth := signed(t, w.url+"/healthz", `{}`, now)
	if got := answerTo(t, signedHealth); got.Status != http.StatusUnauthorized || len(w.store.records) > 0 {
		t.Errorf("a notification there is answered %+v", got)
	}
}

// A crowd that takes all connections keeps no load balancer out.
func TestTheHealthCheckIsAnsweredInACrowd(t *testing.T) {
	const most = 8
	w := newWorld(t, nil)
	server := NewServer(w.Handler, most)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	defer func() {
		_ = server.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	for range 5 {
		for range 2 * most { // idle, or in the middle of a request
			c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			_, _ = c.Write([]byte("GET /healthz HTTP/1.1\r\nX: "))
		}
		got, err := client.Get("http://" + listener.Addr().String() + "/healthz") //nolint:noctx // it has a timeout
		if err != nil {
			t.Fatal(err)
		}
		_ = got.Body.Close()
		if got.StatusCode != http.StatusOK {
			t.Errorf("answered %d", got.StatusCode)
		}
	}
}
