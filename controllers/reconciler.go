// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/fairqueue"
	"github.com/cloudinary-operator/cloudinary-operator/internal/memory"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
	"github.com/cloudinary-operator/cloudinary-operator/internal/turn"
)

// keyStore is the Secret with the receiver's verification keys as it was last read or written. All environments share it: passes take
// turns, and the resourceVersion turns away what another process has written meanwhile.
type keyStore struct {
	mu     sync.Mutex
	secret *corev1.Secret // nil: to be read; without a resourceVersion: there is none
	readAt time.Time
	swept  bool // the environments of all entries that were there at the start have been woken
}

// pathKeys is the key as it was last read. Every pass asks for it, so that it is not read each time: that it was deleted is
// noticed that much later.
type pathKeys struct {
	mu     sync.Mutex
	key    []byte
	readAt time.Time
}

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

// resolution are the options that decide to what objects lead.
func (o *Options) resolution() resolve.Options {
	return resolve.Options{
		Namespaces: o.Namespaces, ReceiverBaseURL: o.ReceiverBaseURL, VerificationNamespace: o.VerificationNamespace,
		AllowInsecureAPIBase: o.AllowInsecureAPIBase, AllowedAPIBases: o.AllowedAPIBases,
	}
}

// watches reports whether objects of a namespace can be read.
func (o *Options) watches(namespace string) bool {
	resolution := o.resolution()
	return resolution.Watches(namespace)
}

// DefaultOptions are the options of a manager that was given none.
func DefaultOptions() Options {
	return Options{
		SyncInterval: time.Minute, MinListInterval: 5 * time.Second, SettleTime: plan.DefaultSettle,
		CallTimeout: 15 * time.Second, CallShare: cloudinary.DefaultCallShare, URLLimit: plan.DefaultURLLimit, VerificationKeyGrace: 30 * time.Minute,
	}
}

// Fence keeps a manager that is not the leader (any more) from calling Cloudinary.
type Fence interface {
	// Remaining is how long this process surely stays the leader; zero or less: it may not be it.
	Remaining(now time.Time) time.Duration
}

// Unit is the key of a pass.
type Unit = resolve.Unit

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
	// Rand returns a number from 0 up to but not including 1, for the jitter of waits; nil: math/rand's.
	Rand func() float64
	// Parallelize does pieces of work that do not depend on each other, and returns when all are
	// done; nil: up to writesAtOnce at a time.
	Parallelize func(pieces int, do func(piece int))

	Options Options

	directory *memory.Directory
	keys      keyStore
	paths     pathKeys
	// largeObjects bounds how many are in memory as a whole, see whole.
	largeObjects turns
	queue        workqueue.TypedRateLimitingInterface[resolve.Unit]
	turns        turn.Teller
	shares       *fairqueue.Queue[resolve.Unit] // nil where somebody else makes the passes, one at a time
}

const conflictDelay = 100 * time.Millisecond

// errNotLeader stops a pass whose process may have lost the leader's lease.
var errNotLeader = errors.New("not the leader")

// wake makes a unit's pass run soon.
func (r *Reconciler) wake(unit resolve.Unit) {
	if r.queue != nil {
		r.queue.Add(unit)
	}
}

// wakeAll makes the passes of units run soon.
func (r *Reconciler) wakeAll(units []resolve.Unit) {
	for _, u := range units {
		r.wake(u)
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
	random := r.Rand
	if random == nil {
		random = rand.Float64
	}
	return d + time.Duration(random()*0.1*float64(d))
}

// turns lets largeAtOnce go on at once.
type turns struct {
	once  sync.Once
	taken chan struct{}
}
