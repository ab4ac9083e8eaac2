// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/controllers"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// planLimit is the free plan's calls an hour, and share what the manager may spend of them by
// default.
const (
	planLimit = 500
	share     = planLimit / 2
)

// world is a run without trouble but that which a test makes, on a plan with a limit of calls.
// Calls are counted where they arrive.
type world struct {
	*run
	*testing.T
	cloud  *cloud
	begun  time.Time
	people bool    // the next call is not the manager's
	spent  [48]int // the manager's calls, by hour
	starts [48]int // of its processes, by hour
}

func newWorld(t *testing.T) *world {
	t.Helper()
	r := &run{
		seed: 1, random: rand.New(rand.NewPCG(1, 2)), now: time.Date(2026, 1, 1, 12, 20, 0, 0, time.UTC), settling: true, urlLimit: 30,
		clouds: map[string]*cloud{}, reached: map[step]int{}, kills: map[string]int{}, ownWrites: true,
	}
	r.ledger = newLedger(r)
	r.api = newAPIServer(func() time.Time { return r.now }, r.ledger.wrote)
	r.options = controllers.DefaultOptions()
	metrics, err := controllers.NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	r.metrics = metrics
	options := simulator.Options{
		Cloud: "alpha", RateLimit: planLimit, APIKey: keyOne.APIKey, APISecret: keyOne.APISecret, Clock: func() time.Time { return r.now },
		Delivery: simulator.DeliveryOptions{Ed25519Seed: fmt.Sprintf("%064x", 1)},
	}
	for i := range 10 {
		options.AdditionalCredentials = append(options.AdditionalCredentials, keyOf(i))
	}
	c, err := newCloud(options, func() string { return fmt.Sprintf("%016x%016x", r.random.Uint64(), r.random.Uint64()) })
	if err != nil {
		t.Fatal(err)
	}
	r.clouds["alpha"] = c
	w := &world{run: r, T: t, cloud: c, begun: r.now.Truncate(time.Hour)}
	c.onCall = func() {
		if !w.people {
			w.spent[w.hour()]++
		}
	}
	return w
}

func keyOf(i int) simulator.Credentials {
	return simulator.Credentials{APIKey: fmt.Sprintf("4444444444444%02d", i), APISecret: "secret"}
}

func (w *world) secret(name string, key simulator.Credentials) {
	w.api.create(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: map[string][]byte{"CLOUDINARY_URL": []byte(credentials(key, "alpha"))},
	})
}

