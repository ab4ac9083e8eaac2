// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

func selecting(team string) *v1alpha1.AllowedTriggers {
	return &v1alpha1.AllowedTriggers{Namespaces: v1alpha1.AllowedNamespaces{
		From: v1alpha1.NamespacesFromSelector, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": team}},
	}}
}

func TestNamespacesAreSelectedByLabel(t *testing.T) {
	t.Parallel()
	f, other := newFixture(t, simulator.Options{}), newFixture(t, simulator.Options{})
	f.namespaces = []string{other.namespace}
	f.start()
	ep, own := f.endpoint("media", hook), f.trigger("own", "media", "delete")
	ep.Spec.AllowedTriggers = selecting(f.namespace) // no other test's namespaces have this label
	trigger := other.trigger("images", "media", "upload")
	trigger.Spec.EndpointRef.Namespace = f.namespace
	f.create(f.secret("cloudinary"), ep, own, trigger)
	ready(f, own)
	becomes(f, trigger, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonEndpointNotAllowed)
	label := func(team string) {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: other.namespace}}
		change(f, ns, func(ns *corev1.Namespace) { ns.Labels["team"] = team })
	}
	t.Log("the namespace gets the label")
	label(f.namespace)
	ready(f, trigger)
	f.placesBecome("delete "+hook, "upload "+hook)
	t.Log("and loses it")
	label("another")
	message := becomes(f, trigger, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonEndpointNotAllowed)
	if !strings.Contains(message, "deletionPolicy") {
		t.Errorf("message %q does not say what became of the trigger", message)
	}
	f.placesBecome("delete " + hook)
}

func TestASelectorNeedsAManagerOfTheWholeCluster(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.options.Namespaces = []string{f.namespace}
	f.start()
	ep, trigger := f.endpoint("media", hook), f.trigger("images", "media", "upload")
	f.create(f.secret("cloudinary"), ep, trigger)
	ready(f, trigger)
	change(f, ep, func(ep *v1alpha1.NotificationEndpoint) { ep.Spec.AllowedTriggers = selecting("shop") })
	message := becomes(f, ep, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonNeedsClusterScope)
	if !strings.Contains(message, "--watch-namespaces") {
		t.Errorf("message %q does not say why", message)
	}
	becomes(f, trigger, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonNeedsClusterScope)
	f.placesBecome("upload " + hook)
	change(f, ep, func(ep *v1alpha1.NotificationEndpoint) { ep.Spec.AllowedTriggers = nil })
	ready(f, trigger)
}

func TestASelectorThatIsNoneIsACondition(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.start()
	ep, trigger := f.endpoint("media", hook), f.trigger("images", "media", "upload")
	ep.Spec.AllowedTriggers = selecting("shop")
	ep.Spec.AllowedTriggers.Namespaces.Selector.MatchExpressions = []metav1.LabelSelectorRequirement{{Key: "team", Operator: "Resembles"}}
	f.create(f.secret("cloudinary"), ep, trigger)
	message := becomes(f, ep, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonInvalidSelector)
	for _, want := range []string{"spec.allowedTriggers.namespaces.selector", "Resembles"} {
		if !strings.Contains(message, want) {
			t.Errorf("message %q does not name %s", message, want)
		}
	}
}

// What an endpoint of another namespace waits for may come by itself: then nobody is called for.
func TestATriggerSaysOfAnotherNamespacesEndpointWhetherAPersonIsNeeded(t *testing.T) {
	t.Parallel()
	f, other := newFixture(t, simulator.Options{}), newFixture(t, simulator.Options{})
	f.namespaces = []string{other.namespace}
	f.start()
	ep, trigger := f.endpoint("media", hook), other.trigger("images", "media", "upload")
	ep.Spec.AllowedTriggers = &v1alpha1.AllowedTriggers{Namespaces: v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll}}
	trigger.Spec.EndpointRef.Namespace = f.namespace
	f.create(ep, trigger)
	becomes(f, trigger, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonEndpointWaiting)
	becomes(f, trigger, v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonEndpointWaiting)
	t.Log("its Secret cannot be used")
	secret := f.secret("cloudinary")
	secret.StringData = map[string]string{"CLOUDINARY_URL": "cloudinary://nothing"}
	f.create(secret)
	becomes(f, trigger, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonEndpointNotAccepted)
	becomes(f, trigger, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonEndpointNotAccepted)
	t.Log("and is corrected")
	change(f, secret, func(s *corev1.Secret) { s.StringData = f.secret("cloudinary").StringData })
	ready(f, trigger)
}
