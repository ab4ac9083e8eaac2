// SPDX-License-Identifier: Apache-2.0

package route

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
)

// synced is a trigger that Cloudinary has as it is.
func synced(t *v1alpha1.CloudinaryTrigger) *v1alpha1.CloudinaryTrigger {
	t.Status.Conditions = append(t.Status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionSynced, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonSynced, ObservedGeneration: t.Generation,
	})
	return t
}

// history keeps an endpoint while its triggers change.
type history struct {
	from   v1alpha1.FromNamespaces
	config []Config
}

// becomes is the endpoint once its triggers are these.
func (h *history) becomes(t *testing.T, now time.Time, triggers ...*v1alpha1.CloudinaryTrigger) *Endpoint {
	t.Helper()
	configs := Configs([]*v1alpha1.NotificationEndpoint{endpoint("shop", "media", allowing(h.from))}, kept(triggers...), nil)
	Remember(h.config, configs, now)
	h.config = configs
	return h.at(t, now)
}

func (h *history) at(t *testing.T, now time.Time) *Endpoint {
	t.Helper()
	e, _, problems := h.config[0].Compile(now)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return e
}

func TestBodiesOfATemplateBefore(t *testing.T) {
	const kind, event = `{"kind":"{{event.type}}","id":"{{asset.public_id}}"}`, `{"event":"{{event.type}}","id":"{{asset.public_id}}"}`
	var none []*v1alpha1.CloudinaryTrigger
	one := func(tr *v1alpha1.CloudinaryTrigger) []*v1alpha1.CloudinaryTrigger {
		return []*v1alpha1.CloudinaryTrigger{tr}
	}
	of := func(template string, eventTypes ...string) *v1alpha1.CloudinaryTrigger {
		return synced(trigger("shop", "a", "media", template, eventTypes...))
	}
	foreign := func(reason string) *v1alpha1.CloudinaryTrigger {
		return synced(judged(trigger("team-a", "a", "shop/media", kind, "upload", "delete"), metav1.ConditionFalse, reason))
	}
	for name, tc := range map[string]struct {
		before, now []*v1alpha1.CloudinaryTrigger
		body        string
		want        string // its event type for half an hour
		later       string // and then
		why         string
	}{
		"the type is elsewhere": {
			before: one(of(kind, "upload", "delete")), now: one(of(event, "upload", "delete")), body: `{"kind":"upload","id":"x"}`, want: "upload", later: "unknown",
			why: "it was on its way, or Cloudinary tries once more",
		},
		"bodies of the new template": {
			before: one(of(kind, "upload", "delete")), now: one(of(event, "upload", "delete")), body: `{"event":"delete","id":"x"}`, want: "delete", later: "delete",
		},
		"the new one has something else there": {
			before: one(of(kind, "upload", "eager")), now: one(of(`{"event":"{{event.type}}","kind":"{{asset.type}}"}`, "upload", "eager")),
			body: `{"event":"eager","kind":"upload"}`, want: "eager", later: "eager", why: "the present template comes first",
		},
		"an event type less": {
			before: one(of(kind, "upload", "delete")), now: one(of(kind, "upload")), body: `{"kind":"delete"}`, want: "delete", later: "upload",
			why: "there is a single event type then",
		},
		"no template any more": {before: one(of(kind, "upload", "delete")), now: one(of("", "upload", "delete")), body: `{"kind":"delete"}`, want: "delete", later: "unknown"},
		"no trigger any more":  {before: one(of(kind, "upload", "delete")), now: none, body: `{"kind":"delete"}`, want: "delete", later: "unknown"},
		"no trigger any more, and its bodies did not tell": {
			before: one(of(`{"id":"{{asset.public_id}}"}`, "upload")), now: none, body: `{"id":"x"}`, want: "upload", later: "unknown",
		},
		"the body did not tell, and does now": {
			before: one(of(`{"id":"{{asset.public_id}}"}`, "upload")), now: one(of(kind, "upload", "delete")), body: `{"id":"x"}`, want: "upload", later: "unknown",
			why: "none of the present ones would leave it out",
		},
		"the body still does not tell": {
			before: one(of(`{"id":"{{asset.public_id}}"}`, "upload")), now: one(of(`{"name":"{{asset.public_id}}"}`, "upload", "delete")), body: `{"id":"x"}`,
			want: "unknown", later: "unknown", why: "it may be of either",
		},
		"no longer allowed": {
			before: one(judged(foreign(""), metav1.ConditionTrue, v1alpha1.ReasonAccepted)), now: one(foreign(v1alpha1.ReasonEndpointNotAllowed)), body: `{"kind":"delete"}`, want: "delete", later: "unknown",
			why: "what it said while it was allowed to",
		},
		"never allowed": {
			before: one(foreign(v1alpha1.ReasonEndpointNotAllowed)), now: none, body: `{"kind":"delete"}`, want: "unknown", later: "unknown",
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, begin := history{from: v1alpha1.NamespacesFromSelector}, time.Unix(1_795_000_000, 0)
			h.becomes(t, begin, tc.before...)
			h.becomes(t, begin.Add(time.Hour), tc.now...)
			_, until, problems := h.config[0].Compile(begin.Add(time.Hour))
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			for after, want := range map[time.Duration]string{0: tc.want, memory - time.Second: tc.want, memory: tc.later} {
				if got := typeOf(t, h.at(t, begin.Add(time.Hour+after)), tc.body); got != want {
					t.Errorf("%s after the change %s is of type %s, want %s: %s", after, tc.body, got, want, tc.why)
				}
			}
			if tc.want != tc.later && !until.Equal(begin.Add(time.Hour+memory)) {
				t.Errorf("the endpoint is good until %v, which is not when that ends", until)
			}
			h.becomes(t, begin.Add(time.Hour+memory), tc.now...)
			if left := h.config[0].Former; len(left) > 0 {
				t.Errorf("%d are kept for ever", len(left))
			}
		})
	}
}

