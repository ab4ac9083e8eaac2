// SPDX-License-Identifier: Apache-2.0

package webhookreceiver

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
)

// at makes a request to an endpoint. Nobody serves it, so that it leaves when the test says so.
func at(endpoint string) *guest {
	return &guest{key: types.NamespacedName{Namespace: "shop", Name: endpoint}, request: &http.Request{}}
}

const patience = time.Second

// entered has requests in an intake, in this order.
func entered(t *testing.T, i *intake, endpoints ...string) []*guest {
	t.Helper()
	var all []*guest
	for _, endpoint := range endpoints {
		g := at(endpoint)
		if !i.enter(g) {
			t.Fatalf("the request to %s found no place", endpoint)
		}
		all = append(all, g)
	}
	return all
}

// madeRoom runs what needs room, and returns who was told to leave, each of whom leaves, and whether it was enough.
func madeRoom(i *intake, guests []*guest, needs func() bool) (told []int, enough bool) {
	gone := map[int]bool{}
	done := make(chan bool)
	go func() { done <- needs() }()
	for {
		synctest.Wait()
		left := false
		for n, g := range guests {
			if !gone[n] && !g.proved && i.wasTold(g) {
				gone[n], left = true, true
				told = append(told, n)
				i.leave(g)
			}
		}
		if left {
			continue
		}
		select {
		case enough = <-done:
		case <-time.After(2 * patience):
			enough = <-done
		}
		return told, enough
	}
}

func TestWhoMakesRoom(t *testing.T) {
	large := func(i *intake, n int64, guests ...*guest) {
		for _, g := range guests {
			i.take(g, n, true)
		}
	}
	for name, tc := range map[string]struct {
		endpoints []string
		proved    []int
		before    func(i *intake, guests []*guest)
		needs     func(i *intake, guests []*guest) bool
		told      []int
		refused   bool
	}{
		"nobody, while there is a place": {
			endpoints: []string{"a", "a", "b"}, needs: func(i *intake, _ []*guest) bool { return i.enter(at("b")) },
		},
		"of all, the one that has been there longest": {
			endpoints: []string{"b", "a", "a", "c"}, needs: func(i *intake, _ []*guest) bool { return i.enter(at("d")) }, told: []int{0},
		},
		"of an endpoint that has half of the places, one of its own": {
			endpoints: []string{"b", "a", "a"}, needs: func(i *intake, _ []*guest) bool { return i.enter(at("a")) }, told: []int{1},
		},
		"none that has proved to be Cloudinary's": {
			endpoints: []string{"b", "a", "a", "c"}, proved: []int{0, 1}, needs: func(i *intake, _ []*guest) bool { return i.enter(at("d")) }, told: []int{2},
		},
		"nobody, where all have": {
			endpoints: []string{"b", "a", "a", "c"}, proved: []int{0, 1, 2, 3}, needs: func(i *intake, _ []*guest) bool { return i.enter(at("d")) }, refused: true,
		},
		"whoever has bytes, for bytes of a small body": {
			endpoints: []string{"a", "b", "c"},
			before: func(i *intake, g []*guest) {
				large(i, 500, g[1])
				large(i, 250, g[2])
				i.take(g[2], 250, false)
			},
			needs: func(i *intake, g []*guest) bool { return i.take(g[0], 100, false) }, told: []int{1},
		},
		"whoever has a large body, for one": {
			endpoints: []string{"a", "b", "c", "d"},
			before: func(i *intake, g []*guest) {
				i.take(g[0], 100, false)
				large(i, 500, g[1])
				large(i, 200, g[2])
			},
			needs: func(i *intake, g []*guest) bool { return i.take(g[3], 100, true) }, told: []int{1},
		},
		"as many as it takes": {
			endpoints: []string{"a", "b", "c", "d"},
			before:    func(i *intake, g []*guest) { large(i, 250, g[0], g[1], g[2]) },
			needs:     func(i *intake, g []*guest) bool { return i.take(g[3], 400, true) }, told: []int{0, 1},
		},
		"of an endpoint that has half of the bytes, one of its own": {
			endpoints: []string{"b", "a", "a"},
			before:    func(i *intake, g []*guest) { large(i, 200, g[0]); large(i, 400, g[1]) },
			needs:     func(i *intake, g []*guest) bool { return i.take(g[2], 200, true) }, told: []int{1},
		},
		"nobody else, where it is itself the oldest": {
			endpoints: []string{"a", "a"},
			before:    func(i *intake, g []*guest) { large(i, 250, g[0], g[1]) },
			needs:     func(i *intake, g []*guest) bool { return i.take(g[0], 100, true) }, refused: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				i := newIntake(4, 1000, patience)
				guests := entered(t, i, tc.endpoints...)
				for _, n := range tc.proved {
					i.prove(guests[n])
				}
				if tc.before != nil {
					tc.before(i, guests)
				}
				told, enough := madeRoom(i, guests, func() bool { return tc.needs(i, guests) })
				if enough == tc.refused {
					t.Errorf("there was room: %v", enough)
				}
				if !tc.refused && !cmp.Equal(tc.told, told) {
					t.Errorf("%v were told to leave, want %v", told, tc.told)
				}
			})
		})
	}
}

func TestWhoDoesNotLeaveInTimeIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIntake(1, 1000, patience)
		entered(t, i, "a")
		begin := time.Now()
		if i.enter(at("b")) || time.Since(begin) != patience {
			t.Errorf("refused after %s, want %s", time.Since(begin), patience)
		}
	})
}

// Whoever was told to leave is cut off by the one that told it. So one that is leaving itself must tell nobody.
func TestWhoIsLeavingTellsNobodyToLeave(t *testing.T) {
	i := newIntake(4, 100, patience)
	all := entered(t, i, "a", "a")
	if !i.take(all[0], 20, true) || !i.take(all[1], 20, true) {
		t.Fatal("there is room for both")
	}
	all[0].told = true
	if i.take(all[0], 20, true) || i.wasTold(all[1]) {
		t.Error("a request that is leaving has another one leave, which nobody cuts off")
	}
}

// Those that were told to leave take a moment. Meanwhile nobody else has to, and whoever needs their room waits for it.
func TestWhoIsLeavingIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIntake(4, 100, patience)
		all := entered(t, i, "a", "b")
		if !i.take(all[0], 40, true) || !i.take(all[1], 30, true) {
			t.Fatal("there is room for both")
		}
		all[0].told = true
		done := make(chan bool)
		go func() { done <- i.take(all[1], 20, true) }()
		synctest.Wait()
		if i.wasTold(all[1]) {
			t.Error("a request gives way while one that is older is leaving")
		}
		i.leave(all[0])
		if !<-done {
			t.Error("there was room in time")
		}
	})
}

func TestWhatIsGivenBackIsAllOfIt(t *testing.T) {
	i := newIntake(8, 1<<20, patience)
	var all sync.WaitGroup
	for n := range 64 {
		all.Go(func() {
			for range 100 {
				g := at(fmt.Sprint(n % 3))
				if !i.enter(g) {
					continue
				}
				if i.take(g, 100, false) && n%2 == 0 && i.take(g, 1000, true) {
					i.prove(g)
				}
				i.leave(g)
			}
		})
	}
	all.Wait()
	if requests, bytes := i.read(); requests != 0 || bytes != 0 || i.large != 0 || i.unproved.first != nil || i.unproved.last != nil {
		t.Errorf("%d requests, %d bytes, %d large are left", requests, bytes, i.large)
	}
	for key, s := range i.shares {
		if *s != (share{}) {
			t.Errorf("%s has %+v left", key, *s)
		}
	}
}

// slow is a stranger whose headers are well formed, and whose body does not come.
func (w *world) slow(t *testing.T, length int, sent string) net.Conn {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_, err = fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: a\r\nX-Cld-Timestamp: %d\r\nX-Cld-Signature: %040x\r\nContent-Length: %d\r\n\r\n%s", path, now.Unix(), 1, length, sent)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	return c
}

// refusedFor is how many requests were refused for a reason so far.
func (w *world) refusedFor(reason Reason) int {
	w.recorder.mu.Lock()
	defer w.recorder.mu.Unlock()
	return w.recorder.rejected[reason]
}

