// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/excerpt"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

// maxProbeBackoff is the longest wait between two tries of credentials that were refused.
const maxProbeBackoff = time.Hour

// passSecret reads a Secret that objects need, and has its credentials accepted by a call of their own. Until then the Secret's
// objects see nothing of the environment it names, and have no influence there.
func (r *Reconciler) passSecret(ctx context.Context, unit Unit) (time.Duration, error) {
	w, err := r.readWorld(ctx)
	if err != nil {
		return 0, err
	}
	used, named := w.usesSecret(unit.Key), w.namesSecret(unit.Key)
	state, err := r.readSecret(ctx, w, unit.Key)
	if err != nil || !used {
		return 0, err
	}
	after, err := r.passNeeded(ctx, w, unit, state)
	after = soonerOf(after, r.nextHold(unit.Key, state.uid))
	if state.deleting || !named {
		// It is held for what was written with it. That this has been rewritten with another one, or is gone, is a change of status,
		// which wakes nothing.
		after = soonerOf(after, r.jittered(r.Options.SyncInterval))
	}
	return after, err
}

// soonerOf is the shorter of two waits, of which zero is none.
func soonerOf(a, b time.Duration) time.Duration {
	if a == 0 || b == 0 {
		return a + b
	}
	return min(a, b)
}

// passNeeded goes on with a Secret that objects need.
func (r *Reconciler) passNeeded(ctx context.Context, w *world, unit Unit, state secretState) (time.Duration, error) {
	if state.problem != nil {
		again := r.lookAgain(w, unit)
		if state.problem.reason == v1alpha1.ReasonSecretForbidden { // that rights have changed is told by nothing
			again = r.jittered(r.Options.SyncInterval)
		}
		return again, r.reportSecret(ctx, w, unit, nil)
	}
	env := state.credentials.Environment()
	if r.directory.isAccepted(state.credentials) {
		r.wake(environmentUnit(env))
		return 0, nil
	}
	return r.probe(ctx, unit, state.credentials)
}

// probe makes the call that shows whether credentials are accepted. Equal credentials in several Secrets are tried once. How long the call
// takes is up to the author of the Secret, so nothing of the world is kept meanwhile: it is read anew for the report.
func (r *Reconciler) probe(ctx context.Context, unit Unit, creds cloudinary.Credentials) (time.Duration, error) {
	b := r.directory.probe(unit.Key)
	if at := r.directory.waitForCalls(creds.Environment(), r.Now()); !at.IsZero() && !b.waiting(r.Now()) {
		b.notBefore, b.problem = at, shareSpent()
	}
	if !b.waiting(r.Now()) {
		if !r.mayCall(unit, creds.Environment()) {
			return 0, nil
		}
		if !r.directory.beginTrial(creds, unit) {
			return 0, nil // the one that tries them wakes this one
		}
		defer r.endTrial(creds)
		accepted, err := r.tryCredentials(ctx, b, creds)
		if err != nil {
			return 0, err
		}
		if accepted {
			r.wake(environmentUnit(creds.Environment()))
			return 0, nil
		}
	}
	w, err := r.readWorld(ctx)
	if err != nil {
		return 0, err
	}
	if err := r.reportSecret(ctx, w, unit, b.problem); err != nil {
		return 0, err
	}
	return max(b.notBefore.Sub(r.Now()), conflictDelay), nil
}

// endTrial wakes who waits for what comes of trying credentials.
func (r *Reconciler) endTrial(creds cloudinary.Credentials) {
	for waiting := range r.directory.endTrial(creds) {
		r.wake(waiting)
	}
}

// tryCredentials lists with credentials. The list is the environment's first, if that has none yet.
func (r *Reconciler) tryCredentials(ctx context.Context, b *backoff, creds cloudinary.Credentials) (bool, error) {
	if r.directory.isAccepted(creds) { // while this pass was on its way
		return true, nil
	}
	probe := &environment{budget: r.directory.budget}
	accepted, err := r.list(ctx, probe, creds)
	if err != nil {
		return false, err
	}
	if !accepted {
		r.noteProbe(b, probe)
		return false, nil
	}
	b.succeed()
	env := r.directory.environment(creds.Environment())
	env.mu.Lock()
	defer env.mu.Unlock()
	if env.listed.IsZero() && env.fresh == nil && env.doubted == nil {
		env.fresh, env.paced, env.next, env.clock = probe.fresh, probe.paced, probe.next, probe.clock
		env.budget = probe.budget
		env.backoff.succeed()
	} else {
		env.called(cloudinary.Meta{RateLimit: probe.limit}, r.Now())
	}
	// Only now: the Secrets with equal credentials wake the environment, whose pass would list once more.
	r.directory.setAccepted(creds, true)
	return true, nil
}

