// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

func TestWhatIsAbandoned(t *testing.T) {
	t.Parallel()
	with := func(value string, deleted bool) *metav1.ObjectMeta {
		o := &metav1.ObjectMeta{Annotations: map[string]string{v1alpha1.AnnotationAbandon: value}}
		if deleted {
			o.DeletionTimestamp = &metav1.Time{}
		}
		return o
	}
	for name, test := range map[string]struct {
		object *metav1.ObjectMeta
		want   bool
	}{
		"it is being deleted, and may go":         {with("true", true), true},
		"it is to stay":                           {with("true", false), false},
		"the annotation says no":                  {with("false", true), false},
		"the annotation has another value":        {with("True", true), false},
		"it is being deleted, and nobody said so": {&metav1.ObjectMeta{DeletionTimestamp: &metav1.Time{}}, false},
	} {
		if got := Abandoned(test.object); got != test.want {
			t.Errorf("%s: %t, want %t", name, got, test.want)
		}
	}
}
