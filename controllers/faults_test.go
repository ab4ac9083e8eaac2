// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/memory"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

func TestAnEnvironmentThatCannotBeReachedIsWaitedFor(t *testing.T) {
	w := newFront(newFixture(t, simulator.Options{}))
	w.hasten()
	endpoint, images, old := w.endpoint("media", hook), w.trigger("images", "media", "upload"), w.trigger("old", "media", "eager")
	w.create(w.secret("cloudinary"), endpoint, images, old)
	w.start()
	ready(w.fixture, images)
	ready(w.fixture, old)
	ids := w.idsByPlace()

	w.goAway()
	w.delete(old)
	change(w.fixture, images, func(o *v1alpha1.CloudinaryTrigger) { o.Spec.EventTypes = []string{"upload", "delete"} })
	w.contains(becomes(w.fixture, endpoint, v1alpha1.ConditionSynced, metav1.ConditionFalse, v1alpha1.ReasonUnavailable), "connection refused")
	for _, o := range []*v1alpha1.CloudinaryTrigger{images, old} {
		w.contains(becomes(w.fixture, o, v1alpha1.ConditionSynced, metav1.ConditionFalse, v1alpha1.ReasonUnavailable), "connection refused")
	}

	w.comeBack()
	ready(w.fixture, images)
	ready(w.fixture, endpoint)
	w.gone(old)
	w.placesBecome("delete "+hook, "upload "+hook)
	if got, want := w.idsByPlace()["upload "+hook], ids["upload "+hook]; got != want {
		t.Errorf("the trigger that was there is %s now, want %s", got, want)
	}
}

func TestAManagerThatNeverReachedTheEnvironmentSaysSo(t *testing.T) {
	w := newFront(newFixture(t, simulator.Options{}))
	w.hasten()
	w.goAway()
	endpoint, images := w.endpoint("media", hook), w.trigger("images", "media", "upload")
	w.create(w.secret("cloudinary"), endpoint, images)
	w.start()
	w.contains(becomes(w.fixture, endpoint, v1alpha1.ConditionReady, metav1.ConditionUnknown, v1alpha1.ReasonUnavailable), "connection refused")
	w.contains(becomes(w.fixture, images, v1alpha1.ConditionReady, metav1.ConditionUnknown, v1alpha1.ReasonUnavailable), "connection refused")
	w.comeBack()
	ready(w.fixture, images)
	ready(w.fixture, endpoint)
}

func TestAManagerThatStartsWhileTheEnvironmentIsAwaySaysSo(t *testing.T) {
	w := newFront(newFixture(t, simulator.Options{}))
	w.hasten()
	endpoint, images := w.endpoint("media", hook), w.trigger("images", "media", "upload")
	w.create(w.secret("cloudinary"), endpoint, images)
	w.start()
	ready(w.fixture, images)
	w.stop()
	w.goAway()
	w.start()
	w.contains(becomes(w.fixture, endpoint, v1alpha1.ConditionReady, metav1.ConditionUnknown, v1alpha1.ReasonUnavailable), "connection refused")
	ready(w.fixture, images) // nothing speaks against what was known before
	change(w.fixture, images, func(c *v1alpha1.CloudinaryTrigger) { c.Spec.EventTypes = append(c.Spec.EventTypes, "delete") })
	w.contains(becomes(w.fixture, images, v1alpha1.ConditionReady, metav1.ConditionUnknown, v1alpha1.ReasonUnavailable), "connection refused")
	w.comeBack()
	ready(w.fixture, images)
	ready(w.fixture, endpoint)
}

