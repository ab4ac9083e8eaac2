// SPDX-License-Identifier: Apache-2.0

package forecast

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/check"
)

func saidOf(t *testing.T, o Object, conditionType string) string {
	t.Helper()
	c := meta.FindStatusCondition(o.Conditions, conditionType)
	if c == nil {
		t.Fatalf("no condition %s in %+v", conditionType, o.Conditions)
	}
	return c.Message
}

// receives makes an endpoint's receiver deliver to targets, each with its event types.
func (s *staged) receives(targets ...v1alpha1.DeliveryTarget) *staged {
	ep := &s.Endpoints[len(s.Endpoints)-1]
	ep.Spec.URL, ep.Spec.Receiver = "", &v1alpha1.ReceiverSpec{Path: v1alpha1.ReceiverPathPlain, DeliverTo: targets}
	return s
}

// What most likely is not meant is said in the condition that people list, whatever else is said
// there.
func TestNotesAreInReadyAndAccepted(t *testing.T) {
	catalog := v1alpha1.DeliveryTarget{Name: "catalog", EventTypes: []string{"delete"}}
	for name, tc := range map[string]struct {
		input             func(*staged)
		endpoint, trigger string // parts of the notes; empty: there are none
	}{
		"nothing to say": {func(s *staged) { s.endpoint("ep", "one", hook).trigger("t", "upload") }, "", ""},
		"an address of this machine": {
			func(s *staged) { s.endpoint("ep", "one", "https://localhost:8080/x").trigger("t", "upload") }, "spec.url: the host is", "NotificationEndpoint shop/ep: spec.url: the host is",
		},
		"a receiver that only the cluster reaches": {
			func(s *staged) {
				s.Options.ReceiverBaseURL = "http://receiver.operator.svc:8080"
				s.endpoint("ep", "one", "").receives().trigger("t", "upload")
			},
			"manager's --receiver-base-url: the host is", "--receiver-base-url",
		},
		"a target that nothing is brought to": {
			func(s *staged) {
				s.endpoint("ep", "one", "").receives(catalog, v1alpha1.DeliveryTarget{Name: "all"}).trigger("t", "upload")
			},
			"spec.receiver.deliverTo[catalog].eventTypes: no CloudinaryTrigger that uses this endpoint has delete", "",
		},
		"the same, brought by a trigger of another namespace that may not": {
			func(s *staged) {
				s.endpoint("ep", "one", "").receives(catalog, v1alpha1.DeliveryTarget{Name: "all"}).trigger("t", "upload")
				s.trigger("other", "delete").Namespace = "blog"
				s.Triggers[1].Spec.EndpointRef.Namespace = "shop"
			},
			"has delete", "",
		},
		"the same, brought by one that may": {
			func(s *staged) {
				s.endpoint("ep", "one", "").receives(catalog, v1alpha1.DeliveryTarget{Name: "all"}).trigger("t", "upload")
				s.Endpoints[0].Spec.AllowedTriggers = &v1alpha1.AllowedTriggers{Namespaces: v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll}}
				s.trigger("other", "delete").Namespace = "blog"
				s.Triggers[1].Spec.EndpointRef.Namespace = "shop"
			},
			"", "",
		},
		"the same, where not all triggers are known": {
			func(s *staged) {
				s.Partial = true
				s.endpoint("ep", "one", "").receives(catalog, v1alpha1.DeliveryTarget{Name: "all"}).trigger("t", "upload")
			},
			"", "",
		},
		"an event type that no target takes": {
			func(s *staged) { s.endpoint("ep", "one", "").receives(catalog).trigger("t", "delete", "upload") },
			"", "no target of NotificationEndpoint shop/ep accepts upload",
		},
		"a misspelled event type": {func(s *staged) { s.endpoint("ep", "one", hook).trigger("t", "uplod") }, "", `did you mean "upload"?`},
		"a misspelled event type beside a filter that is refused": {
			func(s *staged) {
				s.endpoint("ep", "one", hook).trigger("t", "uplod").Spec.Filter = raw(`{"bogus":1}`)
			}, "", `did you mean "upload"?`,
		},
		"a misspelled event type beside an endpoint that is not there": {func(s *staged) { s.trigger("t", "uplod") }, "", `did you mean "upload"?`},
	} {
		t.Run(name, func(t *testing.T) {
			s := stage().secret("one", "cloud", listing())
			tc.input(s)
			result := Make(s.Input)
			expect := func(o Object, want string) {
				for _, conditionType := range []string{v1alpha1.ConditionAccepted, v1alpha1.ConditionReady} {
					got := check.NotesIn(saidOf(t, o, conditionType))
					if want == "" && got != "" || !strings.Contains(got, want) {
						t.Errorf("%s: notes of %s %q, want %q", o.Key, conditionType, got, want)
					}
				}
				if (len(o.Notes) > 0) != (want != "") {
					t.Errorf("%s: notes %v, want %q", o.Key, o.Notes, want)
				}
			}
			for _, o := range result.Endpoints {
				expect(o, tc.endpoint)
			}
			for _, o := range result.Triggers {
				if o.Key.Name == "t" {
					expect(o, tc.trigger)
				}
			}
		})
	}
}

// A forecast knows what the manager knows of the limit.
func TestForecastSaysHowTheLimitIsFilled(t *testing.T) {
	s := stage()
	s.Options.URLLimit = 2
	s.secret("one", "cloud", listing(there("1", "upload", hook), there("2", "upload", "https://b.example.com/")))
	s.endpoint("ep", "one", hook).endpoint("third", "one", "https://c.example.com/")
	s.trigger("holds", "upload").Status.Registrations = []v1alpha1.Registration{held("cloud", "one")}
	s.trigger("t", "upload").Spec.EndpointRef.Name = "third"
	for _, o := range Make(s.Input).Triggers {
		if o.Key.Name != "t" {
			continue
		}
		said := saidOf(t, o, v1alpha1.ConditionAccepted)
		for _, part := range []string{"(2 of 2)", "NotificationEndpoints of this namespace: ep", "URLs that no object here has: 1, such as https://b.example.com"} {
			if !strings.Contains(said, part) {
				t.Errorf("%q does not say %q", said, part)
			}
		}
	}
	for _, o := range Make(s.Input).Endpoints {
		if notes := check.Join(o.Notes); !strings.Contains(notes, "nearly all notification URLs") {
			t.Errorf("%s: notes %q do not tell of the limit", o.Key, notes)
		}
	}
}

// Cloudinary has the last word on the names of event types.
func TestDoubtEndsWhenCloudinaryHasTheTrigger(t *testing.T) {
	s := stage().secret("one", "cloud", listing(there("1", "uplod", hook))).endpoint("ep", "one", hook)
	reg := held("cloud", "one")
	reg.Triggers[0].EventType = "uplod"
	s.trigger("t", "uplod").Status.Registrations = []v1alpha1.Registration{reg}
	for _, o := range Make(s.Input).Triggers {
		if len(o.Notes) != 1 || o.Notes[0].Severity != check.Note {
			t.Errorf("notes %+v, want one that is no doubt", o.Notes)
		}
	}
}

func TestUnreachableAdminAPIIsNamed(t *testing.T) {
	s := stage().secret("one", "cloud", &List{Begun: noon, Err: fmt.Errorf("cut")}).endpoint("ep", "one", hook)
	for _, o := range Make(s.Input).Endpoints {
		if said := saidOf(t, o, v1alpha1.ConditionReady); !strings.Contains(said, "cannot be reached at api.cloudinary.com") {
			t.Errorf("%q does not name the host", said)
		}
	}
}
