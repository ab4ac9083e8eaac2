// SPDX-License-Identifier: Apache-2.0

package webhookreceiver

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/cloudinary-operator/cloudinary-operator/internal/httpserver"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verification"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

var now = time.Unix(1_795_000_000, 0)

const secret = "shhh"

// store keeps what it is given, and fails on demand.
type store struct {
	mu      sync.Mutex
	err     error
	block   chan struct{}
	records []queue.Record
	seen    map[[32]byte]bool
	writing map[[32]byte]bool // and not on disk yet
	puts    int
}

func (s *store) Put(ctx context.Context, r *queue.Record) (queue.PutResult, error) {
	if s.block != nil {
		select {
		case <-s.block:
		case <-ctx.Done():
			return queue.PutResult{}, ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.puts++
	if s.err != nil {
		return queue.PutResult{}, s.err
	}
	if s.seen[r.Key] {
		return queue.PutResult{Duplicate: true}, nil
	}
	if s.seen == nil {
		s.seen = map[[32]byte]bool{}
	}
	s.seen[r.Key] = true
	kept := *r
	kept.Body = bytes.Clone(r.Body)
	s.records = append(s.records, kept)
	return queue.PutResult{ID: queue.ID(len(s.records))}, nil
}

func (s *store) Known(key [32]byte) (known, durable bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[key] || s.writing[key], s.seen[key]
}

// recorder counts.
type recorder struct {
	mu                 sync.Mutex
	stored, duplicates int
	rejected           map[Reason]int
	guessed            int // of all that were rejected
}

func (r *recorder) Stored(*route.Endpoint, queue.ID, *queue.Record, *notification.Notification) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stored++
}

func (r *recorder) Duplicate(*route.Endpoint) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.duplicates++
}

func (r *recorder) Rejected(_ *route.Endpoint, reason Reason, guessed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rejected == nil {
		r.rejected = map[Reason]int{}
	}
	r.rejected[reason]++
	if guessed {
		r.guessed++
	}
}

func (r *recorder) Answered(int, time.Duration) {}

func testEndpoint(t *testing.T) *route.Endpoint {
	t.Helper()
	c := route.Config{
		Key: types.NamespacedName{Namespace: "shop", Name: "media"}, UID: "uid-1", MaxAge: route.DefaultMaxAge, RetryMaxAge: time.Hour,
		Paths: []string{"/hooks" + path, path},
		Keys:  []verification.Key{{ID: "1", Secret: "other"}, {ID: "2", Secret: secret}},
		Targets: []route.Target{
			{Name: "catalog", Service: &route.Service{Name: "catalog", Port: intstr.FromInt32(80), Path: "/"}},
			{Name: "deletions", Event: true, EventTypes: []string{"delete"}},
		},
	}
	e, _, problems := c.Compile(now)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return e
}

// world is a handler over real HTTP, with what is behind it.
type world struct {
	*Handler
	store    *store
	recorder *recorder
	server   *httpserver.Server
	url      string
}

func newWorld(t *testing.T, change func(*Options)) *world {
	t.Helper()
	table := route.NewTable([]*route.Endpoint{
		testEndpoint(t), {Key: types.NamespacedName{Namespace: "shop", Name: "keyless"}, Paths: []string{keylessPath}},
	})
	w := &world{store: &store{}, recorder: &recorder{}}
	o := DefaultOptions()
	o.VerboseRefusals = true // what strangers are told is for tests of its own
	o.Routes, o.Store, o.Recorder, o.Now = func() *route.Table { return table }, w.store, w.recorder, func() time.Time { return now }
	if change != nil {
		change(&o)
	}
	w.Handler = NewHandler(o)
	w.server = NewServer(w.Handler, DefaultMaxConnections)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- w.server.Serve(listener) }()
	t.Cleanup(func() {
		_ = w.server.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	w.url = "http://" + listener.Addr().String()
	return w
}

// signed is a request as Cloudinary makes it.
func signed(t *testing.T, url, body string, at time.Time) *http.Request {
	t.Helper()
	timestamp := strconv.FormatInt(at.Unix(), 10)
	sum := sha1.Sum([]byte(body + timestamp + secret))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Cloudinary")
	r.Header.Set("X-Cld-Timestamp", timestamp)
	r.Header.Set("X-Cld-Signature", hex.EncodeToString(sum[:]))
	return r
}

// answer is what a request was answered.
type answer struct {
	status int
	header http.Header
	text   string
}

func send(t *testing.T, r *http.Request) answer {
	t.Helper()
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = got.Body.Close() }()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{status: got.StatusCode, header: got.Header, text: strings.TrimSpace(string(text))}
}

