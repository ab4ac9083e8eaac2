// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

func TestWhatIsWatched(t *testing.T) {
	t.Parallel()
	everywhere, confined := &Options{}, &Options{Namespaces: []string{"shop"}}
	trigger, endpoint := &v1alpha1.CloudinaryTrigger{}, &v1alpha1.NotificationEndpoint{}
	for name, test := range map[string]struct {
		options *Options
		object  client.Object
		want    bool
	}{
		"a trigger":                            {everywhere, trigger, true},
		"an endpoint":                          {confined, endpoint, true},
		"the metadata of a Secret":             {confined, metadataOf("Secret"), true},
		"the metadata of a Namespace":          {everywhere, metadataOf("Namespace"), true},
		"no Namespaces where some are watched": {confined, metadataOf("Namespace"), false},
		"no metadata of another kind":          {everywhere, metadataOf("ConfigMap"), false},
		"no Secret with its content":           {everywhere, &corev1.Secret{}, false},
	} {
		if got := slices.ContainsFunc(test.options.watchedKinds(), func(k watchedKind) bool { return k.has(test.object) }); got != test.want {
			t.Errorf("%s: %t, want %t", name, got, test.want)
		}
	}
	if all, some := len(everywhere.Watched()), len(confined.Watched()); all != 4 || some != 3 {
		t.Errorf("%d and %d kinds are watched, want 4 and 3", all, some)
	}
}

func TestWhichChangesAreLookedAt(t *testing.T) {
	t.Parallel()
	deleted := &metav1.Time{}
	kinds := (&Options{}).watchedKinds()
	for name, test := range map[string]struct {
		before, after client.Object
		want          bool
	}{
		"a status alone":               {&v1alpha1.CloudinaryTrigger{}, &v1alpha1.CloudinaryTrigger{Status: v1alpha1.CloudinaryTriggerStatus{EventTypes: "upload"}}, false},
		"a spec":                       {&v1alpha1.CloudinaryTrigger{}, &v1alpha1.CloudinaryTrigger{ObjectMeta: metav1.ObjectMeta{Generation: 2}}, true},
		"an annotation":                {&v1alpha1.NotificationEndpoint{}, &v1alpha1.NotificationEndpoint{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{"a": "b"}}}, true},
		"a finalizer that is added":    {&v1alpha1.NotificationEndpoint{}, &v1alpha1.NotificationEndpoint{ObjectMeta: metav1.ObjectMeta{Finalizers: []string{"a"}}}, false},
		"a finalizer of what is to go": {&v1alpha1.CloudinaryTrigger{}, &v1alpha1.CloudinaryTrigger{ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: deleted, Finalizers: []string{"a"}}}, true},
		"whatever of a Secret":         {metadataOf("Secret"), metadataOf("Secret"), true},
		"whatever else of a Namespace": {metadataOf("Namespace"), metadataOf("Namespace"), false},
		"the labels of a Namespace":    {metadataOf("Namespace"), labeled(metadataOf("Namespace")), true},
		"the labels of a trigger":      {&v1alpha1.CloudinaryTrigger{}, &v1alpha1.CloudinaryTrigger{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"a": "b"}}}, false},
	} {
		i := slices.IndexFunc(kinds, func(k watchedKind) bool { return k.has(test.before) })
		if i < 0 {
			t.Errorf("%s: it is not watched", name)
			continue
		}
		if got := kinds[i].meaningful.Update(event.UpdateEvent{ObjectOld: test.before, ObjectNew: test.after}); got != test.want {
			t.Errorf("%s: %t, want %t", name, got, test.want)
		}
	}
}

func labeled(o *metav1.PartialObjectMetadata) *metav1.PartialObjectMetadata {
	o.SetLabels(map[string]string{"team": "a"})
	return o
}