// As long as Cloudinary may have the template before, its bodies come.
func TestATemplateBeforeCountsUntilCloudinaryHasTheNewOne(t *testing.T) {
	const kind, event, body = `{"kind":"{{event.type}}"}`, `{"event":"{{event.type}}"}`, `{"kind":"upload"}`
	h, begin := history{from: v1alpha1.NamespacesFromSame}, time.Unix(1_795_000_000, 0)
	h.becomes(t, begin, synced(trigger("shop", "a", "media", kind, "upload", "delete")))
	unsynced := edited(synced(trigger("shop", "a", "media", event, "upload", "delete")))
	h.becomes(t, begin, unsynced)
	for _, days := range []int{1, 2} {
		if got := typeOf(t, h.becomes(t, begin.AddDate(0, 0, days), unsynced), body); got != "upload" {
			t.Errorf("%d days later, and not synced, %s is of type %s, want upload", days, body, got)
		}
	}
	is := begin.AddDate(0, 0, 3)
	after := synced(trigger("shop", "a", "media", event, "upload", "delete"))
	h.becomes(t, is, after)
	h.becomes(t, is.Add(time.Minute), edited(synced(trigger("shop", "a", "media", event, "upload", "delete")))) // by another field
	for later, want := range map[time.Duration]string{memory - time.Second: "upload", memory: "unknown"} {
		if got := typeOf(t, h.at(t, is.Add(later)), body); got != want {
			t.Errorf("%s after it is synced, %s is of type %s, want %s", later, body, got, want)
		}
	}
}

