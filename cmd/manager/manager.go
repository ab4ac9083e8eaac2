// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/kube"
	"github.com/cloudinary-operator/cloudinary-operator/internal/manager"
	"github.com/cloudinary-operator/cloudinary-operator/internal/metricsserver"
	"github.com/cloudinary-operator/cloudinary-operator/internal/program"
	"github.com/cloudinary-operator/cloudinary-operator/internal/release"
)

const (
	// apiQPS and apiBurst bound calls to the API server. A new product environment of 900 objects
	// means some 4,000 writes.
	apiQPS   = 200
	apiBurst = 400
)

// newManager returns the manager with its servers.
func newManager(o *options) (*instance, error) {
	config, err := program.Cluster{Kubeconfig: o.kubeconfig, UserAgent: userAgent(), QPS: apiQPS, Burst: apiBurst}.Config()
	if err != nil {
		return nil, err
	}
	all, err := o.manager()
	if err != nil {
		return nil, err
	}
	m, err := manager.New(config, all)
	if err != nil {
		return nil, err
	}
	reviews, err := kube.New(config)
	if err != nil {
		return nil, err
	}
	return &instance{
		work: m.Start, probeAddress: o.probeAddress, ready: m.Ready,
		metrics: metricsserver.Options{
			Address: o.metricsAddress, Secure: o.metricsSecure, CertFile: o.metricsCert, KeyFile: o.metricsKey,
			Registry: metrics.Registry, Client: reviews, Now: time.Now, Logger: ctrl.Log.WithName("metrics"),
		},
	}, nil
}

// manager returns the manager's options: those of the flags, and those that follow from the flags
// and the Pod.
func (o *options) manager() (manager.Options, error) {
	all := manager.Options{Options: o.Options, Registry: metrics.Registry, Build: release.Of(version, commit)}
	all.UserAgent = userAgent()
	all.Namespaces = slices.Compact(slices.Sorted(slices.Values(program.List(o.watchNamespaces))))
	own := cmp.Or(o.leaderElectionNamespace, program.PodNamespace()) // empty outside a cluster
	all.VerificationNamespace = cmp.Or(o.VerificationNamespace, own)
	var err error
	if all.AllowedAPIBases, err = cloudinary.ParseAPIBases(o.allowedAPIBases); err != nil {
		return all, fmt.Errorf("--allowed-api-bases: %w", err)
	}
	if !o.leaderElection {
		return all, nil
	}
	if own == "" {
		return all, errors.New("--leader-election-namespace must be given outside a cluster, or --leader-elect=false")
	}
	lease := o.lease
	lease.Namespace = own
	all.Lease = &lease
	return all, nil
}

// userAgent is the manager's User-Agent, for the API server and for Cloudinary.
func userAgent() string { return "cloudinary-operator/" + version }
