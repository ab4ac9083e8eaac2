// SPDX-License-Identifier: Apache-2.0

package route

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
			whole := compiledFor(t, v1alpha1.NamespacesFromSelector, tc.trigger)
			StripTrigger(tc.trigger)
			if diff := cmp.Diff(whole.Triggers, compiledFor(t, v1alpha1.NamespacesFromSelector, tc.trigger).Triggers); diff != "" {
				t.Errorf("once what is not needed was dropped (-before +after):\n%s", diff)
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

func TestWhatIsDroppedOfATrigger(t *testing.T) {
	whole := func(endpoint string) *v1alpha1.CloudinaryTrigger {
		tr := registered(judged(trigger("team-a", "images", endpoint, `{"a":"b"}`, "upload"), metav1.ConditionFalse, v1alpha1.ReasonInvalidFilter),
			"https://hooks.example.com/v1/notifications/shop/media", "shop")
		tr = synced(registered(tr, "https://hooks.example.com/v1/notifications/shop/before", "shop"))
		tr.Spec.Filter = tr.Spec.PayloadTemplate
		tr.Status.Registrations[0].Triggers = []v1alpha1.RegisteredTrigger{{EventType: "upload", ID: "1"}}
		tr.Status.Conditions[0].Message = "spec.filter: long"
		tr.Status.Observed = []v1alpha1.ObservedTrigger{{EventType: "upload"}}
		tr.Status.LastNotification = &v1alpha1.NotificationStatus{EventType: "upload"}
		return tr
	}
	last := v1alpha1.CloudinaryTriggerStatus{
		LastNotification: &v1alpha1.NotificationStatus{EventType: "upload"},
		Conditions:       []metav1.Condition{{Type: v1alpha1.ConditionSynced, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonSynced}},
	}
	foreign := last
	foreign.Conditions = []metav1.Condition{
		{Type: v1alpha1.ConditionAccepted, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonInvalidFilter}, last.Conditions[0],
	}
	foreign.Registrations = []v1alpha1.Registration{{
		URL: "https://hooks.example.com/v1/notifications/shop/media", SecretRef: v1alpha1.NamespacedSecretReference{Namespace: "shop", Name: "cloudinary"},
	}}
	for endpoint, want := range map[string]v1alpha1.CloudinaryTriggerStatus{"media": last, "team-a/media": last, "shop/media": foreign} {
		tr := whole(endpoint)
		StripTrigger(tr)
		if diff := cmp.Diff(want, tr.Status); diff != "" || tr.Spec.Filter != nil || tr.Spec.PayloadTemplate == nil {
			t.Errorf("of a trigger at %s, filter %v and template %v are left, and of its status (-want +got):\n%s", endpoint, tr.Spec.Filter, tr.Spec.PayloadTemplate, diff)
		}
	}
}