// An edit must not make one of two notifications that the template before could not tell apart.
func TestTheIdentityOfBodiesBefore(t *testing.T) {
	h, begin := history{from: v1alpha1.NamespacesFromSame}, time.Unix(1_795_000_000, 0)
	h.becomes(t, begin, synced(trigger("shop", "a", "media", `{"request_id":"prod-eu-1"}`, "upload")))
	e := h.becomes(t, begin, synced(trigger("shop", "a", "media", `{"id":"{{asset.public_id}}"}`, "upload")))
	if !e.DoubtfulIdentity {
		t.Error("what looks like an id in a body made before the edit is believed")
	}
	if h.at(t, begin.Add(memory)).DoubtfulIdentity {
		t.Error("what looks like an id is doubted for ever")
	}
}

func TestWhatIsRememberedOutlivesARestart(t *testing.T) {
	h, begin := history{from: v1alpha1.NamespacesFromSame}, time.Now()
	h.becomes(t, begin, synced(trigger("shop", "a", "media", `{"kind":"{{event.type}}"}`, "upload")), trigger("shop", "b", "media", `{"x":"{{event.type}}"}`, "eager"))
	h.becomes(t, begin, synced(trigger("shop", "a", "media", `{"event":"{{event.type}}"}`, "upload")), trigger("shop", "b", "media", "", "eager"))
	dir := t.TempDir()
	if _, err := SaveSnapshot(dir, h.config); err != nil {
		t.Fatal(err)
	}
	again, err := LoadSnapshot(dir)
	if diff := cmp.Diff(h.config, again); diff != "" || err != nil || len(again[0].Former) != 2 {
		t.Errorf("after a restart (-want +got), error %v:\n%s", err, diff)
	}
	if !reflect.DeepEqual(h.config, again) {
		t.Error("what has not changed would be saved again")
	}
}

func TestWhatIsRememberedHasABound(t *testing.T) {
	h, begin := history{from: v1alpha1.NamespacesFromSame}, time.Unix(1_795_000_000, 0)
	for i := range 2 * maxFormer {
		h.becomes(t, begin, synced(trigger("shop", "a", "media", `{"x":"{{event.type}}"}`, "upload", "delete")))
		h.becomes(t, begin, synced(trigger("shop", "a", "media", `{"y":"{{event.type}}"}`, "upload", "delete")))
		if n := len(h.config[0].Former); n > 2 {
			t.Fatalf("%d are kept after %d edits to and fro", n, i)
		}
	}
	for i := range 2 * maxFormer {
		h.becomes(t, begin, synced(trigger("shop", "a", "media", fmt.Sprintf(`{"k%d":"{{event.type}}"}`, i), "upload", "delete")))
	}
	if n := len(h.config[0].Former); n != maxFormer {
		t.Errorf("%d are kept, want %d", n, maxFormer)
	}
	last := fmt.Sprintf(`{"k%d":"upload"}`, 2*maxFormer-2)
	if got := typeOf(t, h.at(t, begin), last); got != "upload" {
		t.Errorf("%s, the last before, is of type %s", last, got)
	}
	h.config[0].UID = "uid-of-another"
	h.becomes(t, begin)
	if n := len(h.config[0].Former); n > 0 {
		t.Errorf("another endpoint of the same name remembers %d", n)
	}
}