func (w *world) endpoint(name, url, secret string) {
	ep := &v1alpha1.NotificationEndpoint{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	ep.Spec.URL, ep.Spec.CredentialsSecretRef.Name = url, secret
	w.api.create(ep)
}

func (w *world) trigger(name, endpoint string, eventTypes ...string) {
	t := &v1alpha1.CloudinaryTrigger{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	t.Spec.EndpointRef.Name, t.Spec.EventTypes = endpoint, eventTypes
	w.api.create(t)
}

// until lets the manager work until a time.
func (w *world) until(end time.Time) {
	w.Helper()
	for w.now.Before(end) && w.failure == nil {
		p := w.leads()
		if wait, found := p.queue.wait(); !found || wait > time.Minute {
			w.advance(min(time.Minute, end.Sub(w.now)))
		}
		p.turn()
		w.bury()
	}
	if w.failure != nil {
		w.Fatal(w.failure)
	}
}

func (w *world) hour() int { return int(w.now.Sub(w.begun) / time.Hour) }

// withinTheShare looks at what the manager spent: in each hour the share at most, and one call for
// each start, by which a process finds out how things are.
func (w *world) withinTheShare() {
	w.Helper()
	w.Logf("calls by hour: %v", w.spent[:w.hour()+1])
	for hour, spent := range w.spent {
		if starts := w.starts[hour]; spent > share+starts {
			w.Errorf("%d calls in hour %d, want at most %d, and %d for starts", spent, hour, share, starts)
		}
	}
	if n := w.refused(); n > 0 {
		w.Errorf("Cloudinary refused %d calls", n)
	}
}

func (w *world) person(method, path string, body any) {
	w.people = true
	defer func() { w.people = false }()
	w.cloud.person(method, path, body)
}

// restart ends the manager's process wherever it is.
func (w *world) restart() {
	if w.leader != nil {
		w.leader.abandon()
		w.leader = nil
	}
	w.starts[w.hour()]++
}

func (w *world) refused() int {
	n := 0
	for _, c := range w.cloud.sim.Calls().Calls {
		if c.Status == simulator.StatusEnhanceYourCalm {
			n += c.Count
		}
	}
	return n
}

func (w *world) waiting(endpoint string) int {
	ep := w.api.endpoint(namespace, endpoint)
	if ep == nil || ep.Status.Environment == nil || ep.Status.Environment.ChangesWaiting == nil {
		return 0
	}
	return int(*ep.Status.Environment.ChangesWaiting)
}

// 900 new triggers on the free plan.
func TestAnImportArrivesInOrderOverTheHours(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.secret("one", keyOne)
	types := notification.EventTypes()[:30]
	for i := range 30 {
		w.endpoint(fmt.Sprintf("e%02d", i), fmt.Sprintf("https://hooks.example.com/%02d", i), "one")
		w.trigger(fmt.Sprintf("t%02d", i), fmt.Sprintf("e%02d", i), types...)
		w.advance(time.Second) // so that some are older
	}
	begun, left := w.now, 900
	for left > 0 && w.now.Sub(begun) < 8*time.Hour {
		w.until(w.now.Add(10 * time.Minute))
		now := 900 - len(w.cloud.triggers())
		if shown := w.waiting("e00"); shown != now {
			t.Errorf("%s after the beginning %d are to be made, and the status says %d", w.now.Sub(begun), now, shown)
		}
		left = now
	}
	if left > 0 {
		t.Errorf("%d are missing after %s", left, w.now.Sub(begun))
	}
	w.withinTheShare()
	made := w.cloud.triggers()
	slices.SortFunc(made, func(a, b simulator.Trigger) int {
		return cmp.Or(strings.Compare(a.CreatedAt, b.CreatedAt), strings.Compare(a.URI, b.URI))
	})
	if !slices.IsSortedFunc(made, func(a, b simulator.Trigger) int { return strings.Compare(a.URI, b.URI) }) {
		t.Error("they were not made in the order of their objects' age")
	}
}

// A day on the free plan: ten Secrets, scripts that change what they should not, a manager that
// crashes, changes of people in between.
func TestADayStaysWithinTheShare(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	types := notification.EventTypes()
	for i := range 10 {
		w.secret(fmt.Sprintf("s%d", i), keyOf(i))
		w.endpoint(fmt.Sprintf("e%d", i), fmt.Sprintf("https://hooks.example.com/%d", i), fmt.Sprintf("s%d", i))
		w.trigger(fmt.Sprintf("t%d", i), fmt.Sprintf("e%d", i), types[:6]...)
	}
	w.until(w.now.Add(time.Hour))
	if n := len(w.cloud.triggers()); n != 60 {
		t.Fatalf("%d triggers after an hour, want 60", n)
	}
	for hour := range 23 {
		switch hour % 6 {
		case 1: // a script writes over everything, every few minutes
			for range 5 {
				w.storm(hour)
				w.until(w.now.Add(4 * time.Minute))
			}
			w.askFor(fmt.Sprintf("urgent-%d", hour), types[10+hour%15])
		case 3: // a crash loop
			for range 20 {
				w.restart()
				w.until(w.now.Add(20 * time.Second))
			}
		case 4: // somebody else's import
			for range 150 {
				w.person(http.MethodGet, "", nil)
			}
		default:
			edit(w.api, at(kindTrigger, fmt.Sprintf("t%d", hour%10)), func(t *v1alpha1.CloudinaryTrigger) { t.Spec.EventTypes = types[:3+hour%5] })
		}
		w.until(w.now.Truncate(time.Hour).Add(time.Hour + time.Minute))
	}
	w.withinTheShare()
}

// storm is a script that sets the additive of every trigger, each time another value.
func (w *world) storm(n int) {
	for i, trigger := range w.cloud.triggers() {
		w.person(http.MethodPut, "/"+trigger.ID, map[string]any{"new_uri": trigger.URI, "additive": true, "auth_scheme": []string{"default", "eddsa_v2", "legacy_hmac"}[(n+i)%3]})
	}
}

// askFor has somebody apply a manifest, in the middle of a storm: it must not wait for repairs.
func (w *world) askFor(name, eventType string) {
	w.Helper()
	w.trigger(name, "e0", eventType)
	w.until(w.now.Add(2 * time.Minute))
	if !slices.ContainsFunc(w.cloud.triggers(), func(t simulator.Trigger) bool {
		return t.EventType == eventType && t.URI == "https://hooks.example.com/0"
	}) {
		w.Errorf("%s is not there after two minutes", name)
	}
}
