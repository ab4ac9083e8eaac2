// SPDX-License-Identifier: Apache-2.0

package forecast

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

const hook = "https://hooks.example.com/a"

func raw(text string) *runtime.RawExtension { return &runtime.RawExtension{Raw: []byte(text)} }

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// staged builds the input of a forecast.
type staged struct{ Input }

func stage() *staged {
	s := &staged{Input{Secrets: map[plan.Key]Secret{}, Now: noon, Options: DefaultOptions()}}
	s.Options.ReceiverBaseURL = "https://hooks.example.com"
	return s
}

func (s *staged) secret(name, cloud string, list *List) *staged {
	s.Secrets[plan.Key{Namespace: "shop", Name: name}] = Secret{
		Secret: &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
			Data:       map[string][]byte{"CLOUDINARY_URL": []byte("cloudinary://key:secret@" + cloud)},
		},
		List: list,
	}
	return s
}

func (s *staged) endpoint(name, secret, url string) *staged {
	s.Endpoints = append(s.Endpoints, v1alpha1.NotificationEndpoint{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Generation: 1},
		Spec:       v1alpha1.NotificationEndpointSpec{CredentialsSecretRef: v1alpha1.LocalSecretReference{Name: secret}, URL: url},
	})
	return s
}

func (s *staged) trigger(name string, eventTypes ...string) *v1alpha1.CloudinaryTrigger {
	s.Triggers = append(s.Triggers, v1alpha1.CloudinaryTrigger{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Generation: 1, CreationTimestamp: metav1.NewTime(noon)},
		Spec:       v1alpha1.CloudinaryTriggerSpec{EndpointRef: v1alpha1.EndpointReference{Name: "ep"}, EventTypes: eventTypes},
	})
	return &s.Triggers[len(s.Triggers)-1]
}

func listing(triggers ...cloudinary.Trigger) *List {
	return &List{Triggers: triggers, Begun: noon, Meta: cloudinary.Meta{Date: noon}}
}

func there(id, eventType, url string) cloudinary.Trigger {
	return cloudinary.Trigger{
		ID: id, EventType: eventType, URI: url, CreatedAt: noon.Add(-time.Hour),
		Additive: new(false), AuthScheme: new("default"),
	}
}

// held is what a status says of the upload trigger with the id 1.
func held(cloud, secret string) v1alpha1.Registration {
	return v1alpha1.Registration{
		APIBase: cloudinary.DefaultAPIBase, CloudName: cloud, URL: hook,
		SecretRef: v1alpha1.NamespacedSecretReference{Namespace: "shop", Name: secret},
		Triggers:  []v1alpha1.RegisteredTrigger{{EventType: "upload", ID: "1", Origin: v1alpha1.OriginCreated}},
	}
}

func (r Result) steps() []string {
	steps := []string{}
	for _, env := range r.Environments {
		for _, s := range env.Steps {
			text := fmt.Sprintf("%s: %s %s %s for %s", env.Environment.CloudName, s.Action, s.EventType, s.URL, s.Object)
			if s.Blocked {
				text += " (blocked)"
			}
			steps = append(steps, text)
		}
	}
	return steps
}