const (
	path        = "/v1/notifications/shop/media"
	keylessPath = "/v1/notifications/shop/keyless"
)

func TestAnswers(t *testing.T) {
	for name, tc := range map[string]struct {
		options func(*Options)
		store   error
		path    string
		body    string
		at      time.Time
		change  func(*http.Request)
		status  int
		reason  Reason
	}{
		"a good one":                              {status: 200},
		"under the path of a base URL":            {path: "/hooks" + path, status: 200},
		"an array":                                {body: `[1]`, status: 400, reason: "not_json"},
		"a number":                                {body: `5`, status: 400, reason: "not_json"},
		"a text":                                  {body: `"x"`, status: 400, reason: "not_json"},
		"null":                                    {body: `null`, status: 400, reason: "not_json"},
		"what an upload's answer is signed over":  {body: `public_id=user/avatar&version=`, status: 400, reason: "not_json"},
		"as large as may be":                      {options: func(o *Options) { o.MaxBodyBytes = 100_000 }, body: jsonOf(100_000), status: 200},
		"a byte too large":                        {options: func(o *Options) { o.MaxBodyBytes = 100_000 }, body: jsonOf(100_001), status: 413, reason: ReasonBodyTooLarge},
		"too large, of a length not said":         {options: func(o *Options) { o.MaxBodyBytes = 100_000 }, body: jsonOf(100_001), change: func(r *http.Request) { r.ContentLength = -1 }, status: 413, reason: ReasonBodyTooLarge},
		"of a length not said":                    {body: jsonOf(50_000), change: func(r *http.Request) { r.ContentLength = -1 }, status: 200},
		"a GET":                                   {change: func(r *http.Request) { r.Method, r.Body, r.ContentLength = http.MethodGet, nil, 0 }, status: 405, reason: ReasonMethod},
		"an endpoint that does not exist":         {path: "/v1/notifications/shop/other", status: 404, reason: ReasonUnknownEndpoint},
		"a path below an endpoint's":              {path: path + "/more", status: 404, reason: ReasonUnknownEndpoint},
		"a path behind another's":                 {path: "/v1/notifications/other-team/x" + path, status: 404, reason: ReasonUnknownEndpoint},
		"an escaped slash":                        {path: "/v1/notifications/shop%2Fmedia", status: 404, reason: ReasonUnknownEndpoint},
		"two slashes":                             {path: "/" + path, status: 404, reason: ReasonUnknownEndpoint},
		"a query":                                 {path: path + "?x=y", status: 200},
		"another path":                            {path: "/", status: 404, reason: ReasonUnknownEndpoint},
		"an endpoint without keys":                {path: keylessPath, status: 503, reason: "no_keys"},
		"no routes yet":                           {options: func(o *Options) { o.Routes = func() *route.Table { return nil } }, status: 503, reason: ReasonNotLoaded},
		"no signature":                            {change: func(r *http.Request) { r.Header.Del("X-Cld-Signature") }, status: 401, reason: "missing_signature"},
		"another signature":                       {change: func(r *http.Request) { r.Header.Set("X-Cld-Signature", strings.Repeat("0", 40)) }, status: 401, reason: "bad_signature"},
		"two signatures":                          {change: func(r *http.Request) { r.Header.Add("X-Cld-Signature", strings.Repeat("0", 40)) }, status: 401, reason: "malformed_signature"},
		"only the second kind":                    {change: func(r *http.Request) { r.Header.Del("X-Cld-Signature"); r.Header.Set("X-Cld-Signature_v2", "00") }, status: 401, reason: "only_v2"},
		"too old":                                 {at: now.Add(-2 * time.Hour), status: 401, reason: "stale"},
		"from the future":                         {at: now.Add(6 * time.Minute), status: 401, reason: "future"},
		"no JSON":                                 {body: `{"a":`, status: 400, reason: "not_json"},
		"two JSON values":                         {body: `{}{}`, status: 400, reason: "not_json"},
		"nothing":                                 {body: ` `, status: 400, reason: "not_json"},
		"the queue is full":                       {store: fmt.Errorf("put: %w", queue.ErrFull), status: 503, reason: ReasonQueueFull},
		"the queue is full for this endpoint":     {store: queue.ErrEndpointFull, status: 503, reason: ReasonQueueFull},
		"the disk is full":                        {store: queue.ErrDiskFull, status: 503, reason: ReasonDiskFull},
		"the store has failed":                    {store: queue.ErrFailed, status: 503, reason: ReasonStoreFailed},
		"anything else that the store says":       {store: errors.New("what"), status: 503, reason: ReasonStoreFailed},
		"more bytes than may be in memory":        {options: func(o *Options) { o.MaxInFlightBytes = 40_000 }, body: jsonOf(50_000), status: 503, reason: ReasonOverloaded},
		"more requests than may be under way":     {options: func(o *Options) { o.MaxInFlight = 0 }, status: 503, reason: ReasonOverloaded},
		"as many bytes of one endpoint as can be": {options: func(o *Options) { o.MaxInFlightBytes = 300_000 }, body: jsonOf(100_000), status: 200},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, tc.options)
			w.store.err = tc.store
			if tc.path == "" {
				tc.path = path
			}
			if tc.body == "" {
				tc.body = `{"notification_type":"upload"}`
			}
			if tc.at.IsZero() {
				tc.at = now
			}
			r := signed(t, w.url+tc.path, tc.body, tc.at)
			if tc.change != nil {
				tc.change(r)
			}
			got := send(t, r)
			if got.status != tc.status || got.text != string(tc.reason) {
				t.Errorf("answered %d %q, want %d %q", got.status, got.text, tc.status, tc.reason)
			}
			if retryAfter := got.header.Get("Retry-After"); (retryAfter != "") != (tc.status == http.StatusServiceUnavailable) {
				t.Errorf("Retry-After is %q with status %d", retryAfter, tc.status)
			}
			if told := got.header.Get(notification.HeaderStored); (told != "") != (tc.status == http.StatusOK) {
				t.Errorf("with status %d the answer says that %q is stored", tc.status, told)
			}
			want := &recorder{stored: 1}
			if tc.reason != "" {
				want = &recorder{rejected: map[Reason]int{tc.reason: 1}}
			}
			if w.recorder.stored != want.stored || !cmp.Equal(w.recorder.rejected, want.rejected) {
				t.Errorf("recorded %d stored and %v rejected", w.recorder.stored, w.recorder.rejected)
			}
			requests, bytes := w.InFlight()
			if requests != 0 || bytes != 0 {
				t.Errorf("%d requests and %d bytes are still counted", requests, bytes)
			}
		})
	}
}