func (r *Reconciler) noteProbe(b *backoff, probe *environment) {
	if probe.backoff.problem == nil {
		r.fail(b, r.Now(), time.Time{}, probe.refused, maxProbeBackoff)
		return
	}
	r.fail(b, r.Now(), probe.backoff.notBefore, probe.backoff.problem, maxBackoff)
}

// usesSecret says whether an endpoint needs a Secret, or a trigger holds something that was written with it.
func (w *world) usesSecret(key plan.Key) bool { return w.namesSecret(key) || w.wroteWith(key) }

// wroteWith says whether a trigger holds something that was written with a Secret.
func (w *world) wroteWith(key plan.Key) bool {
	for _, t := range w.triggers {
		for _, reg := range t.Status.Registrations {
			if secretOf(reg) == key {
				return true
			}
		}
	}
	return false
}

// namesSecret says whether an endpoint's spec has a Secret.
func (w *world) namesSecret(key plan.Key) bool {
	if w.named == nil {
		w.named = make(map[plan.Key]bool, len(w.endpoints))
		for _, ep := range w.endpoints {
			w.named[plan.Key{Namespace: ep.Namespace, Name: ep.Spec.CredentialsSecretRef.Name}] = true
		}
	}
	return w.named[key]
}

// readSecret brings what is known of a Secret up to date, and then its finalizer. The Secret is only read where it is needed and
// has changed since.
func (r *Reconciler) readSecret(ctx context.Context, w *world, key plan.Key) (secretState, error) {
	needed := w.usesSecret(key)
	if !r.Options.watches(key.Namespace) {
		return r.secretOutside(key), nil
	}
	name := client.ObjectKey{Namespace: key.Namespace, Name: key.Name}
	seen := &metav1.PartialObjectMetadata{}
	seen.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	err := r.Client.Get(ctx, name, seen)
	switch {
	case apierrors.IsNotFound(err):
		state := r.secretMissing(key, needed)
		if r.Client.Get(ctx, name, seen) == nil {
			r.wake(secretUnit(key)) // it came between the two, and its event to a directory that did not know it
		}
		return state, nil
	case err != nil:
		return secretState{}, fmt.Errorf("read metadata of secret %s: %w", key, err)
	case !needed || abandonedSecret(seen):
		r.directory.forgetSecret(key)
		return secretState{}, r.removeFinalizer(ctx, seen)
	}
	state, known := r.directory.secret(key)
	hold := r.directory.holdOf(key, string(seen.UID))
	writer := ""
	if !known || state.resourceVersion != seen.ResourceVersion {
		var secret corev1.Secret
		if err := r.Live.Get(ctx, name, &secret); err != nil { // NotFound: the cache lags behind, and is looked at again
			return r.secretRefused(key, fmt.Errorf("read secret %s: %w", key, err))
		}
		r.reach(AtSecretRead)
		contested := state.contested
		state = r.parseSecret(&secret)
		state.contested = contested
		seen.ObjectMeta = secret.ObjectMeta
		writer = lastWriter(secret.ManagedFields)
	}
	if state.resourceVersion, err = r.holdSecret(ctx, w, seen.DeepCopy(), state, hold); err != nil {
		return r.secretRefused(key, err)
	}
	r.tellWaiting(w, seen, hold)
	switch _, contested := hold.contested(r.Now()); {
	case !contested:
		state.contested = ""
	case writer != "" || state.contested == "":
		state.contested = contestedNote(writer)
	}
	r.directory.setSecret(key, state)
	return state, nil
}

// holdSecret has a Secret held by the finalizer if it is to be, and by its version the same that was read: an endpoint may name anything.
// So what is no credentials of Cloudinary's is not held, unless it was, and triggers that were written with it are still there: their
// owner is to notice, and to repair it, before it goes. What cannot be credentials, by its type, is let go in any case. It returns the
// Secret's version.
func (r *Reconciler) holdSecret(ctx context.Context, w *world, secret *metav1.PartialObjectMetadata, state secretState, h *hold) (string, error) {
	key := keyOf(secret)
	switch {
	case state.problem == nil:
		err := r.putFinalizer(ctx, secret, h)
		return secret.ResourceVersion, err
	case !state.foreign && w.wroteWith(key):
		return secret.ResourceVersion, nil
	default:
		h.held = false
		return secret.ResourceVersion, r.removeFinalizer(ctx, secret)
	}
}

func abandonedSecret(s *metav1.PartialObjectMetadata) bool {
	return s.DeletionTimestamp != nil && s.Annotations[v1alpha1.AnnotationAbandon] == annotationTrue
}

