// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/excerpt"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

// hold is what the process remembers of its finalizer on one Secret.
type hold struct {
	uid     string
	held    bool // it was there when this process looked last
	taken   backoff
	takenAt time.Time
	waits   string // what the last Event on a deletion that waits said
}

const (
	// A finalizer that somebody else takes off is put back at once the first time, then after firstHoldBackoff, and each time after twice as
	// long as before, up to maxBackoff. Whoever writes the whole of a Secret would else write as often as the manager does.
	firstHoldBackoff = time.Second
	// contestedFrom is how often it was taken off when people are told.
	contestedFrom = 3
	// contestedFor is how long after the last time they are. It is more than maxBackoff, so that a fight does not look settled in between.
	contestedFor = 3 * maxBackoff
)

// holdOf is what is remembered of a Secret, which may be another one under the same name.
func (d *directory) holdOf(k plan.Key, uid string) *hold {
	d.mu.Lock()
	defer d.mu.Unlock()
	if h := d.holds[k]; h != nil && h.uid == uid {
		return h
	}
	d.holds[k] = &hold{uid: uid}
	return d.holds[k]
}

// lost notes that the finalizer is not there any more, though nobody here took it off.
func (h *hold) lost(now time.Time) {
	if now.Sub(h.takenAt) > contestedFor {
		h.taken = backoff{}
	}
	h.held, h.takenAt = false, now
	if h.taken.failures > 0 {
		h.taken.notBefore = now.Add(min(maxBackoff, firstHoldBackoff<<min(h.taken.failures-1, 30)))
	}
	h.taken.failures++
}

// contested says whether people are to know that somebody keeps taking the finalizer off, and until when.
func (h *hold) contested(now time.Time) (until time.Time, is bool) {
	until = h.takenAt.Add(contestedFor)
	return until, h.taken.failures >= contestedFrom && now.Before(until)
}

// putFinalizer puts the finalizer on a Secret, unless somebody keeps taking it off and it has to wait.
func (r *Reconciler) putFinalizer(ctx context.Context, secret *metav1.PartialObjectMetadata, h *hold) error {
	if controllerutil.ContainsFinalizer(secret, v1alpha1.Finalizer) {
		h.held = true
		return nil
	}
	if h.held && secret.DeletionTimestamp == nil {
		h.lost(r.Now())
	}
	if h.taken.waiting(r.Now()) {
		return nil
	}
	if err := r.addFinalizer(ctx, secret); err != nil {
		return err
	}
	h.held = secret.DeletionTimestamp == nil
	return nil
}

// nextHold is when a Secret is to be looked at again for the sake of its finalizer; zero: no time in particular.
func (r *Reconciler) nextHold(key plan.Key, uid string) time.Duration {
	h, now := r.directory.holdOf(key, uid), r.Now()
	until, contested := h.contested(now)
	switch {
	case !h.held && h.taken.waiting(now):
		return max(h.taken.notBefore.Sub(now), conflictDelay)
	case contested:
		return max(until.Sub(now), conflictDelay)
	default:
		return 0
	}
}

// maxManagerName is what a message has of a field manager's name, in bytes.
const maxManagerName = 128

// lastWriter is the field manager that has written a Secret last, as far as the API server knows; empty: it does not.
func lastWriter(fields []metav1.ManagedFieldsEntry) string {
	name, at := "", time.Time{}
	for _, entry := range fields {
		if entry.Subresource == "" && entry.Time != nil && !entry.Time.Time.Before(at) {
			name, at = entry.Manager, entry.Time.Time
		}
	}
	return excerpt.Shorten(name, maxManagerName)
}

// contestedNote tells people of a fight over the finalizer. It has no count and no time, so that an unchanged state writes nothing.
func contestedNote(writer string) string {
	by := ""
	if writer != "" {
		by = fmt.Sprintf("; the field manager that has written the Secret last is %q", writer)
	}
	return fmt.Sprintf("somebody keeps taking off the finalizer %s, which keeps the Secret until its triggers are released%s; "+
		"have whoever writes the whole of it leave metadata.finalizers alone, or use server-side apply", v1alpha1.Finalizer, by)
}

// tellWaiting leaves an Event on a Secret that is to go and is still needed, each time when there is something else to say.
func (r *Reconciler) tellWaiting(w *world, secret *metav1.PartialObjectMetadata, h *hold) {
	if secret.DeletionTimestamp == nil || !controllerutil.ContainsFinalizer(secret, v1alpha1.Finalizer) {
		return
	}
	text := w.neededBy(keyOf(secret))
	if text == h.waits {
		return
	}
	h.waits = text
	if r.Events != nil {
		r.Events.Eventf(secret, nil, corev1.EventTypeWarning, "DeletionWaits", "Hold",
			"The Secret is held until nothing needs its credentials any more: %s; or end the wait with the annotation %s: \"true\", which leaves the triggers behind",
			excerpt.Shorten(text, maxNote-len(v1alpha1.AnnotationAbandon)), v1alpha1.AnnotationAbandon)
	}
}

// neededBy says who needs a Secret, in words for those who may read its namespace.
func (w *world) neededBy(key plan.Key) string {
	var endpoints, triggers []string
	for _, ep := range w.endpoints {
		if ownSecret(ep) == key {
			endpoints = append(endpoints, ep.Name)
		}
	}
	elsewhere := false
	for _, t := range w.triggers {
		if !slices.ContainsFunc(t.Status.Registrations, func(reg v1alpha1.Registration) bool { return secretOf(reg) == key }) {
			continue
		}
		if t.Namespace == key.Namespace {
			triggers = append(triggers, t.Name)
		} else {
			elsewhere = true
		}
	}
	slices.Sort(endpoints)
	slices.Sort(triggers)
	text := ""
	add := func(part string) {
		if text != "" {
			text += "; "
		}
		text += part
	}
	if len(endpoints) > 0 {
		add("delete NotificationEndpoint " + joinNames(endpoints) + ", or have it name another Secret")
	}
	if len(triggers) > 0 {
		add("CloudinaryTrigger " + joinNames(triggers) + " has triggers at Cloudinary that were written with it")
	}
	if elsewhere {
		add("so have CloudinaryTriggers of other namespaces")
	}
	return text
}