// jsonOf is a JSON string of so many bytes.
func jsonOf(bytes int) string { return `{"x":"` + strings.Repeat("x", bytes-len(`{"x":""}`)) + `"}` }

func TestOneEndpointsLimitIsNoneOfAnothers(t *testing.T) {
	at := now
	w := newWorld(t, func(o *Options) { o.MaxEndpointRate, o.Now = 2, func() time.Time { return at } })
	n := 0
	statuses := func() (all []int) {
		for range 3 {
			n++
			all = append(all, send(t, signed(t, w.url+path, fmt.Sprintf(`{"n":%d}`, n), now)).status)
		}
		return all
	}
	if diff := cmp.Diff([]int{200, 200, 503}, statuses()); diff != "" {
		t.Errorf("with two a second (-want +got):\n%s", diff)
	}
	at = at.Add(time.Second)
	if diff := cmp.Diff([]int{200, 200, 503}, statuses()); diff != "" {
		t.Errorf("a second later (-want +got):\n%s", diff)
	}
	if !w.rates.allow(types.NamespacedName{Namespace: "shop", Name: "other"}, 2, w.Now) {
		t.Error("another endpoint is limited, too")
	}
}

// Anybody can send junk. It must not use up what an endpoint's own notifications may have.
func TestJunkTakesNothingOfAnEndpointsRate(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.MaxEndpointRate = 2 })
	forged := func(r *http.Request) { r.Header.Set("X-Cld-Signature", strings.Repeat("0", 40)) }
	unsigned := func(r *http.Request) { r.Header.Del("X-Cld-Signature") }
	stale := func(r *http.Request) { *r = *signed(t, w.url+path, `{}`, now.Add(-3*time.Hour)) }
	for _, change := range []func(*http.Request){forged, unsigned, stale, forged, unsigned, stale} {
		r := signed(t, w.url+path, `{}`, now)
		change(r)
		if got := send(t, r); got.status != http.StatusUnauthorized {
			t.Errorf("junk is answered %d %q, want 401", got.status, got.text)
		}
	}
	var genuine []int
	for i := range 3 {
		genuine = append(genuine, send(t, signed(t, w.url+path, fmt.Sprintf(`{"version":%d}`, i), now)).status)
	}
	if diff := cmp.Diff([]int{200, 200, 503}, genuine); diff != "" {
		t.Errorf("genuine ones at two a second, behind junk (-want +got):\n%s", diff)
	}
	if want := map[Reason]int{"bad_signature": 2, "missing_signature": 2, "stale": 2, ReasonRateLimited: 1}; !cmp.Equal(want, w.recorder.rejected) {
		t.Errorf("rejected %v, want %v", w.recorder.rejected, want)
	}
}