func (w *world) until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			requests, bytes := w.InFlight()
			t.Fatalf("not in time: %s; %d requests and %d bytes are under way", what, requests, bytes)
		}
	}
}

func TestSlowBodiesKeepNobodyOut(t *testing.T) {
	const places = 4
	w := newWorld(t, func(o *Options) { o.MaxInFlight, o.MaxInFlightBytes, o.MaxBodyBytes = places, 100_000, 50_000 })
	strangers := 0
	for name, stranger := range map[string]func() net.Conn{
		"places": func() net.Conn { return w.slow(t, 100, "x") },
		"bytes":  func() net.Conn { return w.slow(t, 50_000, strings.Repeat("x", 40_000)) },
	} {
		var first net.Conn
		for n := range places {
			c := stranger()
			if n == 0 {
				first = c
			}
			strangers++
			w.until(t, "it is there, or was", func() bool {
				requests, _ := w.InFlight()
				return requests+w.refusedFor(ReasonOverloaded) >= strangers
			})
		}
		for n := range 3 {
			if got := send(t, signed(t, w.url+path, fmt.Sprintf(`{%q: %d}`, name, n), now)); got.status != http.StatusOK {
				t.Errorf("%s: a genuine notification is answered %+v", name, got)
			}
			large := fmt.Sprintf(`{%q: [%d, %s]}`, name, n, jsonOf(45_000))
			if got := send(t, signed(t, w.url+path, large, now)); got.status != http.StatusOK {
				t.Errorf("%s: a large genuine notification is answered %+v", name, got)
			}
		}
		answer, _ := io.ReadAll(first) // it was cut off, or noticed in time that it is to leave
		if len(answer) > 0 && !strings.HasPrefix(string(answer), "HTTP/1.1 503 ") {
			t.Errorf("%s: the first stranger is answered %q", name, answer)
		}
	}
	if w.refusedFor(ReasonOverloaded) == 0 {
		t.Error("nobody made room")
	}
}

// What the headers tell is told before a body is waited for.
func TestHeadersAreJudgedBeforeTheBody(t *testing.T) {
	w := newWorld(t, nil)
	for name, tc := range map[string]struct {
		path, lines, want string
	}{
		"no signature":           {path, "X-Cld-Timestamp: 1795000000\r\n", "missing_signature"},
		"a signature of no form": {path, "X-Cld-Timestamp: 1795000000\r\nX-Cld-Signature: 12\r\n", "malformed_signature"},
		"no hexadecimal digits":  {path, "X-Cld-Timestamp: 1795000000\r\nX-Cld-Signature: " + strings.Repeat("x", 40) + "\r\n", "malformed_signature"},
		"no timestamp":           {path, "X-Cld-Signature: " + strings.Repeat("0", 40) + "\r\n", "missing_timestamp"},
		"a timestamp of no form": {path, "X-Cld-Timestamp: 17950000000\r\nX-Cld-Signature: " + strings.Repeat("0", 40) + "\r\n", "malformed_timestamp"},
		"a path that is none":    {"/", "", "unknown_endpoint"},
		"more than a body may have": {
			path, "X-Cld-Timestamp: 1795000000\r\nX-Cld-Signature: " + strings.Repeat("0", 40) + "\r\nX: \r\nContent-Length: 99999999\r\n",
			"body_too_large",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(w.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			lines := tc.lines
			if !strings.Contains(lines, "Content-Length") {
				lines += "Content-Length: 9\r\n"
			}
			if _, err := io.WriteString(c, "POST "+tc.path+" HTTP/1.1\r\nHost: a\r\n"+lines+"\r\n"); err != nil {
				t.Fatal(err)
			}
			_ = c.SetReadDeadline(time.Now().Add(2 * time.Second))
			got, err := io.ReadAll(c) // the connection is closed behind it
			if err != nil || !strings.HasSuffix(strings.TrimSpace(string(got)), tc.want) || !strings.Contains(string(got), "Connection: close") {
				t.Errorf("answered %q, %v, want %s, and the connection closed", got, err, tc.want)
			}
		})
	}
}
