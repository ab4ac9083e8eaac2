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
	"github.com/cloudinary-operator/cloudinary-operator/internal/memory"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verdict"
)

// passSecret reads a Secret that objects need, and has its credentials accepted by a call of their
// own. Until then the Secret's objects see nothing of the environment it names, and have no
// influence there.
func (r *Reconciler) passSecret(ctx context.Context, unit resolve.Unit) (time.Duration, error) {
	w, err := r.worlds.read(ctx)
	if err != nil {
		return 0, err
	}
	p := &secretPass{waitingPass: waitingPass{Reconciler: r, unit: unit, world: w}, key: unit.Key}
	used, named := w.UsesSecret(unit.Key), w.NamesSecret(unit.Key)
	state, err := p.syncSecret(ctx, used)
	if err != nil || !used {
		return 0, err
	}
	after, err := p.passNeeded(ctx, state)
	after = memory.Sooner(after, p.nextHold(state.UID))
	if state.Deleting || !named {
		// It is held for what was written with it. That this has been rewritten with another one,
		// or is gone, is a change of status, which wakes nothing.
		after = memory.Sooner(after, r.jittered(r.Options.SyncInterval))
	}
	return after, err
}

// passNeeded goes on with a Secret that objects need.
func (p *secretPass) passNeeded(ctx context.Context, state resolve.Secret) (time.Duration, error) {
	if state.Problem != nil {
		again := p.lookAgain()
		if state.Problem.Reason == v1alpha1.ReasonSecretForbidden { // that rights have changed is told by nothing
			again = p.jittered(p.Options.SyncInterval)
		}
		return again, p.reportSecret(ctx, nil)
	}
	env := state.Credentials.Environment()
	if p.directory.IsAccepted(state.Credentials) {
		p.queue.wake(resolve.UnitOfEnvironment(env))
		return 0, nil
	}
	return p.probe(ctx, state.Credentials)
}

// probe makes the call that shows whether credentials are accepted. Equal credentials in several
// Secrets are tried once. How long the call takes is up to the author of the Secret, so nothing of
// the world is kept meanwhile: it is read anew for the report.
func (p *secretPass) probe(ctx context.Context, creds cloudinary.Credentials) (time.Duration, error) {
	p.world = nil
	b := p.directory.Probe(p.key)
	if at := p.directory.WaitForCalls(creds.Environment(), p.Now()); !at.IsZero() && !b.Waiting(p.Now()) {
		b.NotBefore, b.Problem = at, verdict.ShareSpent()
	}
	if !b.Waiting(p.Now()) {
		if !p.queue.mayCall(p.unit, creds.Environment()) {
			return 0, nil
		}
		if !p.directory.BeginTrial(creds, p.unit) {
			return 0, nil // the one that tries them wakes this one
		}
		defer p.endTrial(creds)
		accepted, err := p.tryCredentials(ctx, b, creds)
		if err != nil {
			return 0, err
		}
		if accepted {
			p.queue.wake(resolve.UnitOfEnvironment(creds.Environment()))
			return 0, nil
		}
	}
	var err error
	if p.world, err = p.worlds.read(ctx); err != nil {
		return 0, err
	}
	if err := p.reportSecret(ctx, b.Problem); err != nil {
		return 0, err
	}
	return max(b.NotBefore.Sub(p.Now()), minRequeue), nil
}

// endTrial wakes who waits for what comes of trying credentials.
func (p *secretPass) endTrial(creds cloudinary.Credentials) {
	for waiting := range p.directory.EndTrial(creds) {
		p.queue.wake(waiting)
	}
}

// tryCredentials lists with credentials. The list is the environment's first, if that has none yet.
func (p *secretPass) tryCredentials(ctx context.Context, b *memory.Backoff, creds cloudinary.Credentials) (bool, error) {
	if p.directory.IsAccepted(creds) { // while this pass was on its way
		return true, nil
	}
	probe := p.directory.NewState()
	accepted, err := p.admin.list(ctx, probe, creds)
	if err != nil {
		return false, err
	}
	if !accepted {
		b.FailProbe(probe, p.Now(), p.jittered)
		return false, nil
	}
	b.Succeed()
	env := p.directory.State(creds.Environment())
	env.Lock()
	defer env.Unlock()
	env.MergeProbe(probe, p.Now())
	// Only now: the Secrets with equal credentials wake the environment, whose pass would list once
	// more.
	p.directory.SetAccepted(creds, true)
	return true, nil
}

// syncSecret brings what is known of a Secret up to date, and then its finalizer. It is used where
// objects need the Secret.
func (p *secretPass) syncSecret(ctx context.Context, used bool) (resolve.Secret, error) {
	read, err := p.readSecret(ctx, used)
	switch {
	case err != nil:
		return p.secretRefused(err)
	case read.seen == nil && !used:
		p.directory.ForgetSecret(p.key)
		return resolve.Secret{}, nil
	case read.seen == nil:
		p.directory.SetSecret(p.key, read.state)
		p.wakeIfThere(ctx)
		return read.state, nil
	case !used || resolve.Abandoned(read.seen):
		p.directory.ForgetSecret(p.key)
		return resolve.Secret{}, p.objects.removeFinalizer(ctx, read.seen)
	}
	hold := p.directory.Finalizer(p.key, string(read.seen.UID))
	state := read.state
	if state.ResourceVersion, err = p.holdSecret(ctx, read.seen.DeepCopy(), state, hold); err != nil {
		return p.secretRefused(err)
	}
	p.tellWaiting(read.seen, hold)
	switch _, contested := hold.Contested(p.Now()); {
	case !contested:
		state.Contested = ""
	case read.writer != "" || state.Contested == "":
		state.Contested = resolve.ContestedNote(read.writer)
	}
	p.directory.SetSecret(p.key, state)
	return state, nil
}

