// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// A right that is missing in one namespace is told to those who look at their objects there, and not in the manager's log alone.
func TestASecretThatTheManagerMayNotUseIsACondition(t *testing.T) {
	for missing, verbs := range map[string][]string{
		"get":   {"list", "watch", "patch"},
		"patch": {"list", "watch", "get"},
	} {
		t.Run(missing, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, simulator.Options{})
			f.user = "manager-of-" + f.namespace
			f.options.Namespaces = []string{f.namespace} // no namespaces are listed
			role := f.grant(verbs)
			f.start()
			ep, trigger := f.endpoint("media", hook), f.trigger("images", "media", "upload")
			f.create(f.secret("cloudinary"), ep, trigger)
			message := becomes(f, ep, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonSecretForbidden)
			if !strings.Contains(message, f.user) || !strings.Contains(message, "cannot "+missing) {
				t.Errorf("message %q does not name the right that is missing", message)
			}
			becomes(f, trigger, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonSecretForbidden)
			t.Log("the right is granted")
			change(f, role, func(r *rbacv1.Role) { r.Rules[0].Verbs = append(r.Rules[0].Verbs, missing) })
			ready(f, trigger)
		})
	}
}

// grant lets the fixture's user do with Secrets what is named, and with all else in the namespace everything.
func (f *fixture) grant(secrets []string) *rbacv1.Role {
	f.Helper()
	meta := metav1.ObjectMeta{Name: "manager", Namespace: f.namespace}
	role := &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: secrets},
		{APIGroups: []string{v1alpha1.GroupVersion.Group, "events.k8s.io"}, Resources: []string{"*"}, Verbs: []string{"*"}},
	}}
	f.create(role, &rbacv1.RoleBinding{
		ObjectMeta: meta,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: f.user}},
	})
	return role
}
