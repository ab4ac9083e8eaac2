// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

// The API server takes 32 KB of a message, and refuses the whole status where one is longer.
func TestAHugeSelectorIsSaidToBeInvalid(t *testing.T) {
	t.Parallel()
	w := &World{}
	for size, want := range map[int]string{4000: "kkk", 40000: "has 40000 bytes of keys and values, but the maximum is 4096"} {
		ep := &v1alpha1.NotificationEndpoint{Spec: v1alpha1.NotificationEndpointSpec{AllowedTriggers: &v1alpha1.AllowedTriggers{Namespaces: v1alpha1.AllowedNamespaces{
			From: v1alpha1.NamespacesFromSelector,
			Selector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
				{Key: strings.Repeat("k", size), Operator: metav1.LabelSelectorOpExists},
			}},
		}}}}
		for range 2 { // as the plugin reads it, and as it is in the cache
			p := w.permissionProblem(ep)
			if p == nil || p.Reason != v1alpha1.ReasonInvalidSelector || len(p.Message) > 2048 || !strings.Contains(p.Message, want) {
				t.Errorf("the problem is %.200v, want %q", p, want)
			}
			allowed := &ep.Spec.AllowedTriggers.Namespaces
			allowed.Selector = AbridgeSelector(allowed.Selector)
		}
	}
}
