// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/memory"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// Unit is the key of a pass.
type Unit = resolve.Unit

// Reconciler makes the passes. Its exported fields are all that it has of the world. What it does
// there has a type of its own each, made by assemble.
type Reconciler struct {
	// Client reads from the cache. Where the cache can, it waits for this process's own writes.
	Client client.Client
	// Live reads from the API server. Secrets are read through it alone, so that they are not
	// cached.
	Live client.Reader
	// Events writes Kubernetes Events; nil: none are written.
	Events events.EventRecorder
	// Metrics are the manager's metrics.
	Metrics *Metrics
	// Fence is nil where there is no leader election.
	Fence Fence
	// Transport carries the calls to Cloudinary.
	Transport http.RoundTripper
	// Now is this process's clock.
	Now func() time.Time
	// Rand returns a number from 0 up to but not including 1, for the jitter of waits; nil:
	// math/rand's.
	Rand func() float64
	// Parallelize does pieces of work that do not depend on each other, and returns when all are
	// done; nil: up to writesAtOnce at a time.
	Parallelize func(pieces int, do func(piece int))

	Options Options

	directory *memory.Directory
	lease     lease
	queue     *unitQueue
	events    *eventWriter
	objects   *objectWriter
	keys      *keyStore
	paths     *pathKeys
	worlds    *worldReader
	units     *unitFinder
	admin     *adminAPI
}

// assemble makes what the Reconciler works with, once its exported fields are set.
func (r *Reconciler) assemble() {
	if r.Rand == nil {
		r.Rand = rand.Float64
	}
	if r.Parallelize == nil {
		r.Parallelize = someAtOnce
	}
	r.directory = memory.NewDirectory(
		cloudinary.Budget{Share: r.Options.CallShare, ListInterval: r.Options.SyncInterval}, r.Options.MinListInterval)
	r.lease = lease{fence: r.Fence, now: r.Now, options: &r.Options}
	r.queue = &unitQueue{}
	r.events = &eventWriter{recorder: r.Events, now: r.Now}
	r.objects = &objectWriter{client: r.Client, live: r.Live, lease: r.lease, events: r.events}
	r.keys = &keyStore{client: r.Client, live: r.Live, lease: r.lease, queue: r.queue, now: r.Now, options: &r.Options}
	r.paths = &pathKeys{client: r.Client, live: r.Live, lease: r.lease, now: r.Now, options: &r.Options}
	r.worlds = &worldReader{client: r.Client, directory: r.directory, paths: r.paths, metrics: r.Metrics, options: &r.Options}
	r.units = &unitFinder{client: r.Client, directory: r.directory}
	r.admin = &adminAPI{
		transport: r.Transport, lease: r.lease, directory: r.directory, metrics: r.Metrics,
		now: r.Now, jittered: r.jittered, options: &r.Options,
	}
}

// jittered adds up to a tenth, so that many environments do not call at once.
func (r *Reconciler) jittered(d time.Duration) time.Duration {
	return d + time.Duration(r.Rand()*0.1*float64(d))
}

// writesAtOnce is how many objects are written to at once. One waits for the API server alone.
const writesAtOnce = 8

// atOnce does something for objects that do not depend on each other, for all of them whatever
// happens to one. Each key may be there once.
func (r *Reconciler) atOnce(keys []plan.Key, do func(plan.Key) error) error {
	errs := make([]error, len(keys))
	r.Parallelize(len(keys), func(i int) { errs[i] = do(keys[i]) })
	return errors.Join(errs...)
}

// someAtOnce does pieces of work, up to writesAtOnce at a time.
func someAtOnce(pieces int, do func(piece int)) {
	var group errgroup.Group
	group.SetLimit(writesAtOnce)
	for i := range pieces {
		group.Go(func() error {
			do(i)
			return nil
		})
	}
	_ = group.Wait() // its functions return none
}
