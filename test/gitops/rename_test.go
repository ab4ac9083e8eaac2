// SPDX-License-Identifier: Apache-2.0

package gitops

import (
	"net/http"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

func TestARenamedObjectKeepsItsTrigger(t *testing.T) {
	cases := map[string]struct {
		why    string
		policy v1alpha1.DeletionPolicy
		rename func(s *stage, before, after client.Object)
	}{
		"the old one is deleted after the new one was applied": {
			why: "so does Flux, and the trigger is handed over",
			rename: func(s *stage, before, after client.Object) {
				s.create(after)
				s.delete(before)
			},
		},
		"the new one has said Conflict before the old one is deleted": {
			why: "so it is where Flux takes its time",
			rename: func(s *stage, before, after client.Object) {
				s.create(after)
				s.becomes(after, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonConflict)
				s.delete(before)
			},
		},
		"the old one is gone before the new one is applied, and has left its trigger": {
			why: "Argo CD prunes first", policy: v1alpha1.DeletionPolicyRetain,
			rename: func(s *stage, before, after client.Object) {
				s.delete(before)
				s.eventually(func() error { return gone(s, before) })
				s.create(after)
			},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, simulator.Options{})
			before, after := s.trigger("images"), s.trigger("pictures")
			before.Spec.DeletionPolicy = c.policy
			s.create(s.secret(), s.endpoint(), before)
			s.start()
			s.ready(before)
			id := s.sim.Triggers()[0].ID
			c.rename(s, before, after)
			s.ready(after)
			s.eventually(func() error { return gone(s, before) })
			if all := s.sim.Triggers(); len(all) != 1 || all[0].ID != id {
				t.Errorf("%s: triggers %+v, want %s alone", c.why, all, id)
			}
			if posts, deletes := s.calls(http.MethodPost), s.calls(http.MethodDelete); posts != 1 || deletes != 0 {
				t.Errorf("%s: %d POSTs and %d DELETEs, want the first POST alone", c.why, posts, deletes)
			}
		})
	}
}

func TestARenamedObjectEndsReadyWhereTheOldOneIsPrunedFirst(t *testing.T) {
	s := newStage(t, simulator.Options{})
	before, after := s.trigger("images"), s.trigger("pictures")
	s.create(s.secret(), s.endpoint(), before)
	s.start()
	s.ready(before)
	s.delete(before)
	s.create(after)
	s.ready(after)
	s.eventually(func() error { return gone(s, before) })
	if places := s.places(); len(places) != 1 {
		t.Errorf("triggers %q, want one", places)
	}
}