// Whoever has seen a notification, or anything else that Cloudinary has signed with the same key, can send it again and again. It must not use up
// what an endpoint's own notifications may have.
func TestOnlyNewNotificationsTakeOfAnEndpointsRate(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.MaxEndpointRate = 2 })
	answers := func(want int, bodies ...string) {
		t.Helper()
		for _, body := range bodies {
			if got := send(t, signed(t, w.url+path, body, now)); got.status != want {
				t.Errorf("%s is answered %d %q, want %d", body, got.status, got.text, want)
			}
		}
	}
	const uploadsAnswer = `public_id=avatar&version=` // is signed with a timestamp behind it, and is no notification
	answers(http.StatusOK, `{"n":1}`)
	for range 5 {
		answers(http.StatusOK, `{"n":1}`)
		answers(http.StatusBadRequest, uploadsAnswer)
	}
	if w.store.puts != 1 || w.recorder.duplicates != 5 {
		t.Errorf("%d were given to the store, and %d are duplicates; want 1 and 5", w.store.puts, w.recorder.duplicates)
	}
	answers(http.StatusOK, `{"n":2}`)
	answers(http.StatusServiceUnavailable, `{"n":3}`)
	answers(http.StatusOK, `{"n":1}`, `{"n":2}`)
	if want := map[Reason]int{"not_json": 5, ReasonRateLimited: 1}; !cmp.Equal(want, w.recorder.rejected) {
		t.Errorf("rejected %v, want %v", w.recorder.rejected, want)
	}
}