func (r *Reconciler) secretMissing(key plan.Key, needed bool) secretState {
	if !needed {
		r.directory.forgetSecret(key)
		return secretState{}
	}
	state := secretState{problem: &problem{
		v1alpha1.ReasonSecretNotFound,
		fmt.Sprintf("spec.credentialsSecretRef: Secret %s does not exist; create it with the key CLOUDINARY_URL, or correct the reference", key),
	}}
	r.directory.setSecret(key, state)
	return state
}

// secretRefused is what is known of a Secret that the API server does not let the manager read or hold. Other errors are the API server's.
func (r *Reconciler) secretRefused(key plan.Key, err error) (secretState, error) {
	if !apierrors.IsForbidden(err) {
		return secretState{}, err
	}
	state := secretState{problem: &problem{v1alpha1.ReasonSecretForbidden, fmt.Sprintf(
		"Secret %s: the manager may not use it; let its service account get and patch Secrets there (the API server says: %v)", key, err)}}
	r.directory.setSecret(key, state)
	return state, nil
}

// secretOutside is what is known of a Secret in a namespace that the manager does not watch any more.
func (r *Reconciler) secretOutside(key plan.Key) secretState {
	state := secretState{problem: &problem{
		v1alpha1.ReasonSecretNotFound,
		fmt.Sprintf("Secret %s is outside the namespaces of the manager's --watch-namespaces; add its namespace", key),
	}}
	r.directory.setSecret(key, state)
	return state
}

// parseSecret reads credentials from a Secret of their type; one that is not created yet may have none. A Secret of another type has a
// purpose of its own, whatever its keys are.
func (r *Reconciler) parseSecret(s *corev1.Secret) secretState {
	state := secretState{uid: string(s.UID), resourceVersion: s.ResourceVersion, deleting: s.DeletionTimestamp != nil}
	if s.Type != corev1.SecretTypeOpaque && s.Type != "" {
		state.foreign = true
		state.problem = &problem{v1alpha1.ReasonSecretInvalid, fmt.Sprintf(
			"Secret %s/%s has the type %s, and credentials must be in one of the type %s; name another one in spec.credentialsSecretRef, or delete it and create it anew: a Secret's type cannot be changed",
			s.Namespace, s.Name, s.Type, corev1.SecretTypeOpaque)}
		return state
	}
	creds, err := cloudinary.ParseSecret(s.Data)
	signing, signingErr := cloudinary.ParseSigningKeys(s.Data)
	if err == nil {
		err = signingErr
	}
	if err != nil {
		state.problem = &problem{v1alpha1.ReasonSecretInvalid, fmt.Sprintf("Secret %s/%s: %v", s.Namespace, s.Name, err)}
	} else if state.problem = r.Options.baseProblem(keyOf(s), creds); state.problem == nil {
		state.credentials, state.signing = creds, signing
	}
	return state
}

// maxShownHost is how much of a host's name a condition shows.
const maxShownHost = 128

// baseProblem says why no call is made with credentials, if none is.
func (o *Options) baseProblem(secret plan.Key, creds cloudinary.Credentials) *problem {
	switch host := excerpt.Shorten(creds.APIHost(), maxShownHost); {
	case !o.AllowedAPIBases.Allows(creds.Environment().APIBase):
		return &problem{v1alpha1.ReasonAPIBaseNotAllowed, fmt.Sprintf(
			"Secret %s: the host of upload_prefix, %s, is none of Cloudinary's Admin APIs (such as api.cloudinary.com or api-eu.cloudinary.com), so nothing is called there; "+
				"correct it, or have the manager started with --allowed-api-bases=%s", secret, host, excerpt.Shorten(creds.APIBaseToAllow(), maxShownHost))}
	case creds.Insecure() && !o.AllowInsecureAPIBase:
		return &problem{v1alpha1.ReasonInsecureAPIBase, fmt.Sprintf(
			"Secret %s: upload_prefix is not https; use https, or start the manager with --allow-insecure-api-base", secret)}
	default:
		return nil
	}
}

// reportSecret writes the status of everything that waits for a Secret.
func (r *Reconciler) reportSecret(ctx context.Context, w *world, unit Unit, cause *problem) error {
	errs := []error{r.reportWaiting(ctx, w, unit, cause)}
	for _, key := range slices.SortedFunc(maps.Keys(w.endpoints), compareKeys) {
		if _, _, primary := w.leadsTo(w.endpoints[key]); primary == unit {
			view := w.viewEndpoint(w.endpoints[key])
			a := view.assessment()
			a.synced, a.unknown = cause, passing(cause)
			errs = append(errs, r.finishEndpoint(ctx, w, &view, a, usage{}))
		}
	}
	return errors.Join(errs...)
}