func TestAShorterMaximumAgeIsRemembered(t *testing.T) {
	begin := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(after time.Duration) time.Time { return begin.Add(after) }
	none := ShorterAge{}
	type step struct {
		after, maxAge time.Duration
		uid           types.UID
		want          ShorterAge
	}
	for name, steps := range map[string][]step{
		"raised": {
			{maxAge: 2 * time.Hour, want: none},
			{after: time.Hour, maxAge: 24 * time.Hour, want: ShorterAge{2 * time.Hour, at(time.Hour + raiseMargin)}},
			{after: 2 * time.Hour, maxAge: 24 * time.Hour, want: ShorterAge{2 * time.Hour, at(time.Hour + raiseMargin)}},
			{after: 26 * time.Hour, maxAge: 24 * time.Hour, want: none},
		},
		"lowered": {{maxAge: 24 * time.Hour}, {after: time.Hour, maxAge: time.Hour, want: none}},
		"raised twice": {
			{maxAge: 10 * time.Minute},
			{after: time.Hour, maxAge: 2 * time.Hour, want: ShorterAge{10 * time.Minute, at(time.Hour + raiseMargin)}},
			{after: 2 * time.Hour, maxAge: 24 * time.Hour, want: ShorterAge{10 * time.Minute, at(2*time.Hour + raiseMargin)}},
		},
		"raised, lowered and raised": {
			{maxAge: 2 * time.Hour},
			{after: time.Hour, maxAge: 24 * time.Hour, want: ShorterAge{2 * time.Hour, at(time.Hour + raiseMargin)}},
			{after: 2 * time.Hour, maxAge: 10 * time.Minute, want: none},
			{after: 3 * time.Hour, maxAge: 24 * time.Hour, want: ShorterAge{10 * time.Minute, at(3*time.Hour + raiseMargin)}},
		},
		"made again with a longer one": {
			{maxAge: 2 * time.Hour, uid: "one"},
			{after: time.Hour, maxAge: 24 * time.Hour, uid: "other", want: ShorterAge{2 * time.Hour, at(time.Hour + raiseMargin)}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var before []Config
			for i, s := range steps {
				ep := endpoint("shop", "media", func(e *v1alpha1.NotificationEndpoint) {
					e.UID = s.uid
					e.Spec.Receiver.Verification = &v1alpha1.Verification{MaxAge: v1alpha1.Duration(s.maxAge.String())}
				})
				configs := Configs([]*v1alpha1.NotificationEndpoint{ep}, nil, nil)
				Remember(before, configs, at(s.after))
				if diff := cmp.Diff(s.want, configs[0].ShorterAge); diff != "" {
					t.Errorf("step %d (-want +got):\n%s", i, diff)
				}
				dir := t.TempDir() // it outlives the process
				if _, err := SaveSnapshot(dir, configs); err != nil {
					t.Fatal(err)
				}
				var err error
				if before, err = LoadSnapshot(dir); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(configs[0].ShorterAge, before[0].ShorterAge); diff != "" {
					t.Errorf("step %d, saved and loaded (-want +got):\n%s", i, diff)
				}
			}
		})
	}
}

// Whatever the maximum age goes through, what was taken once is not taken again: it is remembered, or too old.
func TestWhatWasTakenIsKnownOrTooOldWhateverTheMaximumAge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		type taken struct{ signed, known time.Time } // known until then
		var all []taken
		var before []Config
		for range rapid.IntRange(2, 40).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 300).Draw(t, "minutes")) * time.Minute)
			if before == nil || rapid.Bool().Draw(t, "change") {
				maxAge := time.Duration(rapid.SampledFrom([]int{10, 30, 120, 600, 1440}).Draw(t, "maxAge")) * time.Minute
				configs := []Config{{Key: types.NamespacedName{Name: "media"}, MaxAge: maxAge}}
				Remember(before, configs, now)
				before = configs
			}
			e, _, _ := before[0].Compile(now)
			accepted := func(signed time.Time) bool {
				age := now.Sub(signed)
				return age < e.MaxAge && age >= -notification.DefaultMaxFuture && !e.Forgotten(signed, now)
			}
			for _, is := range all {
				if accepted(is.signed) && !now.Before(is.known) {
					t.Fatalf("at %s, with a maximum age of %s and %+v, what was signed at %s is accepted again, and was known until %s",
						now, e.MaxAge, e.ShorterAge, is.signed, is.known)
				}
			}
			signed := now.Add(-time.Duration(rapid.IntRange(-5, 1500).Draw(t, "age")) * time.Minute)
			if accepted(signed) {
				all = append(all, taken{signed, now.Add(e.MaxAge + notification.DefaultMaxFuture)})
			}
		}
	})
}
