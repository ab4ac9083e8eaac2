// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// adminListener answers as the receiver's does.
type adminListener struct {
	*httptest.Server
	letters []deadLetter
	page    int
	asked   []string // paths with queries or bodies
	answer  string   // to changes
}

func (f *fixture) adminListener(page int) *adminListener {
	f.Helper()
	received := metav1.NewTime(noon.Add(-3 * time.Hour))
	l := &adminListener{page: page, answer: `{"count":2}`}
	for i, target := range []string{"catalog", "catalog", "search"} {
		l.letters = append(l.letters, deadLetter{
			ID: strconv.Itoa(41 + i), Target: target, Namespace: f.namespace, Endpoint: "media", EventType: "upload",
			Asset: `image "cat"`, ReceivedAt: &received, Reason: "answered 400 Bad Request", Size: 2048,
		})
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/deadletters", l.list)
	mux.HandleFunc("GET /v1/deadletters/{id}", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("id") != "41" {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"error":"there is no notification 9"}`)
			return
		}
		_ = json.NewEncoder(w).Encode(storedNotification{
			ID: "41", Namespace: f.namespace, Endpoint: "media", EventType: "upload", ReceivedAt: &received,
			Targets: []targetState{{"catalog", "DeadLettered", "answered 400 Bad Request"}},
			Headers: map[string][]string{"X-Cld-Timestamp": {"1772355600"}, "Content-Type": {"application/json"}},
			Body:    []byte(`{"public_id":"cat","notification_type":"upload"}`),
		})
	})
	act := func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		l.asked = append(l.asked, r.URL.Path+" "+strings.ReplaceAll(string(body), f.namespace, "NAMESPACE"))
		_, _ = io.WriteString(w, l.answer)
	}
	mux.HandleFunc("POST /v1/deadletters/redrive", act)
	mux.HandleFunc("POST /v1/deadletters/discard", act)
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Cloudinary-Operator-Admin") != "1" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	f.Cleanup(l.Close)
	return l
}

func (l *adminListener) list(w http.ResponseWriter, r *http.Request) {
	l.asked = append(l.asked, r.URL.RawQuery)
	from, _ := strconv.Atoi(r.URL.Query().Get("continue"))
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	to := min(len(l.letters), from+min(limit, l.page))
	next := ""
	if to < len(l.letters) {
		next = strconv.Itoa(to)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"items": l.letters[from:to], "continue": next})
}

func TestListOfDeadLetters(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.now = noon
	l := f.adminListener(2)
	f.env[envReceiverAdminURL] = l.URL // the flag is read from it
	f.golden("deadletters-list.txt", f.succeeds("deadletters", "list", "media"))
	delete(f.env, envReceiverAdminURL)
	want := []string{"endpoint=media&limit=500&namespace=" + f.namespace, "continue=2&endpoint=media&limit=498&namespace=" + f.namespace}
	if diff := cmp.Diff(want, l.asked); diff != "" {
		t.Errorf("asked for (-want +got):\n%s", diff)
	}
	f.golden("deadletters-list-wide.txt", f.succeeds("deadletters", "list", "media", "-o", "wide", "--receiver-admin-url", l.URL))
	f.golden("deadletters-list-all.txt", f.succeeds("deadletters", "list", "-A", "--receiver-admin-url", l.URL))
	r := f.call("deadletters", "list", "--limit", "2", "--target", "catalog", "--receiver-admin-url", l.URL)
	if r.code != 0 || !strings.Contains(r.err, "there are more") || strings.Count(r.out, "\n") != 3 {
		t.Errorf("with a limit: %+v", r)
	}
	var listed struct{ Items []deadLetter }
	f.must(json.Unmarshal([]byte(f.succeeds("deadletters", "list", "-o", "json", "--receiver-admin-url", l.URL)), &listed))
	if diff := cmp.Diff(l.letters, listed.Items, cmp.Comparer(func(a, b metav1.Time) bool { return a.Equal(&b) })); diff != "" {
		t.Errorf("as JSON (-want +got):\n%s", diff)
	}
	l.letters = nil
	if r := f.call("deadletters", "list", "--receiver-admin-url", l.URL); r.err != "No dead letters found.\n" {
		t.Errorf("of none: %+v", r)
	}
}

func TestOneDeadLetter(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.now = noon
	l := f.adminListener(500)
	f.golden("deadletters-show.txt", f.succeeds("deadletters", "show", "41", "--receiver-admin-url", l.URL))
	if got, want := f.succeeds("deadletters", "show", "41", "--raw", "--receiver-admin-url", l.URL), `{"public_id":"cat","notification_type":"upload"}`; got != want {
		t.Errorf("the body alone: %q, want %q", got, want)
	}
	f.fails([]string{"deadletters", "show", "9", "--receiver-admin-url", l.URL}, "the receiver says: there is no notification 9")
}

func TestRedriveTellsOfWhatIsKept(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	l := f.adminListener(500)
	l.answer = `{"count":1,"kept":2,"message":"dead letters that are kept: 2"}`
	r := f.call("deadletters", "redrive", "--id", "41", "--receiver-admin-url", l.URL)
	if want := "1 dead letter of endpoint " + f.namespace + "/media queued for delivery\n"; r.code != 0 || r.out != want || r.err != "warning: dead letters that are kept: 2\n" {
		t.Errorf("code %d, output %q, errors %q; want output %q and a warning", r.code, r.out, r.err, want)
	}
}

func TestRedriveAndDiscard(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	l := f.adminListener(500)
	url := []string{"--receiver-admin-url", l.URL}
	cases := map[string]struct {
		args []string
		want string
	}{
		"ids of an endpoint":    {[]string{"redrive", "media", "--id", "41,42"}, `/v1/deadletters/redrive {"namespace":"NAMESPACE","endpoint":"media","ids":["41","42"]}`},
		"an id alone":           {[]string{"redrive", "--id", "41"}, `/v1/deadletters/redrive {"namespace":"NAMESPACE","endpoint":"media","ids":["41"]}`},
		"all of a target":       {[]string{"redrive", "media", "--target", "catalog"}, `/v1/deadletters/redrive {"namespace":"NAMESPACE","endpoint":"media","target":"catalog"}`},
		"discard an id":         {[]string{"discard", "--id", "41", "--target", "catalog", "--yes"}, `/v1/deadletters/discard {"namespace":"NAMESPACE","endpoint":"media","target":"catalog","ids":["41"]}`},
		"discard an endpoint's": {[]string{"discard", "media", "--all", "--yes"}, `/v1/deadletters/discard {"namespace":"NAMESPACE","endpoint":"media"}`},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			l.asked = nil
			out := f.succeeds(append(append([]string{"deadletters"}, test.args...), url...)...)
			if diff := cmp.Diff([]string{test.want}, l.asked); diff != "" {
				t.Errorf("asked for (-want +got):\n%s", diff)
			}
			if !strings.HasPrefix(out, "2 ") {
				t.Errorf("%q does not say how many", out)
			}
		})
	}
	l.asked = nil
	if r := f.call("deadletters", "discard", "--id", "41", url[0], url[1]); !strings.HasPrefix(r.err, "Discard 1 dead letter? This cannot be undone. [y/N]") {
		t.Errorf("asks %q", r.err)
	}
	f.fails([]string{"deadletters", "discard", "--id", "41", url[0], url[1]}, "--yes")
	f.fails([]string{"deadletters", "discard", "media", url[0], url[1]}, "--id", "--all")
	f.fails([]string{"deadletters", "discard", "--all", "--yes", url[0], url[1]}, "--all needs an ENDPOINT")
	f.fails([]string{"deadletters", "redrive"}, "ENDPOINT", "--id")
	f.fails([]string{"deadletters", "redrive", "--id", "9", url[0], url[1]}, "dead letter 9: the receiver says")
	if len(l.asked) > 0 {
		t.Errorf("what was refused was done: %v", l.asked)
	}
}

func TestRedriveOfAnEndpointAnnotates(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.now = noon
	f.busy()
	f.succeeds("deadletters", "redrive", "media")
	var ep v1alpha1.NotificationEndpoint
	f.must(api.Client.Get(f.Context(), client.ObjectKey{Namespace: f.namespace, Name: "media"}, &ep))
	if diff := cmp.Diff(map[string]string{v1alpha1.AnnotationRedrive: "2026-03-01T12:00:00Z"}, ep.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
	f.fails([]string{"deadletters", "redrive", "quiet"}, "no spec.receiver")
	f.fails([]string{"deadletters", "redrive", "nosuch"}, "there is no nep/nosuch")
}

func TestCountsWhereTheReceiverIsNotReached(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.now = noon
	f.busy()
	r := f.call("deadletters", "list", "--operator-namespace", f.namespace)
	if r.code != 0 || !strings.Contains(r.err, "no Pod of the receiver runs in namespace "+f.namespace) {
		t.Errorf("code %d, errors %q", r.code, r.err)
	}
	f.golden("deadletters-counts.txt", r.out)
	f.fails([]string{"deadletters", "list", "-o", "json", "--operator-namespace", f.namespace}, "cannot be reached")
	f.fails([]string{"deadletters", "show", "41", "--operator-namespace", f.namespace}, "cannot be reached")
	f.fails([]string{"deadletters", "list", "--receiver-admin-url", "http://127.0.0.1:1"}, "cannot be reached")
	f.fails([]string{"deadletters", "list", "--receiver-admin-url", "127.0.0.1"}, "--receiver-admin-url must be")
	for _, address := range []string{"0.0.0.0:8082", "8082", "127.0.0.1:0", "example.com:80"} {
		f.fails([]string{"deadletters", "show", "41", "--admin-bind-address", address}, "--admin-bind-address must be")
	}
}

func TestWhichPodIsTheReceiver(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	pod := func(name string, phase corev1.PodPhase, component string) {
		p := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: f.namespace, Labels: map[string]string{
				"app.kubernetes.io/name": "cloudinary-operator", "app.kubernetes.io/component": component,
			}},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "receiver", Image: "none"}}, ServiceAccountName: "default"},
		}
		f.withStatusOfPod(p, phase)
	}
	f.create(&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default", Namespace: f.namespace}})
	pod("manager", corev1.PodRunning, "manager")
	pod("old", corev1.PodSucceeded, "receiver")
	pod("new", corev1.PodRunning, "receiver")
	cl := &cluster{Client: api.Client}
	got, err := cl.receiverPod(f.Context(), f.namespace)
	f.must(err)
	if got.Name != "new" {
		t.Errorf("got Pod %s", got.Name)
	}
	r := f.call("deadletters", "show", "41", "--operator-namespace", f.namespace)
	if want := fmt.Sprintf("port-forward to Pod %s/new", f.namespace); r.code != 1 || !strings.Contains(r.err, want) {
		t.Errorf("a Pod that no node runs: %+v, want an error that says %q", r, want)
	}
}

func (f *fixture) withStatusOfPod(p *corev1.Pod, phase corev1.PodPhase) {
	f.Helper()
	f.create(p)
	p.Status.Phase = phase
	f.must(api.Client.Status().Update(f.Context(), p))
}
