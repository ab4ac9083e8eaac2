// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/fairqueue"
	"github.com/cloudinary-operator/cloudinary-operator/internal/turn"
)

// Options are what a user can set about the manager's work.
type Options struct {
	// SyncInterval is the time between two lists of an environment at rest; up to a tenth is added at random.
	SyncInterval time.Duration
	// MinListInterval is the least time between two lists of an environment, on average: a few may follow each other at once.
	MinListInterval time.Duration
	// SettleTime is how long Cloudinary's list may lag behind a write.
	SettleTime time.Duration
	// CallTimeout bounds one Admin API call.
	CallTimeout time.Duration
	// CallShare is the share of a plan's Admin API calls that is spent at most, above 0 and at most 1.
	CallShare float64
	// URLLimit is how many different notification URLs a product environment may hold.
	URLLimit int
	// ReceiverBaseURL is for endpoints whose spec.receiver has none.
	ReceiverBaseURL string
	// AllowInsecureAPIBase permits Admin APIs that are not https.
	AllowInsecureAPIBase bool
	// AllowedAPIBases are the Admin APIs that are called. The zero value: Cloudinary's own.
	AllowedAPIBases cloudinary.APIBases
	// UserAgent is sent with each call.
	UserAgent string
	// VerificationNamespace has the Secret with the receiver's verification keys; empty: no keys are kept.
	VerificationNamespace string
	// VerificationKeyGrace is how long a key counts that is in no Secret any more.
	VerificationKeyGrace time.Duration
	// Namespaces are those that are watched; empty: all.
	Namespaces []string
}

// watches says whether objects of a namespace can be read.
func (o *Options) watches(namespace string) bool {
	return len(o.Namespaces) == 0 || slices.Contains(o.Namespaces, namespace)
}

// DefaultOptions are the options of a manager that was given none.
func DefaultOptions() Options {
	return Options{
		SyncInterval: time.Minute, MinListInterval: 5 * time.Second, SettleTime: 30 * time.Second,
		CallTimeout: 15 * time.Second, CallShare: cloudinary.DefaultCallShare, URLLimit: 30, VerificationKeyGrace: 30 * time.Minute,
	}
}

// Fence keeps a manager that is not the leader (any more) from calling Cloudinary.
type Fence interface {
	// Remaining is how long this process surely stays the leader; zero or less: it may not be it.
	Remaining(now time.Time) time.Duration
}

// Reconciler makes the passes.
type Reconciler struct {
	// Client reads from the cache. Where the cache can, it waits for this process's own writes.
	Client client.Client
	// Live reads from the API server. Secrets are read through it alone, so that they are not cached.
	Live client.Reader
	// Events writes Kubernetes Events.
	Events events.EventRecorder
	// Metrics are the manager's metrics.
	Metrics *Metrics
	// Fence is nil where there is no leader election.
	Fence Fence
	// Transport carries the calls to Cloudinary.
	Transport http.RoundTripper
	// Now is this process's clock.
	Now func() time.Time

	Options Options

	// Simulation is nil but in a simulation.
	Simulation *Simulation

	directory *directory
	keys      keyStore
	paths     pathKeys
	// largeObjects bounds how many are in memory as a whole, see whole.
	largeObjects turns
	queue        workqueue.TypedRateLimitingInterface[Unit]
	turns        turn.Teller
	shares       *fairqueue.Queue[Unit] // nil where somebody else makes the passes, one at a time
}

