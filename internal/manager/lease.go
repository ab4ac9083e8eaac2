// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"fmt"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/cloudinary-operator/cloudinary-operator/internal/lease"
)

const leaseName = "manager.notifications.cloudinary.dev"

// Lease is where the leader's lease is, and its times.
type Lease struct {
	Namespace string

	// Duration is how long standbys wait after the last renewal before one takes over.
	Duration time.Duration
	// RenewDeadline is how long the leader tries to renew its lease before it ends.
	RenewDeadline time.Duration
	// RetryPeriod is the time between two attempts to acquire or renew it.
	RetryPeriod time.Duration
}

// DefaultLease has the default times of a manager.
func DefaultLease() Lease {
	return Lease{Duration: 30 * time.Second, RenewDeadline: 20 * time.Second, RetryPeriod: 4 * time.Second}
}

// PatientLease has times for tests: a busy machine may be late with a renewal.
func PatientLease(namespace string) *Lease {
	return &Lease{Namespace: namespace, Duration: 2 * time.Minute, RenewDeadline: 100 * time.Second, RetryPeriod: 4 * time.Second}
}

// elect makes a manager work only while it holds the lock.
func (l *Lease) elect(o *ctrl.Options, lock resourcelock.Interface) {
	o.LeaderElection = true
	o.LeaderElectionID = leaseName // for the metric alone: the lock is made already
	o.LeaderElectionResourceLockInterface = lock
	// Whoever started the manager does nothing more once it has ended
	o.LeaderElectionReleaseOnCancel = true
	o.LeaseDuration, o.RenewDeadline, o.RetryPeriod = &l.Duration, &l.RenewDeadline, &l.RetryPeriod
}

// lock returns the leader's lock. Its identity is the Pod's, if known: a restarted container of a
// Pod continues at once, since there is never more than one of it.
func (l *Lease) lock(config *rest.Config) (*lease.Lock, error) {
	identity := os.Getenv("POD_UID")
	if identity == "" {
		identity = string(uuid.NewUUID())
	}
	if host, err := os.Hostname(); err == nil {
		identity = host + "_" + identity
	}
	lock, err := resourcelock.NewFromKubeconfig(resourcelock.LeasesResourceLock, l.Namespace, leaseName,
		resourcelock.ResourceLockConfig{Identity: identity}, rest.CopyConfig(config), l.RenewDeadline)
	if err != nil {
		return nil, fmt.Errorf("set up leader election: %w", err)
	}
	return lease.NewLock(lock, l.Duration, time.Now), nil
}