func TestForecastSteps(t *testing.T) {
	cases := map[string]struct {
		why   string
		input func(*staged)
		want  []string
	}{
		"what is new is created": {
			input: func(s *staged) {
				s.secret("one", "cloud", listing()).endpoint("ep", "one", hook).trigger("t", "upload", "delete")
			},
			want: []string{"cloud: create delete " + hook + " for shop/t", "cloud: create upload " + hook + " for shop/t"},
		},
		"what is there as wanted is adopted without a step": {
			input: func(s *staged) {
				s.secret("one", "cloud", listing(there("1", "upload", hook))).endpoint("ep", "one", hook).trigger("t", "upload")
			},
			want: []string{},
		},
		"a trigger that moves to another product environment is created there, and deleted here": {
			why: "the second step comes about through the first, and a single plan would not show it",
			input: func(s *staged) {
				s.secret("old", "from", listing(there("1", "upload", hook))).secret("new", "to", listing())
				s.endpoint("ep", "new", hook)
				s.trigger("t", "upload").Status.Registrations = []v1alpha1.Registration{held("from", "old")}
			},
			want: []string{"from: delete upload " + hook + " for shop/t", "to: create upload " + hook + " for shop/t"},
		},
		"what cannot be deleted for want of credentials there does not come into it": {
			input: func(s *staged) {
				s.secret("new", "to", listing()).endpoint("ep", "new", hook)
				s.trigger("t", "upload").Status.Registrations = []v1alpha1.Registration{held("from", "old")}
			},
			want: []string{"to: create upload " + hook + " for shop/t"},
		},
		"a step whose Secret gives no access is blocked": {
			why: "somebody else's credentials list the environment; the object's own are gone, and it has no endpoint any more",
			input: func(s *staged) {
				s.secret("one", "cloud", listing(there("1", "upload", hook))).endpoint("other", "one", "https://b.example.com/")
				gone := s.trigger("t", "upload")
				gone.Status.Registrations = []v1alpha1.Registration{held("cloud", "gone")}
				gone.DeletionTimestamp = &metav1.Time{Time: noon}
			},
			want: []string{"cloud: delete upload " + hook + " for shop/t (blocked)"},
		},
		"beyond the limit of URLs nothing is created": {
			input: func(s *staged) {
				s.Options.URLLimit = 1
				s.secret("one", "cloud", listing(there("1", "upload", "https://b.example.com/"))).endpoint("ep", "one", hook).trigger("t", "upload")
			},
			want: []string{},
		},
		"nothing is concluded where a list failed": {
			input: func(s *staged) {
				s.secret("one", "cloud", &List{Begun: noon, Err: errors.New("cut")}).endpoint("ep", "one", hook).trigger("t", "upload")
			},
			want: []string{},
		},
		"nothing is concluded where a Secret is not known": {
			input: func(s *staged) { s.endpoint("ep", "one", hook).trigger("t", "upload") },
			want:  []string{},
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			s := stage()
			test.input(s)
			if diff := cmp.Diff(test.want, Make(s.Input).steps()); diff != "" {
				t.Errorf("%s\nsteps (-want +got):\n%s", test.why, diff)
			}
		})
	}
}

func TestForecastConditions(t *testing.T) {
	cases := map[string]struct {
		input                      func(*staged)
		acceptedReason, syncReason string
	}{
		"of what is still to be written": {
			func(s *staged) {
				s.secret("one", "cloud", listing()).endpoint("ep", "one", hook).trigger("t", "upload")
			},
			v1alpha1.ReasonAccepted, v1alpha1.ReasonPending,
		},
		"of what is there": {
			func(s *staged) {
				s.secret("one", "cloud", listing(there("1", "upload", hook))).endpoint("ep", "one", hook).trigger("t", "upload")
			},
			v1alpha1.ReasonAccepted, v1alpha1.ReasonSynced,
		},
		"of a conflict with an older object": {
			func(s *staged) {
				s.secret("one", "cloud", listing()).endpoint("ep", "one", hook).trigger("t", "upload")
				s.trigger("older", "upload").CreationTimestamp = metav1.NewTime(noon.Add(-time.Hour))
			},
			v1alpha1.ReasonConflict, v1alpha1.ReasonNotAccepted,
		},
		"of an invalid filter": {
			func(s *staged) {
				s.secret("one", "cloud", listing()).endpoint("ep", "one", hook).trigger("t", "upload").Spec.Filter = raw(`{"bogus": 1}`)
			},
			v1alpha1.ReasonInvalidFilter, v1alpha1.ReasonNotAccepted,
		},
		"of an endpoint that does not exist": {
			func(s *staged) { s.trigger("t", "upload") },
			v1alpha1.ReasonEndpointNotFound, v1alpha1.ReasonNotAccepted,
		},
		"of a Secret that does not exist": {
			func(s *staged) {
				s.Secrets[plan.Key{Namespace: "shop", Name: "one"}] = Secret{}
				s.endpoint("ep", "one", hook).trigger("t", "upload")
			},
			v1alpha1.ReasonSecretNotFound, v1alpha1.ReasonNotAccepted,
		},
		"of credentials that Cloudinary refuses": {
			func(s *staged) {
				refused := &List{Begun: noon, Err: &cloudinary.Error{Operation: cloudinary.OpList, StatusCode: 401}}
				s.secret("one", "cloud", refused).endpoint("ep", "one", hook).trigger("t", "upload")
			},
			v1alpha1.ReasonAccepted, v1alpha1.ReasonCredentialsRejected,
		},
		"of credentials that could not be tried": {
			func(s *staged) {
				s.secret("one", "cloud", nil).endpoint("ep", "one", hook).trigger("t", "upload")
			},
			v1alpha1.ReasonAccepted, v1alpha1.ReasonPending,
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			s := stage()
			test.input(s)
			for _, o := range Make(s.Input).Triggers {
				if o.Key.Name != "t" {
					continue
				}
				got := []string{}
				for _, conditionType := range []string{v1alpha1.ConditionAccepted, v1alpha1.ConditionSynced} {
					got = append(got, meta.FindStatusCondition(o.Conditions, conditionType).Reason)
				}
				if diff := cmp.Diff([]string{test.acceptedReason, test.syncReason}, got); diff != "" {
					t.Errorf("reasons of Accepted and Synced (-want +got):\n%s\n%+v", diff, o.Conditions)
				}
			}
		})
	}
}

