// SPDX-License-Identifier: Apache-2.0

package route

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
)

// judged is a trigger that the manager has looked at as it is.
func judged(t *v1alpha1.CloudinaryTrigger, status metav1.ConditionStatus, reason string) *v1alpha1.CloudinaryTrigger {
	t.Status.Conditions = []metav1.Condition{
		{Type: v1alpha1.ConditionAccepted, Status: status, Reason: reason, ObservedGeneration: t.Generation},
		{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonReady, ObservedGeneration: t.Generation},
	}
	return t
}

// registered is a trigger that the manager has something for at Cloudinary.
func registered(t *v1alpha1.CloudinaryTrigger, url, secretNamespace string) *v1alpha1.CloudinaryTrigger {
	t.Status.Registrations = append(t.Status.Registrations, v1alpha1.Registration{
		URL: url, SecretRef: v1alpha1.NamespacedSecretReference{Namespace: secretNamespace, Name: "cloudinary"},
	})
	return t
}

// edited is a trigger that the manager has not looked at again.
func edited(t *v1alpha1.CloudinaryTrigger) *v1alpha1.CloudinaryTrigger {
	t.Generation++
	return t
}

func TestWhoseTriggersCount(t *testing.T) {
	const url = "https://hooks.example.com/base/v1/notifications/shop/media"
	yes, no := metav1.ConditionTrue, metav1.ConditionFalse
	foreign := func() *v1alpha1.CloudinaryTrigger { return trigger("team-a", "images", "shop/media", "", "upload") }
	for name, tc := range map[string]struct {
		trigger *v1alpha1.CloudinaryTrigger
		counts  string // which of Same, All and Selector let it count
		why     string
	}{
		"of the same namespace":                  {trigger: trigger("shop", "own", "media", "", "upload"), counts: "Same All Selector"},
		"of the same namespace, and not correct": {trigger: judged(trigger("shop", "own", "media", "", "upload"), no, v1alpha1.ReasonInvalidPayloadTemplate), counts: "Same All Selector"},
		"accepted":                               {trigger: judged(foreign(), yes, v1alpha1.ReasonAccepted), counts: "All Selector"},
		"applied a moment ago":                   {trigger: foreign(), counts: "All", why: "nothing at Cloudinary is the manager's for it yet"},
		"its namespace is not allowed":           {trigger: judged(foreign(), no, v1alpha1.ReasonEndpointNotAllowed), counts: "All"},
		"no longer allowed, and still at Cloudinary": {
			trigger: registered(judged(foreign(), no, v1alpha1.ReasonEndpointNotAllowed), url, "shop"), counts: "All", why: "what it would tell is up to who may not use the endpoint",
		},
		"no longer allowed, and edited": {
			trigger: edited(registered(judged(foreign(), no, v1alpha1.ReasonEndpointNotAllowed), url, "shop")), counts: "All",
		},
		"accepted for another endpoint, and moved here by an edit": {
			trigger: edited(registered(judged(foreign(), yes, v1alpha1.ReasonAccepted), "https://hooks.example.com/v1/notifications/team-a/media", "team-a")), counts: "All",
			why: "nobody has judged that it may use this one",
		},
		"accepted for a URL that only looks like this one, and moved here": {
			trigger: edited(registered(judged(foreign(), yes, v1alpha1.ReasonAccepted), url, "team-a")), counts: "All",
			why: "an endpoint of one's own may have any URL, but not the Secret of another namespace",
		},
		"accepted here, and edited": {
			trigger: edited(registered(judged(foreign(), yes, v1alpha1.ReasonAccepted), url, "shop")), counts: "All Selector", why: "its notifications come meanwhile",
		},
		"edited into what is not correct": {
			trigger: registered(judged(foreign(), no, v1alpha1.ReasonInvalidPayloadTemplate), url, "shop"), counts: "All Selector", why: "what is at Cloudinary stays",
		},
		"not correct, and never at Cloudinary": {trigger: judged(foreign(), no, v1alpha1.ReasonInvalidFilter), counts: "All"},
		"the permission cannot be judged": {
			trigger: registered(judged(foreign(), no, v1alpha1.ReasonEndpointNotAccepted), url, "shop"), counts: "All Selector", why: "what is at Cloudinary stays",
		},
		"at another endpoint whose name ends like this one's": {
			trigger: registered(judged(foreign(), no, v1alpha1.ReasonInvalidFilter), "https://hooks.example.com/v1/notifications/shop/multimedia", "shop"), counts: "All",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var counts []string
			for _, from := range []v1alpha1.FromNamespaces{v1alpha1.NamespacesFromSame, v1alpha1.NamespacesFromAll, v1alpha1.NamespacesFromSelector} {
				if len(compiledFor(t, from, tc.trigger).Triggers) > 0 {
					counts = append(counts, string(from))
				}
			}
			if diff := cmp.Diff(tc.counts, strings.Join(counts, " ")); diff != "" {
				t.Errorf("it counts (-want +got): %s\n%s", tc.why, diff)
			}
		})
	}
}