func TestAManagerThatEndsInACreateIsContinuedByTheNext(t *testing.T) {
	cases := map[string]struct {
		why   string
		fault simulator.Fault
		posts int // that reach the simulator
	}{
		"the call has taken effect": {
			why: "the next manager finds the result by the intent", fault: simulator.Fault{Delay: "1s", After: true}, posts: 1,
		},
		"the call takes effect later": {
			why: "the next manager must not call again before it is sure that it does not", fault: simulator.Fault{Delay: "1s"}, posts: 1,
		},
		"the call never takes effect": {
			why: "the next manager calls again once it is sure", fault: simulator.Fault{Delay: "1s", Cut: simulator.CutBefore}, posts: 2,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newFront(newFixture(t, simulator.Options{}))
			w.hasten()
			w.options.SettleTime = 4 * time.Second
			c.fault.Method = http.MethodPost
			w.inject(c.fault)
			endpoint, images := w.endpoint("media", hook), w.trigger("images", "media", "upload")
			w.create(w.secret("cloudinary"), endpoint, images)
			w.start()
			w.eventually(func() error {
				if !slices.ContainsFunc(w.timedCalls(), func(t timedCall) bool { return t.method == http.MethodPost }) {
					return errors.New("no POST yet")
				}
				return nil
			})
			w.stop()
			if ended := !w.timedCalls()[len(w.timedCalls())-1].ended.IsZero(); ended {
				t.Fatal("the POST had ended before the manager did: the test shows nothing")
			}

			w.start()
			ready(w.fixture, images)
			w.placesBecome("upload " + hook)
			w.holdsAll(images, v1alpha1.OriginCreated)
			posts := slices.DeleteFunc(w.timedCalls(), func(t timedCall) bool { return t.method != http.MethodPost })
			if len(posts) != c.posts {
				t.Errorf("%d POSTs, want %d: %s", len(posts), c.posts, c.why)
			}
			w.delete(images, endpoint)
			w.gone(images, endpoint)
			w.placesBecome()
		})
	}
}

func TestWrongCredentialsChangeNothingAndAreNotTriedInAHotLoop(t *testing.T) {
	w := newFront(newFixture(t, simulator.Options{}))
	w.hasten()
	secret, endpoint, images := w.secret("cloudinary"), w.endpoint("media", hook), w.trigger("images", "media", "upload")
	w.create(secret, endpoint, images)
	w.start()
	ready(w.fixture, images)
	ids, writes := w.idsByPlace(), w.writes()

	setURL := func(url string) {
		change(w.fixture, secret, func(s *corev1.Secret) { s.Data = map[string][]byte{"CLOUDINARY_URL": []byte(url)} })
	}
	setURL(w.credentials(simulator.DefaultAPIKey, "not-the-secret"))
	message := becomes(w.fixture, endpoint, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonCredentialsRejected)
	w.contains(message, "refuses the credentials")
	becomes(w.fixture, images, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonCredentialsRejected)
	if strings.Contains(message, "not-the-secret") {
		t.Errorf("the message holds the secret: %s", message)
	}
	for i := range 3 {
		late := w.trigger(fmt.Sprintf("late-%d", i), "media", "rename")
		w.create(late)
		becomes(w.fixture, late, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonCredentialsRejected)
	}
	change(w.fixture, images, func(o *v1alpha1.CloudinaryTrigger) { o.Spec.EventTypes = []string{"upload", "delete"} })
	refused := 0
	w.eventually(func() error {
		if refused = w.calls(http.MethodGet, http.StatusUnauthorized); refused < 2 {
			return fmt.Errorf("tried %d times", refused)
		}
		return nil
	})
	calls := w.timedCalls()
	calls = calls[len(calls)-refused:] // since the credentials are wrong there are no others
	for i := range calls[1:] {
		if gap := calls[i+1].begun.Sub(calls[i].begun); gap < memory.FirstBackoff {
			t.Errorf("refused credentials were tried again after %s, want at least %s", gap, memory.FirstBackoff)
		}
	}
	if diff := gocmp.Diff(ids, w.idsByPlace()); diff != "" || w.writes() != writes {
		t.Errorf("%d writes without credentials (-before +after):\n%s", w.writes()-writes, diff)
	}

	setURL(w.credentials(simulator.DefaultAPIKey, simulator.DefaultAPISecret))
	ready(w.fixture, images)
	ready(w.fixture, endpoint)
	w.placesBecome("delete "+hook, "rename "+hook, "upload "+hook)
}