// What is sent again while the first is still being written is answered by the store, which waits for the disk; it takes nothing either.
func TestADuplicateOfWhatIsBeingWrittenWaitsForIt(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.MaxEndpointRate = 1 })
	body := `{"n":1}`
	w.store.writing = map[[32]byte]bool{
		notification.DeduplicationKey("shop/media", []byte(body), strconv.FormatInt(now.Unix(), 10), notification.Notification{}): true,
	}
	for range 3 {
		if got := send(t, signed(t, w.url+path, body, now)); got.status != http.StatusOK {
			t.Errorf("answered %d %q, want 200", got.status, got.text)
		}
		w.store.seen = nil // as long as it takes
	}
	if w.store.puts != 3 {
		t.Errorf("the store was asked %d times, want 3", w.store.puts)
	}
	if got := send(t, signed(t, w.url+path, `{"n":2}`, now)); got.status != http.StatusOK {
		t.Errorf("a new one is answered %d %q, want 200", got.status, got.text)
	}
}

// An endpoint that was deleted and made again is the same to whoever sends something a second time.
func TestAnEndpointMadeAgainKnowsWhatItTook(t *testing.T) {
	w := newWorld(t, nil)
	r := signed(t, w.url+path, `{}`, now)
	if got := send(t, r); got.status != http.StatusOK {
		t.Fatalf("answered %+v", got)
	}
	again := *testEndpoint(t)
	again.UID = "uid-2"
	w.Routes = func() *route.Table { return route.NewTable([]*route.Endpoint{&again}) }
	if got := send(t, signed(t, w.url+path, `{}`, now)); got.status != http.StatusOK || len(w.store.records) != 1 {
		t.Errorf("answered %+v, and %d are stored; want a duplicate", got, len(w.store.records))
	}
}

// A longer maximum age must not bring back what was taken and is not remembered any more.
func TestAMaximumAgeThatWasRaisedCountsForWhatIsSignedSince(t *testing.T) {
	for name, tc := range map[string]struct {
		signed time.Duration // ago
		status int
	}{
		"within the maximum age before":         {signed: 2*time.Hour - time.Second, status: http.StatusOK},
		"beyond it, and before the change":      {signed: 2 * time.Hour, status: http.StatusUnauthorized},
		"beyond it, just before the change":     {signed: 3*time.Hour + time.Second, status: http.StatusUnauthorized},
		"beyond it, since the change":           {signed: 3 * time.Hour, status: http.StatusOK},
		"beyond the maximum age since":          {signed: 24 * time.Hour, status: http.StatusUnauthorized},
		"as fresh as can be, before the change": {status: http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			before := now.Add(-3 * time.Hour)
			if tc.signed < 3*time.Hour {
				before = now.Add(time.Minute)
			}
			c := route.Config{
				Key: types.NamespacedName{Namespace: "shop", Name: "media"}, Keys: []verification.Key{{ID: "2", Secret: secret}}, Paths: []string{path},
				MaxAge: 24 * time.Hour, ShorterAge: route.ShorterAge{MaxAge: 2 * time.Hour, Before: before},
			}
			e, _, _ := c.Compile(now)
			w.Routes = func() *route.Table { return route.NewTable([]*route.Endpoint{e}) }
			if got := send(t, signed(t, w.url+path, `{}`, now.Add(-tc.signed))); got.status != tc.status {
				t.Errorf("answered %d %q, want %d", got.status, got.text, tc.status)
			}
		})
	}
}