// What a trigger of another namespace says of its bodies counts whichever way the endpoint lets it in.
func TestASelectedTriggerTellsOfItsBodies(t *testing.T) {
	const body = `{"kind":"upload","request_id":"prod-eu-1","id":"shoe"}`
	for _, from := range []v1alpha1.FromNamespaces{v1alpha1.NamespacesFromAll, v1alpha1.NamespacesFromSelector} {
		tr := trigger("team-a", "images", "shop/media", `{"kind":"{{event.type}}","request_id":"prod-eu-1","id":"{{asset.public_id}}"}`, "upload", "delete")
		e := compiledFor(t, from, judged(tr, metav1.ConditionTrue, v1alpha1.ReasonAccepted))
		e.Targets = []Target{{Name: "catalog", EventTypes: []string{"upload"}}}
		if got := typeOf(t, e, body); got != "upload" || len(e.TargetsFor(got)) != 1 {
			t.Errorf("from %s: type %s for targets %v, want upload for catalog", from, got, e.TargetsFor(got))
		}
		if got := e.TriggerFor("upload"); got == nil || got.Key.Namespace != "team-a" {
			t.Errorf("from %s: fired by %v, want the trigger of team-a", from, got)
		}
		n, err := notification.Decode([]byte(body))
		if err != nil || n.RequestID == "" {
			t.Fatalf("request_id %q, error %v", n.RequestID, err)
		}
		if !e.DoubtfulIdentity {
			t.Errorf("from %s: two uploads with equal bodies would be one", from)
		}
	}
}

// Of a trigger that is as large as the API server lets it be, what names it is kept, and what counts.
func TestWhatIsKeptOfATrigger(t *testing.T) {
	tr := registered(judged(trigger("team-a", "images", "shop/media", `{"kind":"{{event.type}}"}`, "upload"), metav1.ConditionTrue, v1alpha1.ReasonAccepted),
		"https://hooks.example.com/v1/notifications/shop/media", "shop")
	tr.Generation, tr.ResourceVersion = 7, "12"
	tr = synced(tr)
	tr.Status.Conditions[0].ObservedGeneration = 7
	tr.Spec.Filter = tr.Spec.PayloadTemplate
	tr.Labels, tr.Annotations, tr.Finalizers = map[string]string{"a": "b"}, map[string]string{"a": "b"}, []string{"a"}
	tr.Status.Observed = []v1alpha1.ObservedTrigger{{EventType: "upload"}}
	tr.Status.LastNotification = &v1alpha1.NotificationStatus{EventType: "upload"}
	got := KeepTrigger(tr)
	want := v1alpha1.CloudinaryTrigger{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "images", UID: "uid-images", Generation: 7, ResourceVersion: "12"},
		Status:     v1alpha1.CloudinaryTriggerStatus{LastNotification: &v1alpha1.NotificationStatus{EventType: "upload"}},
	}
	if diff := cmp.Diff(want, got.CloudinaryTrigger); diff != "" {
		t.Errorf("of the object (-want +got):\n%s", diff)
	}
	config := TriggerConfig{
		Trigger:   Trigger{Key: types.NamespacedName{Namespace: "team-a", Name: "images"}, UID: "uid-images", EventTypes: []string{"upload"}},
		Templated: true, TypePaths: [][]string{{"kind"}}, Generation: 7, Synced: true,
	}
	if diff := cmp.Diff(config, got.config); diff != "" || !got.selected || got.endpoint.String() != "shop/media" {
		t.Errorf("for %s, selected %t, and of the template (-want +got):\n%s", got.endpoint, got.selected, diff)
	}
}