func TestAListThatCannotBeTrustedLeadsToNoChange(t *testing.T) {
	texts := map[string]string{
		"empty body":                    "",
		"HTML":                          "<html>It works!</html>",
		"no list":                       "{}",
		"null":                          `{"triggers":null}`,
		"an array":                      "[]",
		"fewer than the total":          `{"triggers":[],"total":3}`,
		"a further page":                `{"triggers":[],"next_cursor":"x"}`,
		"a trigger without an id":       `{"triggers":[{"event_type":"upload","uri":"https://x.example.com"}],"total":1}`,
		"cut off":                       `{"triggers":[{"id":"0123456789abcdef0123456789abcdef","uri":"https://x.exam`,
		"an error that is no error":     `{"error":{"message":"try later"}}`,
		"another status without a list": `{"message":"ok"}`,
	}
	for name, text := range texts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, simulator.Options{})
			f.hasten()
			body, err := json.Marshal(text)
			f.must(err)
			garbage := simulator.Fault{Method: http.MethodGet, Count: always, Status: http.StatusOK, Body: body}
			f.admin(http.MethodPost, "/triggers", `{"uri":"`+hook+`","event_type":"upload"}`)
			f.inject(garbage)
			endpoint, images := f.endpoint("media", hook), f.trigger("images", "media", "upload", "delete")
			f.create(f.secret("cloudinary"), endpoint, images)
			before := f.writes()
			f.start()
			becomes(f, endpoint, v1alpha1.ConditionReady, metav1.ConditionUnknown, v1alpha1.ReasonUnavailable)
			becomes(f, images, v1alpha1.ConditionReady, metav1.ConditionUnknown, v1alpha1.ReasonUnavailable)
			if got := f.writes() - before; got != 0 {
				t.Errorf("%d writes before the triggers were ever read", got)
			}
			f.sim.ClearFaults()
			ready(f, images)
			ready(f, endpoint)

			ids, writes := f.idsByPlace(), f.writes()
			f.inject(garbage)
			becomes(f, endpoint, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonUnavailable)
			ready(f, images)
			f.sim.ClearFaults()
			ready(f, endpoint)
			f.lists(2)
			if diff := gocmp.Diff(ids, f.idsByPlace()); diff != "" || f.writes() != writes {
				t.Errorf("%d writes because of a list that cannot be trusted (-before +after):\n%s", f.writes()-writes, diff)
			}
		})
	}
}

func TestARefusedTriggerDoesNotKeepOthersFromBeingCreated(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.hasten()
	bad, good := f.trigger("bad", "media", "aaa_no_such_event", "upload"), f.trigger("good", "media", "delete", "rename")
	f.create(f.secret("cloudinary"), f.endpoint("media", hook), bad, good)
	f.start()
	ready(f, good)
	message := becomes(f, bad, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonRejected)
	f.contains(message, "Invalid value aaa_no_such_event for parameter event_type")
	f.placesBecome("delete "+hook, "rename "+hook, "upload "+hook)
	f.lists(3)
	if got := f.calls(http.MethodPost, http.StatusBadRequest); got != 1 {
		t.Errorf("what was refused was asked for %d times, want once", got)
	}
	change(f, bad, func(o *v1alpha1.CloudinaryTrigger) { o.Spec.EventTypes = []string{"upload"} })
	ready(f, bad)
}

