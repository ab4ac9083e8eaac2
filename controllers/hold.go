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
func (p *secretPass) putFinalizer(ctx context.Context, secret *metav1.PartialObjectMetadata, h *memory.SecretFinalizer) error {
	if controllerutil.ContainsFinalizer(secret, v1alpha1.Finalizer) {
		h.Present = true
		return nil
	}
	if !h.Missing(secret.DeletionTimestamp != nil, p.Now()) {
		return nil
	}
	if err := p.objects.addFinalizer(ctx, secret); err != nil {
		return err
	}
	h.Present = secret.DeletionTimestamp == nil
	return nil
}

// tellWaiting leaves an Event on a Secret that is to go and is still needed, each time when there
// is something else to say.
func (p *secretPass) tellWaiting(secret *metav1.PartialObjectMetadata, h *memory.SecretFinalizer) {
	if secret.DeletionTimestamp == nil || !controllerutil.ContainsFinalizer(secret, v1alpha1.Finalizer) {
		return
	}
	text := verdict.NeededBy(p.world, p.key)
	if text == h.LastEvent {
		return
	}
	h.LastEvent = text
	p.events.write(secret, corev1.EventTypeWarning, "DeletionWaits", "Hold",
		"The finalizer keeps the Secret until nothing needs its credentials: %s. Or end the wait with the annotation %s: \"true\". The triggers then stay at Cloudinary",
		excerpt.Shorten(text, verdict.MaxEventText-len(v1alpha1.AnnotationAbandon)), v1alpha1.AnnotationAbandon)
}
