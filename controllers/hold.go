// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/excerpt"
	"github.com/cloudinary-operator/cloudinary-operator/internal/memory"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verdict"
)

// putFinalizer puts the finalizer on a Secret, unless somebody keeps taking it off and it has to
// wait.
func (p *secretPass) putFinalizer(ctx context.Context, secret *metav1.PartialObjectMetadata, h *memory.Hold) error {
	if controllerutil.ContainsFinalizer(secret, v1alpha1.Finalizer) {
		h.Held = true
		return nil
	}
	if !h.Missing(secret.DeletionTimestamp != nil, p.Now()) {
		return nil
	}
	if err := p.objects.addFinalizer(ctx, secret); err != nil {
		return err
	}
	h.Held = secret.DeletionTimestamp == nil
	return nil
}

// tellWaiting leaves an Event on a Secret that is to go and is still needed, each time when there
// is something else to say.
func (p *secretPass) tellWaiting(secret *metav1.PartialObjectMetadata, h *memory.Hold) {
	if secret.DeletionTimestamp == nil || !controllerutil.ContainsFinalizer(secret, v1alpha1.Finalizer) {
		return
	}
	text := verdict.NeededBy(p.world, p.key)
	if text == h.Waits {
		return
	}
	h.Waits = text
	p.events.write(secret, corev1.EventTypeWarning, "DeletionWaits", "Hold",
		"The Secret is held until nothing needs its credentials any more: %s; or end the wait with the annotation %s: \"true\", which leaves the triggers behind",
		excerpt.Shorten(text, verdict.MaxNote-len(v1alpha1.AnnotationAbandon)), v1alpha1.AnnotationAbandon)
}
