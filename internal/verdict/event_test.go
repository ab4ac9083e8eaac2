// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/turn"
)

func TestHowAnObjectFares(t *testing.T) {
	t.Parallel()
	condition := func(kind string, status metav1.ConditionStatus, reason string) metav1.Condition {
		return metav1.Condition{Type: kind, Status: status, Reason: reason}
	}
	for name, test := range map[string]struct {
		conditions []metav1.Condition
		want       turn.State
	}{
		"nothing is known of it":           {nil, turn.State{}},
		"it is ready":                      {[]metav1.Condition{condition(v1alpha1.ConditionReady, metav1.ConditionTrue, "Ready")}, turn.State{Well: true}},
		"it is being worked on":            {[]metav1.Condition{condition(v1alpha1.ConditionReady, metav1.ConditionFalse, "Pending"), condition(v1alpha1.ConditionReconciling, metav1.ConditionTrue, "Pending")}, turn.State{}},
		"a person has to see to it":        {[]metav1.Condition{condition(v1alpha1.ConditionReady, metav1.ConditionFalse, "InvalidFilter"), condition(v1alpha1.ConditionStalled, metav1.ConditionTrue, "InvalidFilter")}, turn.State{Trouble: "InvalidFilter"}},
		"a person had to see to it":        {[]metav1.Condition{condition(v1alpha1.ConditionStalled, metav1.ConditionFalse, "InvalidFilter"), condition(v1alpha1.ConditionReady, metav1.ConditionTrue, "Ready")}, turn.State{Well: true}},
		"whether it is ready is not known": {[]metav1.Condition{condition(v1alpha1.ConditionReady, metav1.ConditionUnknown, "Unavailable")}, turn.State{}},
	} {
		if got := StateOf(test.conditions); got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}

func TestEachCauseHasAnEvent(t *testing.T) {
	t.Parallel()
	for cause, want := range map[plan.Cause]string{
		plan.CauseSpec: "Written", plan.CauseAdoption: "Adopted", plan.CauseDrift: "DriftRepaired", plan.CauseIgnored: "Replaced", plan.CauseReleased: "Deleted",
	} {
		reason, note := ChangeEvent(cause)
		if reason != want || strings.Count(note, "%s") != 1 {
			t.Errorf("%s: %s, %q", cause, reason, note)
		}
	}
}