// secretRead is what there is to know of a Secret now.
type secretRead struct {
	state  resolve.Secret
	seen   *metav1.PartialObjectMetadata // nil: there is no such Secret
	writer string                        // the field manager that has written it last, where it was read anew
}

// readSecret reads a Secret, and its content only where it is used and has changed since it was
// read last.
func (p *secretPass) readSecret(ctx context.Context, used bool) (secretRead, error) {
	if !p.Options.watches(p.key.Namespace) {
		return secretRead{state: resolve.OutsideSecret(p.key)}, nil
	}
	seen, err := p.seeSecret(ctx)
	if apierrors.IsNotFound(err) {
		return secretRead{state: resolve.MissingSecret(p.key)}, nil
	}
	if err != nil {
		return secretRead{}, fmt.Errorf("read metadata of secret %s: %w", p.key, err)
	}
	state, known := p.directory.Secret(p.key)
	if !used || resolve.Abandoned(seen) || known && state.ResourceVersion == seen.ResourceVersion {
		return secretRead{state: state, seen: seen}, nil
	}
	var secret corev1.Secret
	if err := p.Live.Get(ctx, client.ObjectKey(p.key), &secret); err != nil { // NotFound: the cache lags behind, and is looked at again
		return secretRead{}, fmt.Errorf("read secret %s: %w", p.key, err)
	}
	options := p.Options.resolution()
	next := resolve.ParseSecret(&secret, &options)
	next.Contested = state.Contested
	seen.ObjectMeta = secret.ObjectMeta
	return secretRead{next, seen, resolve.LastWriter(secret.ManagedFields)}, nil
}

// seeSecret returns a Secret's metadata from the cache.
func (p *secretPass) seeSecret(ctx context.Context) (*metav1.PartialObjectMetadata, error) {
	seen := metadataOf("Secret")
	return seen, p.Client.Get(ctx, client.ObjectKey(p.key), seen)
}

// wakeIfThere makes another pass over a Secret that was not found. It may have come meanwhile, and
// its event to a directory that did not know it.
func (p *secretPass) wakeIfThere(ctx context.Context) {
	if !p.Options.watches(p.key.Namespace) {
		return
	}
	if _, err := p.seeSecret(ctx); err == nil {
		p.queue.wake(resolve.UnitOfSecret(p.key))
	}
}

// holdSecret has a Secret held by the finalizer if it is to be, and by its version the same that
// was read: an endpoint may name anything. So what is no credentials of Cloudinary's is not held,
// unless it was, and triggers that were written with it are still there: their owner is to notice,
// and to repair it, before it goes. What cannot be credentials, by its type, is let go in any case.
// It returns the Secret's version.
func (p *secretPass) holdSecret(ctx context.Context, secret *metav1.PartialObjectMetadata, state resolve.Secret, h *memory.SecretFinalizer) (string, error) {
	switch {
	case state.Problem == nil:
		err := p.putFinalizer(ctx, secret, h)
		return secret.ResourceVersion, err
	case !state.Foreign && p.world.WroteWith(p.key):
		return secret.ResourceVersion, nil
	default:
		h.Present = false
		return secret.ResourceVersion, p.objects.removeFinalizer(ctx, secret)
	}
}

// secretRefused takes note of a Secret that the API server does not let the manager read or hold.
// Other errors are the API server's.
func (p *secretPass) secretRefused(err error) (resolve.Secret, error) {
	if !apierrors.IsForbidden(err) {
		return resolve.Secret{}, err
	}
	state := resolve.ForbiddenSecret(p.key, err)
	p.directory.SetSecret(p.key, state)
	return state, nil
}

// nextHold is how long until a Secret is to be looked at again for the sake of its finalizer; zero:
// no time in particular.
func (p *secretPass) nextHold(uid string) time.Duration {
	at := p.directory.Finalizer(p.key, uid).NextLook(p.Now())
	if at.IsZero() {
		return 0
	}
	return max(at.Sub(p.Now()), minRequeue)
}

// reportSecret writes the status of everything that waits for a Secret.
func (p *secretPass) reportSecret(ctx context.Context, cause *resolve.Problem) error {
	w := p.world
	errs := []error{p.reportTriggers(ctx, cause)}
	for _, key := range slices.SortedFunc(maps.Keys(w.Endpoints), plan.Key.Compare) {
		if _, _, primary := w.LeadsTo(w.Endpoints[key]); primary == p.unit {
			view := w.ResolveEndpoint(w.Endpoints[key])
			a := verdict.WaitingEndpoint(&view, cause)
			errs = append(errs, p.finishEndpoint(ctx, w, &view, a, verdict.Usage{Limit: p.Options.URLLimit}))
		}
	}
	return errors.Join(errs...)
}
