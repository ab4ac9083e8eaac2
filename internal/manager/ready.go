// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
)

// retryInformers is how long is waited for an API server that does not say yet which kinds it has.
const retryInformers = time.Second

// readiness makes a manager ready once it has read what it watches. The controller's own informers begin with the lease; these are the same,
// begun at once, so that a standby has read everything too, and a manager that cannot reach the API server is not taken for one that works.
type readiness struct {
	cache     cache.Cache
	kinds     []client.Object
	informers atomic.Pointer[[]cache.Informer] // nil: not all of them are begun
}

// NeedLeaderElection says that a standby does it too.
func (*readiness) NeedLeaderElection() bool { return false }

// Start begins the informers. Where that fails it is tried again: a probe must neither wait for the API server nor ask it.
func (r *readiness) Start(ctx context.Context) error {
	for {
		informers, err := r.begin(ctx)
		if err == nil {
			r.informers.Store(&informers)
			return nil
		}
		logf.FromContext(ctx).Info("The caches cannot be filled yet", "reason", err.Error())
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retryInformers):
		}
	}
}

func (r *readiness) begin(ctx context.Context) ([]cache.Informer, error) {
	var informers []cache.Informer
	for _, kind := range r.kinds {
		informer, err := r.cache.GetInformer(ctx, kind, cache.BlockUntilSynced(false))
		if err != nil {
			return nil, fmt.Errorf("watch %T: %w", kind, err)
		}
		informers = append(informers, informer)
	}
	return informers, nil
}

func (r *readiness) check() error {
	informers := r.informers.Load()
	if informers == nil {
		return errors.New("the API server has not been reached")
	}
	for i, informer := range *informers {
		if !informer.HasSynced() {
			return fmt.Errorf("not all objects have been read: %T %s", r.kinds[i], r.kinds[i].GetObjectKind().GroupVersionKind().Kind)
		}
	}
	return nil
}