func TestTheServersURLLimitCountsWhereItIsLowerThanOurs(t *testing.T) {
	f := newFixture(t, simulator.Options{URLLimit: 2})
	f.hasten()
	url := func(name string) string { return "https://hooks.example.com/" + name }
	f.create(f.secret("cloudinary"))
	triggers := map[string]*v1alpha1.CloudinaryTrigger{}
	for _, name := range []string{"a", "b", "c"} {
		triggers[name] = f.trigger(name, name, "upload", "delete")
		f.create(f.endpoint(name, url(name)))
	}
	f.start()
	f.create(triggers["a"], triggers["b"])
	ready(f, triggers["a"])
	ready(f, triggers["b"])

	f.create(triggers["c"])
	message := becomes(f, triggers["c"], v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonURLLimitReached)
	f.contains(message, "limit_reached")
	posts := f.calls(http.MethodPost, http.StatusBadRequest)
	f.lists(3)
	if got := f.calls(http.MethodPost, http.StatusBadRequest) - posts; got != 0 {
		t.Errorf("asked %d times more for what was refused", got)
	}
	f.placesBecome("delete "+url("a"), "delete "+url("b"), "upload "+url("a"), "upload "+url("b"))

	t.Log("it goes through by itself when a URL is released")
	f.delete(triggers["b"])
	f.gone(triggers["b"])
	ready(f, triggers["c"])
	f.placesBecome("delete "+url("a"), "delete "+url("c"), "upload "+url("a"), "upload "+url("c"))
}

func TestAMoveThatTheServersURLLimitRefusesKeepsTheOldURL(t *testing.T) {
	f := newFixture(t, simulator.Options{URLLimit: 2, PutLimitCheck: true})
	f.hasten()
	url := func(name string) string { return "https://hooks.example.com/" + name }
	a, b := f.endpoint("a", url("a")), f.endpoint("b", url("b"))
	onA, onB := f.trigger("a", "a", "upload", "delete"), f.trigger("b", "b", "upload")
	f.create(f.secret("cloudinary"), a, b, onA, onB)
	f.start()
	ready(f, onA)
	ready(f, onB)

	change(f, a, func(ep *v1alpha1.NotificationEndpoint) { ep.Spec.URL = url("a2") })
	becomes(f, onA, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonURLLimitReached)
	f.placesBecome("delete "+url("a"), "upload "+url("a"), "upload "+url("b"))
	writes := f.writes()
	f.lists(3)
	if got := f.writes() - writes; got != 0 {
		t.Errorf("asked %d times more for what was refused", got)
	}

	f.delete(onB)
	f.gone(onB)
	ready(f, onA)
	f.placesBecome("delete "+url("a2"), "upload "+url("a2"))
}

func TestAnInterruptedReplacementOfAnAdoptedTriggerStaysAdopted(t *testing.T) {
	for name, fault := range map[string]simulator.Fault{
		"refused for the budget":   {Status: simulator.StatusEnhanceYourCalm, Headers: map[string]string{resetHeader: "none"}},
		"cut before it has effect": {Cut: simulator.CutBefore},
		"cut after it had effect":  {Cut: simulator.CutAfter},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, simulator.Options{PutFields: simulator.PutIgnore}) // so it has to be replaced
			f.hasten()
			f.admin(http.MethodPost, "/triggers", `{"uri":"`+hook+`","event_type":"upload"}`)
			fault.Method = http.MethodPost
			f.inject(fault)
			endpoint, images := f.endpoint("media", hook), f.trigger("images", "media", "upload")
			images.Spec.Additive = new(true)
			f.create(f.secret("cloudinary"), endpoint, images)
			f.start()
			f.eventually(func() error {
				want := []row{{"upload", hook, settings{Additive: true, AuthScheme: defaultAuth}}}
				if diff := gocmp.Diff(want, f.rowsBut(nil)); diff != "" {
					return fmt.Errorf("not replaced yet (-want +got):\n%s", diff)
				}
				return nil
			})
			ready(f, images)
			f.holdsAll(images, v1alpha1.OriginAdopted)
			f.delete(images, endpoint)
			f.gone(images, endpoint)
			f.placesBecome("upload " + hook)
		})
	}
}