func TestWhatIsKeptOfAnEndpoint(t *testing.T) {
	ep := endpoint("shop", "media", allowing(v1alpha1.NamespacesFromSelector))
	ep.ResourceVersion = "12"
	ep.Status.Receiver = &v1alpha1.ReceiverStatus{LastHandledRedrive: "before"}
	want := ep.DeepCopy()
	want.Annotations = map[string]string{v1alpha1.AnnotationRedrive: strings.Repeat("x", maxRedriveBytes)}
	ep.Annotations = map[string]string{v1alpha1.AnnotationRedrive: strings.Repeat("x", 1<<18), "large": strings.Repeat("x", 1<<17)}
	ep.Labels, ep.Finalizers = map[string]string{"a": "b"}, []string{"a"}
	ep.Spec.AllowedTriggers.Namespaces.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}
	if diff := cmp.Diff(want, KeepEndpoint(ep)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The manager's refusal, and what it would refuse, count the same: of the spec nothing does, and what is at Cloudinary goes on.
func TestNothingCountsOfASpecThatIsRefused(t *testing.T) {
	const url = "https://hooks.example.com/v1/notifications/shop/media"
	const kind, moved = `{"kind":"{{event.type}}"}`, `{"moved":"{{event.type}}","request_id":"x"}`
	deep := `{"moved":` + strings.Repeat("[", 32) + `"{{event.type}}"` + strings.Repeat("]", 32) + `}`
	long := `{"moved":"{{event.type}}","a":"` + strings.Repeat("x", 16<<10) + `"}`
	no := metav1.ConditionFalse
	of := func(template string) *v1alpha1.CloudinaryTrigger {
		tr := edited(trigger("shop", "images", "media", template, "eager", "rename"))
		tr.Status.Registrations = []v1alpha1.Registration{{
			URL: url, SecretRef: v1alpha1.NamespacedSecretReference{Namespace: "shop", Name: "cloudinary"},
			Triggers: []v1alpha1.RegisteredTrigger{{EventType: "upload"}, {EventType: "delete"}},
		}}
		return tr
	}
	filtered := func(filter string) *v1alpha1.CloudinaryTrigger {
		tr := of(moved)
		tr.Spec.Filter = &runtime.RawExtension{Raw: []byte(filter)}
		return tr
	}
	for name, tc := range map[string]struct {
		trigger *v1alpha1.CloudinaryTrigger
		counts  bool
	}{
		"not yet judged":                        {trigger: of(moved), counts: true},
		"accepted":                              {trigger: judged(of(moved), metav1.ConditionTrue, v1alpha1.ReasonAccepted), counts: true},
		"refused for another reason":            {trigger: judged(of(moved), no, v1alpha1.ReasonConflict), counts: true},
		"refused as it was before":              {trigger: edited(judged(of(moved), no, v1alpha1.ReasonInvalidPayloadTemplate)), counts: true},
		"a template that is refused":            {trigger: judged(of(moved), no, v1alpha1.ReasonInvalidPayloadTemplate)},
		"a filter that is refused":              {trigger: judged(of(moved), no, v1alpha1.ReasonInvalidFilter)},
		"a template that is too deep":           {trigger: of(deep)},
		"a template that is too long":           {trigger: of(long)},
		"a filter that is too deep":             {trigger: filtered(strings.Repeat(`{"!":`, 33) + "1" + strings.Repeat("}", 33))},
		"a filter that is too long":             {trigger: filtered(`{"!":"` + strings.Repeat("x", 16<<10) + `"}`)},
		"too deep, and taken for right somehow": {trigger: judged(of(deep), metav1.ConditionTrue, v1alpha1.ReasonAccepted)},
	} {
		t.Run(name, func(t *testing.T) {
			h, begin := history{from: v1alpha1.NamespacesFromSame}, time.Unix(1_795_000_000, 0)
			h.becomes(t, begin, synced(trigger("shop", "images", "media", kind, "upload", "delete")))
			e := h.becomes(t, begin, tc.trigger)
			want := []string{"upload", "delete"}
			if tc.counts {
				want = []string{"eager"}
			}
			if got := typeOf(t, e, `{"moved":"eager"}`); (got == "eager") != tc.counts {
				t.Errorf("a body as the refused template would make it is of type %s", got)
			}
			for _, one := range want {
				if fires := e.TriggerFor(one); fires == nil || fires.Key.Name != "images" {
					t.Errorf("%s is notified by %v, want what Cloudinary has", one, fires)
				}
			}
			for _, later := range []time.Duration{0, 24 * time.Hour} {
				if got := typeOf(t, h.at(t, begin.Add(later)), `{"kind":"upload"}`); got != "upload" {
					t.Errorf("%s later a body of the template at Cloudinary is of type %s", later, got)
				}
			}
			if e.DoubtfulIdentity != tc.counts {
				t.Errorf("what looks like an id is doubted: %t", e.DoubtfulIdentity)
			}
		})
	}
}

// Between an edit and its refusal the receiver goes by it; afterwards it is as if it had not been.
func TestARefusedSpecIsNotRemembered(t *testing.T) {
	h, begin := history{from: v1alpha1.NamespacesFromSame}, time.Unix(1_795_000_000, 0)
	h.becomes(t, begin, synced(trigger("shop", "images", "media", `{"kind":"{{event.type}}"}`, "upload", "delete")))
	wrong := edited(trigger("shop", "images", "media", `{"moved":"{{event.type}}","x":"{{"}`, "upload", "delete"))
	h.becomes(t, begin, wrong)
	e := h.becomes(t, begin, judged(wrong, metav1.ConditionFalse, v1alpha1.ReasonInvalidPayloadTemplate))
	if got := typeOf(t, e, `{"moved":"delete"}`); got != "unknown" {
		t.Errorf("a body that Cloudinary never makes is of type %s", got)
	}
	if got := typeOf(t, e, `{"kind":"delete"}`); got != "delete" {
		t.Errorf("a body of the template at Cloudinary is of type %s", got)
	}
}
