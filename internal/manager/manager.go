// SPDX-License-Identifier: Apache-2.0

// Package manager puts the manager together: the cache, the leader election lease with its fence,
// the controller, and readiness. The program and all tests that run a manager use it, so that tests
// run what ships.
package manager

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/controllers"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/release"
)

// gracePeriod is how long a pass may take to end after a signal. The next process continues with
// the rest.
const gracePeriod = 20 * time.Second

// Options are what a manager is made from. New does not change them.
type Options struct {
	controllers.Options

	// Lease is the leader election lease. Nil: the manager works at once, and without a fence.
	Lease *Lease
	// Registry takes the metrics.
	Registry prometheus.Registerer
	// Build is shown in a metric.
	Build release.Info

	// Confined is for tests that share an API server: the manager treats these namespaces as the
	// whole cluster. Namespaces, in contrast, tells it that there are others, which it may not see.
	Confined []string
}

// Manager is a manager that was not started yet.
type Manager struct {
	ctrl.Manager

	ready *readiness
}

// Ready returns why the manager cannot work yet, or nil.
func (m *Manager) Ready() error { return m.ready.check() }

// New makes a manager for the API server that config names.
func New(config *rest.Config, o Options) (*Manager, error) {
	all, fence, err := runtimeOptions(config, &o)
	if err != nil {
		return nil, err
	}
	mgr, err := ctrl.NewManager(config, all)
	if err != nil {
		return nil, fmt.Errorf("set up the manager: %w", err)
	}
	m, err := controllers.NewMetrics(o.Registry)
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	m.Build(o.Build)
	r := &controllers.Reconciler{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(),
		Events: mgr.GetEventRecorder(controllers.ReportingController), Metrics: m, Fence: fence,
		Transport: cloudinary.NewTransport(), Now: time.Now, Options: o.Options,
	}
	if err := r.SetupWithManager(mgr); err != nil {
		return nil, err
	}
	ready := &readiness{cache: mgr.GetCache(), kinds: o.Watched()}
	return &Manager{Manager: mgr, ready: ready}, mgr.Add(ready)
}

// runtimeOptions are controller-runtime's options, and the fence of the lease. The fence is nil
// without a lease.
func runtimeOptions(api *rest.Config, o *Options) (ctrl.Options, controllers.Fence, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return ctrl.Options{}, nil, fmt.Errorf("register types: %w", err)
	}
	namespaces := o.Namespaces
	if len(namespaces) == 0 {
		namespaces = o.Confined
	}
	all := ctrl.Options{
		Scheme: scheme,
		Cache: cache.Options{
			DefaultNamespaces: caches(namespaces),
			DefaultTransform:  controllers.Strip,
			NewInformer:       new(controllers.Lists).NewInformer,
		},
		// With several caches for a kind, controller-runtime cannot wait for its own writes. The
		// resourceVersion in each write turns a stale read into a conflict.
		Client: client.Options{Cache: &client.CacheOptions{EnableReadYourWritesConsistency: new(len(namespaces) <= 1)}},
		// A test has several managers in one process, with a controller of the same name each.
		Controller: config.Controller{SkipNameValidation: new(true)},
		// Whoever starts the manager serves them
		Metrics:                 server.Options{BindAddress: "0"},
		GracefulShutdownTimeout: new(gracePeriod),
	}
	if o.Lease == nil {
		return all, nil, nil
	}
	lock, err := o.Lease.lock(api)
	if err != nil {
		return all, nil, err
	}
	o.Lease.elect(&all, lock)
	return all, lock, nil
}

// caches are the caches of the watched namespaces. Nil: one cache of all namespaces.
func caches(namespaces []string) map[string]cache.Config {
	if len(namespaces) == 0 {
		return nil
	}
	all := map[string]cache.Config{}
	for _, name := range namespaces {
		all[name] = cache.Config{}
	}
	return all
}