// Reconcile makes one pass over a unit. It returns an error for bugs and faults of the API server alone: what Cloudinary
// does becomes a condition and a time to look again.
func (r *Reconciler) Reconcile(ctx context.Context, unit Unit) (ctrl.Result, error) {
	log := logf.FromContext(ctx).WithValues("unit", unit.String())
	ctx = logf.IntoContext(ctx, log)
	start := r.Now()
	after, err := r.pass(ctx, unit)
	r.Metrics.passes.WithLabelValues(string(unit.Kind)).Observe(r.Now().Sub(start).Seconds())
	if r.shares != nil {
		r.Metrics.units.Set(float64(r.shares.Len()))
	}
	if ctx.Err() != nil {
		after, err = 0, nil // the process ends
	}
	switch {
	case apierrors.IsConflict(err), apierrors.IsNotFound(err):
		// Somebody was faster. Nothing was sent for what could not be stored; look again at what is there now.
		log.V(1).Info("An object changed during the pass, looking again", "error", err.Error())
		return ctrl.Result{RequeueAfter: conflictDelay}, nil
	case errors.Is(err, errNotLeader):
		log.Info("Not the leader for long enough to call Cloudinary, stopping the pass")
		return ctrl.Result{RequeueAfter: conflictDelay}, nil
	case err != nil:
		return ctrl.Result{}, fmt.Errorf("%s: %w", unit, err)
	}
	return ctrl.Result{RequeueAfter: after}, nil
}

const conflictDelay = 100 * time.Millisecond

// errNotLeader stops a pass whose process may have lost the leader's lease.
var errNotLeader = errors.New("not the leader")

func (r *Reconciler) pass(ctx context.Context, unit Unit) (time.Duration, error) {
	switch unit.Kind {
	case EnvironmentUnit:
		return r.passEnvironment(ctx, unit)
	case SecretUnit:
		return r.passSecret(ctx, unit)
	case EndpointUnit:
		return r.passEndpoint(ctx, unit)
	default:
		return 0, fmt.Errorf("unknown kind of unit %q", unit.Kind)
	}
}

// wake makes a unit's pass run soon.
func (r *Reconciler) wake(unit Unit) {
	if r.queue != nil {
		r.queue.Add(unit)
	}
}

// clientFor makes a client for the credentials; fenced bounds its calls.
func (r *Reconciler) clientFor(c cloudinary.Credentials) *cloudinary.Client {
	return cloudinary.NewClient(c, cloudinary.ClientOptions{
		Transport: r.Transport, Timeout: r.Options.CallTimeout, UserAgent: r.Options.UserAgent, Now: r.Now,
		Bases: r.Options.AllowedAPIBases,
	})
}

// minLease is the least time for which a call to Cloudinary is begun.
const minLease = time.Second

// fenced gives a call the time that is left on the leader's lease, at most CallTimeout. Without such time there is no call.
func (r *Reconciler) fenced(ctx context.Context) (context.Context, context.CancelFunc, error) {
	timeout := r.Options.CallTimeout
	if r.Fence != nil {
		timeout = min(timeout, r.Fence.Remaining(r.Now()))
	}
	if timeout < minLease && timeout < r.Options.CallTimeout {
		return nil, nil, errNotLeader
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	return ctx, cancel, nil
}

// whileLeader gives a write to the API server the time that is left on the leader's lease.
func (r *Reconciler) whileLeader(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if r.Fence == nil {
		return ctx, func() {}, nil
	}
	return r.fenced(ctx)
}

// jittered adds up to a tenth, so that many environments do not call at once.
func (r *Reconciler) jittered(d time.Duration) time.Duration {
	return d + time.Duration(r.chance()*0.1*float64(d))
}

const (
	firstBackoff = 2 * time.Second
	maxBackoff   = 5 * time.Minute
	// dateSlack is added to a time by the server's clock, of which the header Date tells whole seconds only.
	dateSlack = time.Second
	// maxWait bounds what a server can make us wait.
	maxWait = 2 * time.Hour
)

// fail notes a failed call: when to try again, and why.
func (r *Reconciler) fail(b *backoff, now, retryAt time.Time, p *problem, longest time.Duration) {
	wait := min(longest, firstBackoff<<min(b.failures, 30))
	b.failures++
	b.problem = p
	b.notBefore = now.Add(r.jittered(wait))
	if !retryAt.IsZero() && retryAt.After(b.notBefore) {
		b.notBefore = now.Add(r.jittered(min(retryAt.Sub(now)+dateSlack, maxWait)))
	}
}

func (b *backoff) succeed() { *b = backoff{} }

func (b *backoff) waiting(now time.Time) bool { return now.Before(b.notBefore) }
