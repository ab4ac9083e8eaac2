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

// retryInformers is the wait for an API server that does not serve all kinds yet.
const retryInformers = time.Second

// readiness makes a manager ready once its caches are filled. The controller's own informers begin
// with the lease. These are the same informers, begun at once. So a standby has filled its caches
// too, and a manager without access to the API server is not ready.
type readiness struct {
	cache     cache.Cache
	kinds     []client.Object
	informers atomic.Pointer[[]cache.Informer] // nil: not all of them have begun
}

// NeedLeaderElection returns false: a standby does this too.
func (*readiness) NeedLeaderElection() bool { return false }

// Start begins the informers, and retries until it succeeds: a probe must neither wait for the API
// server nor call it.
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
