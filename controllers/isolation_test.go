// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// A policy of the cluster may forbid any write to an object. That must not keep the manager from the others.
func TestAnObjectThatCannotBeWrittenDelaysNoOther(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.forbidWrites("frozen")
	frozen := f.trigger("frozen", "media", "upload", "delete")
	f.create(f.secret("cloudinary"), f.endpoint("media", hook), frozen)
	f.start()
	var others []*v1alpha1.CloudinaryTrigger
	for i, eventType := range []string{"rename", "move", "eager"} {
		other := f.trigger(fmt.Sprintf("other-%d", i), "media", eventType)
		f.create(other)
		others = append(others, other)
	}
	for _, other := range others {
		ready(f, other)
	}
	f.placesBecome("rename "+hook, "move "+hook, "eager "+hook)
	f.delete(others[0])
	f.gone(others[0])
	f.placesBecome("move "+hook, "eager "+hook)
}

func TestAHandoverThatCannotBeStoredLosesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.forbidWrites("frozen")
	old, other := f.trigger("old", "media", "upload"), f.trigger("other", "media", "rename")
	f.create(f.secret("cloudinary"), f.endpoint("media", hook), old)
	f.start()
	ready(f, old)
	id := f.at("upload", hook).ID
	f.create(f.trigger("frozen", "media", "upload"))
	f.delete(old)
	f.create(other)
	ready(f, other)
	f.placesBecome("rename "+hook, "upload "+hook)
	f.get(old) // waits, since what it has is wanted by one that cannot take it
	if got := f.at("upload", hook).ID; got != id {
		t.Errorf("the trigger was %s and is %s", id, got)
	}
}

// forbidWrites makes the API server refuse every update of a trigger of that name in the namespace, until the test ends.
func (f *fixture) forbidWrites(name string) {
	f.Helper()
	policy := &admissionv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: f.namespace},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionv1.MatchResources{
				ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
					Operations: []admissionv1.OperationType{admissionv1.Update},
					Rule: admissionv1.Rule{
						APIGroups: []string{v1alpha1.GroupVersion.Group}, APIVersions: []string{"*"},
						Resources: []string{"cloudinarytriggers", "cloudinarytriggers/status"},
					},
				}}},
			},
			Validations: []admissionv1.Validation{{
				Expression: fmt.Sprintf("object.metadata.namespace != '%s' || object.metadata.name != '%s'", f.namespace, name),
				Message:    "frozen for this test",
			}},
		},
	}
	binding := &admissionv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: f.namespace},
		Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: policy.Name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
		},
	}
	f.create(policy, binding)
	ctx := context.WithoutCancel(f.Context())
	f.Cleanup(func() {
		f.must(api.Client.Delete(ctx, binding))
		f.must(api.Client.Delete(ctx, policy))
	})
	// It is in force some moments after it was created.
	probe := f.trigger(name, "nowhere", "upload")
	f.create(probe)
	f.eventually(func() error {
		f.get(probe)
		probe.Labels = map[string]string{"probe": probe.ResourceVersion}
		if err := api.Client.Update(f.Context(), probe); err == nil {
			return fmt.Errorf("still writable")
		}
		return nil
	})
	f.delete(probe)
	f.gone(probe)
}