func TestWhatIsStored(t *testing.T) {
	w := newWorld(t, nil)
	body := ` {"notification_type":"delete","resources":[{"public_id":"a","asset_id":"x"}],"a":1.0}`
	r := signed(t, w.url+path, body, now.Add(-time.Minute))
	r.Header.Set("X-Forwarded-For", "192.0.2.1")
	r.Header.Set("Authorization", "Bearer somebody's")
	r.Header.Set("X-Cld-Signature_v2", "unchecked")
	if got := send(t, r); got.status != http.StatusOK || got.text != "" || got.header.Get("Content-Length") != "0" {
		t.Fatalf("answered %+v", got)
	}
	got := w.store.records[0]
	if got.OrderKey == 0 {
		t.Error("a notification about one asset has no order key")
	}
	timestamp := strconv.FormatInt(now.Add(-time.Minute).Unix(), 10)
	want := queue.Record{
		Key: got.Key, OrderKey: got.OrderKey, KeyExpires: now.Add(2*time.Hour + 5*time.Minute),
		Endpoint: queue.Endpoint{Namespace: "shop", Name: "media"}, ReceivedAt: now, EventType: "delete",
		Header: []queue.Header{
			{Name: "Content-Type", Value: "application/json"},
			{Name: "User-Agent", Value: "Cloudinary"},
			{Name: "X-Cld-Signature", Value: r.Header.Get("X-Cld-Signature")},
			{Name: "X-Cld-Signature_v2", Value: "unchecked"},
			{Name: "X-Cld-Timestamp", Value: timestamp},
		},
		Body: []byte(body), Targets: []string{"catalog", "deletions"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}

func TestTheSameAgainIsAnswered200AndStoredOnce(t *testing.T) {
	w := newWorld(t, nil)
	withID := `{"notification_type":"upload","request_id":"0123456789abcdef"}`
	without := `{"notification_type":"upload"}`
	var said []string
	for _, r := range []*http.Request{
		signed(t, w.url+path, withID, now), signed(t, w.url+path, withID, now), signed(t, w.url+path, withID, now.Add(-time.Minute)),
		signed(t, w.url+path, without, now), signed(t, w.url+path, without, now), signed(t, w.url+path, without, now.Add(-time.Minute)),
	} {
		got := send(t, r)
		if got.status != http.StatusOK {
			t.Fatalf("answered %+v", got)
		}
		said = append(said, got.header.Get(notification.HeaderStored))
	}
	if diff := cmp.Diff([]string{"1", "known", "known", "2", "known", "3"}, said); diff != "" {
		t.Errorf("ids of what is stored (-want +got):\n%s", diff)
	}
	if len(w.store.records) != 3 || w.recorder.duplicates != 3 {
		t.Errorf("%d stored, %d duplicates; want the one with an id once, and the other once for each timestamp", len(w.store.records), w.recorder.duplicates)
	}
}

func TestAStoreThatHangsIsAnswered503InTime(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.StoreTimeout = 50 * time.Millisecond })
	w.store.block = make(chan struct{})
	begin := time.Now()
	got := send(t, signed(t, w.url+path, `{}`, now))
	if got.status != http.StatusServiceUnavailable || got.text != string(ReasonStoreFailed) || time.Since(begin) > 2*time.Second {
		t.Errorf("answered %+v after %s", got, time.Since(begin))
	}
}

// Moving a digit from the timestamp to the body leaves the digest as it is.
func TestADigitMovedFromTimestampToBodyIsRefused(t *testing.T) {
	w := newWorld(t, nil)
	r := signed(t, w.url+path, `{"a":1`, now)
	timestamp := r.Header.Get("X-Cld-Timestamp")
	moved := `{"a":1` + timestamp[:1]
	r.Header.Set("X-Cld-Timestamp", timestamp[1:])
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(moved)), int64(len(moved))
	if got := send(t, r); got.status != http.StatusUnauthorized || got.text != "malformed_timestamp" {
		t.Errorf("answered %+v", got)
	}
}

func TestEveryReasonHasAStatusThatIsNoSuccess(t *testing.T) {
	seen := map[Reason]bool{}
	for _, r := range Reasons() {
		if s := r.status(); s < 400 || s > 599 {
			t.Errorf("%s has status %d", r, s)
		}
		if seen[r] {
			t.Errorf("%s is there twice", r)
		}
		seen[r] = true
	}
}
