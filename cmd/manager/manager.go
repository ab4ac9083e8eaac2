// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/uuid"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/controllers"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/kube"
	"github.com/cloudinary-operator/cloudinary-operator/internal/lease"
	"github.com/cloudinary-operator/cloudinary-operator/internal/metricsserver"
	"github.com/cloudinary-operator/cloudinary-operator/internal/program"
	"github.com/cloudinary-operator/cloudinary-operator/internal/release"
)

const (
	leaseName = "manager.notifications.cloudinary.dev"

	// apiQPS and apiBurst bound calls to the API server. A new product environment of 900 objects means some 4,000 writes.
	apiQPS   = 200
	apiBurst = 400

	// gracePeriod is how long a pass may take to end after a signal; what it leaves is taken up by the next process.
	gracePeriod = 20 * time.Second
)

// newManager makes the manager, with what is served beside it.
func newManager(o *options) (*instance, error) {
	config, err := program.Cluster{Kubeconfig: o.kubeconfig, UserAgent: userAgent(), QPS: apiQPS, Burst: apiBurst}.Config()
	if err != nil {
		return nil, err
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("register types: %w", err)
	}
	managerOptions := ctrl.Options{
		Scheme:                        scheme,
		Metrics:                       server.Options{BindAddress: "0"}, // the instance serves them
		LeaderElection:                o.leaderElection,
		LeaderElectionID:              leaseName, // for the metric alone: the lock is made below
		LeaderElectionReleaseOnCancel: true,      // the process ends when the manager does
		LeaseDuration:                 &o.leaseDuration,
		RenewDeadline:                 &o.renewDeadline,
		RetryPeriod:                   &o.retryPeriod,
		GracefulShutdownTimeout:       new(gracePeriod),
	}
	o.Namespaces = slices.Compact(slices.Sorted(slices.Values(program.List(o.watchNamespaces))))
	managerOptions.Cache.DefaultNamespaces = caches(o.Namespaces)
	managerOptions.Cache.DefaultTransform, managerOptions.Cache.NewInformer = controllers.Strip, new(controllers.Lists).NewInformer
	// With several caches a kind controller-runtime cannot wait for its own writes; the resourceVersion that goes with each write
	// turns what was stale into a conflict.
	managerOptions.Client.Cache = &client.CacheOptions{EnableReadYourWritesConsistency: new(len(o.Namespaces) <= 1)}

	var fence controllers.Fence
	if o.leaderElection {
		lock, err := newLock(config, o)
		if err != nil {
			return nil, err
		}
		managerOptions.LeaderElectionResourceLockInterface = lock
		fence = lock
	}
	mgr, err := ctrl.NewManager(config, managerOptions)
	if err != nil {
		return nil, fmt.Errorf("set up the manager: %w", err)
	}
	if o.VerificationNamespace == "" {
		o.VerificationNamespace = ownNamespace(o)
	}
	if err := addController(mgr, o, fence); err != nil {
		return nil, err
	}
	ready := &readiness{cache: mgr.GetCache(), kinds: o.Watched()}
	reviews, err := kube.New(config)
	if err != nil {
		return nil, err
	}
	return &instance{
		work: mgr.Start, probeAddress: o.probeAddress, ready: ready.check,
		metrics: metricsserver.Options{
			Address: o.metricsAddress, Secure: o.metricsSecure, CertFile: o.metricsCert, KeyFile: o.metricsKey,
			Registry: metrics.Registry, Client: reviews, Now: time.Now, Logger: ctrl.Log.WithName("metrics"),
		},
	}, mgr.Add(ready)
}

// caches are those of the namespaces that are watched; nil: one of all.
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

func addController(mgr ctrl.Manager, o *options, fence controllers.Fence) error {
	m, err := controllers.NewMetrics(metrics.Registry)
	if err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	m.Build(release.Of(version, commit))
	o.UserAgent = userAgent()
	r := &controllers.Reconciler{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(),
		Events: mgr.GetEventRecorder(controllers.ReportingController), Metrics: m, Fence: fence,
		Transport: cloudinary.NewTransport(), Now: time.Now, Options: o.Options,
	}
	return r.SetupWithManager(mgr)
}

// userAgent is what the manager calls itself, at the API server as at Cloudinary.
func userAgent() string { return "cloudinary-operator/" + version }

// ownNamespace is where the manager keeps what is its own: as the flag says, else the Pod's; empty outside a cluster.
func ownNamespace(o *options) string {
	if o.leaderElectionNamespace != "" {
		return o.leaderElectionNamespace
	}
	return program.PodNamespace()
}

// newLock makes the leader's lock. Its identity is the container's, if the Pod says which it is: a container that was killed and
// restarted in its Pod goes on at once, since there is never more than one of it.
func newLock(config *rest.Config, o *options) (*lease.Lock, error) {
	namespace := ownNamespace(o)
	if namespace == "" {
		return nil, errors.New("--leader-election-namespace must be given outside a cluster, or --leader-elect=false")
	}
	identity := os.Getenv("POD_UID")
	if identity == "" {
		identity = string(uuid.NewUUID())
	}
	if host, err := os.Hostname(); err == nil {
		identity = host + "_" + identity
	}
	lock, err := resourcelock.NewFromKubeconfig(resourcelock.LeasesResourceLock, namespace, leaseName,
		resourcelock.ResourceLockConfig{Identity: identity}, rest.CopyConfig(config), o.renewDeadline)
	if err != nil {
		return nil, fmt.Errorf("set up leader election: %w", err)
	}
	return lease.NewLock(lock, o.leaseDuration, time.Now), nil
}