func TestAForecastLeavesItsInputAsItIs(t *testing.T) {
	s := stage()
	s.secret("old", "from", listing(there("1", "upload", hook))).secret("new", "to", listing(there("2", "delete", hook)))
	s.endpoint("ep", "new", hook)
	s.trigger("t", "upload", "delete").Status.Registrations = []v1alpha1.Registration{held("from", "old")}
	triggers, endpoints := deepCopies(s.Triggers), s.Endpoints[0].DeepCopy()
	first := Make(s.Input)
	if diff := cmp.Diff(triggers, s.Triggers); diff != "" {
		t.Errorf("triggers (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(*endpoints, s.Endpoints[0]); diff != "" {
		t.Errorf("endpoint (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(first.steps(), Make(s.Input).steps()); diff != "" {
		t.Errorf("the same forecast twice (-first +second):\n%s", diff)
	}
}

func deepCopies(triggers []v1alpha1.CloudinaryTrigger) []v1alpha1.CloudinaryTrigger {
	copies := make([]v1alpha1.CloudinaryTrigger, 0, len(triggers))
	for i := range triggers {
		copies = append(copies, *triggers[i].DeepCopy())
	}
	return copies
}

func TestAcceptedNotesWhatIsReadInVain(t *testing.T) {
	s := stage().secret("a", "demo", listing()).endpoint("ep", "a", hook)
	s.trigger("vain", "upload", "delete").Spec.Filter = &runtime.RawExtension{Raw: []byte(`{"==":[{"var":"resource_type"},"image"]}`)}
	s.trigger("right", "eager").Spec.Filter = &runtime.RawExtension{Raw: []byte(`{"some":[{"var":"eager"},{"==":[{"var":"status"},"failed"]}]}`)}
	s.trigger("empty", "rename").Spec.PayloadTemplate = &runtime.RawExtension{Raw: []byte(`{"id":"{{asset.public_id}}"}`)}
	s.trigger("typo", "uplod")
	want := map[string]string{
		"vain": "The spec is valid and its references are allowed. Note: spec.filter is never true for delete: such notifications are not known to have resource_type " +
			`(each of resources has it: {"some": [{"var": "resources"}, ...]}).`,
		"right": "The spec is valid and its references are allowed.",
		"empty": "The spec is valid and its references are allowed. Note: spec.payloadTemplate: {{asset.public_id}} is likely to stay empty for rename " +
			"(they have {{raw.from_public_id}}, {{raw.to_public_id}}).",
		"typo": `The spec is valid and its references are allowed. Note: spec.eventTypes: event type "uplod" is not one this operator knows (did you mean "upload"?). ` +
			"Cloudinary most likely refuses it. The operator sends it unchanged.",
	}
	for _, object := range Make(s.Input).Triggers {
		accepted := meta.FindStatusCondition(object.Conditions, v1alpha1.ConditionAccepted)
		if accepted == nil || accepted.Status != metav1.ConditionTrue || accepted.Message != want[object.Key.Name] {
			t.Errorf("%s: %+v\nwant\n%s", object.Key.Name, accepted, want[object.Key.Name])
		}
	}
}

// Beside the reasons it is the manager's words that are foreseen, also of what leads nowhere or is
// on its way out.
func TestAForecastSaysWhatTheManagerWillWrite(t *testing.T) {
	going := &metav1.Time{Time: noon}
	for name, test := range map[string]struct {
		input          func(*staged)
		status, reason string // of Synced of the trigger
		says           string
		endpoint       string // the reason of Synced of the endpoint; empty: there is none
	}{
		"a trigger that leads nowhere and holds something where nobody may go": {
			input: func(s *staged) {
				s.trigger("t", "upload").Status.Registrations = []v1alpha1.Registration{held("from", "gone")}
				s.Triggers[0].DeletionTimestamp = going
			},
			status: "False", reason: v1alpha1.ReasonCredentialsMissing, says: "end the wait with the annotation",
		},
		"a deletion that goes on": {
			input: func(s *staged) {
				s.secret("one", "cloud", listing(there("1", "upload", hook))).endpoint("ep", "one", hook)
				t := s.trigger("t", "upload")
				t.Status.Registrations = []v1alpha1.Registration{held("cloud", "one"), held("from", "gone")}
				t.DeletionTimestamp = going
			},
			status: "False", reason: v1alpha1.ReasonReleasing, says: "still to be released", endpoint: v1alpha1.ReasonSynced,
		},
		"an endpoint that is being deleted": {
			input: func(s *staged) {
				s.secret("one", "cloud", listing(there("1", "upload", hook))).endpoint("ep", "one", hook)
				s.Endpoints[0].DeletionTimestamp = going
				s.trigger("t", "upload").Status.Registrations = []v1alpha1.Registration{held("cloud", "one")}
			},
			status: "False", reason: v1alpha1.ReasonReleasing, says: "still to be released", endpoint: v1alpha1.ReasonReleasing,
		},
		"Cloudinary cannot be reached": {
			input: func(s *staged) {
				s.secret("one", "cloud", &List{Begun: noon, Err: errors.New("cut")}).endpoint("ep", "one", hook).trigger("t", "upload")
			},
			status: "Unknown", reason: v1alpha1.ReasonUnavailable, says: "Cloudinary cannot be reached", endpoint: v1alpha1.ReasonUnavailable,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := stage()
			test.input(s)
			result := Make(s.Input)
			c := meta.FindStatusCondition(result.Triggers[0].Conditions, v1alpha1.ConditionSynced)
			if string(c.Status) != test.status || c.Reason != test.reason || !strings.Contains(c.Message, test.says) {
				t.Errorf("the trigger: %+v, want %s, %s and %q", c, test.status, test.reason, test.says)
			}
			if test.endpoint == "" {
				return
			}
			if c := meta.FindStatusCondition(result.Endpoints[0].Conditions, v1alpha1.ConditionSynced); c.Reason != test.endpoint {
				t.Errorf("the endpoint: %+v, want %s", c, test.endpoint)
			}
		})
	}
}

// Through an outage the manager leaves a status as it is, and so does a forecast.
func TestWhatIsKnownStaysThroughAnOutage(t *testing.T) {
	s := stage().secret("one", "cloud", &List{Begun: noon, Err: errors.New("cut")}).endpoint("ep", "one", hook)
	trigger := s.trigger("t", "upload")
	trigger.Status.ObservedGeneration = &trigger.Generation
	trigger.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionSynced, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonSynced}}
	if diff := cmp.Diff(trigger.Status.Conditions, Make(s.Input).Triggers[0].Conditions); diff != "" {
		t.Errorf("conditions (-want +got):\n%s", diff)
	}
}
