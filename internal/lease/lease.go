// SPDX-License-Identifier: Apache-2.0

// Package lease tells how long this process certainly stays the leader. Leader election alone stops
// a process that has noticed the loss of its lease. A process that was frozen, or cut off from the
// API server, would first make its next call. The package does no election itself.
package lease

import (
	"context"
	"sync"
	"time"

	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// Lock is a resource lock that remembers its last acquisition or renewal.
type Lock struct {
	resourcelock.Interface

	duration time.Duration
	now      func() time.Time

	mu      sync.Mutex
	renewed time.Time // when the last successful renewal was begun
}

// NewLock wraps a lock whose leases last for duration.
func NewLock(lock resourcelock.Interface, duration time.Duration, now func() time.Time) *Lock {
	return &Lock{Interface: lock, duration: duration, now: now}
}

// Create attempts to create a lease, and thereby to acquire it.
func (l *Lock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	begun := l.now()
	if err := l.Interface.Create(ctx, record); err != nil {
		return err
	}
	l.setRenewed(record, begun)
	return nil
}

// Update attempts to acquire or to renew the lease.
func (l *Lock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	begun := l.now()
	if err := l.Interface.Update(ctx, record); err != nil {
		return err
	}
	l.setRenewed(record, begun)
	return nil
}

// setRenewed uses the beginning of the call as the time of renewal, which is never later than the
// time that others see. A record without a holder releases the lease.
func (l *Lock) setRenewed(record resourcelock.LeaderElectionRecord, begun time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.renewed = time.Time{}
	if record.HolderIdentity == l.Identity() {
		l.renewed = begun
	}
}

// Remaining is how long from now nobody else can acquire the lease. It is zero or less if somebody
// might. Others wait for a full duration after the last renewal that they saw. So clocks need not
// agree, only run at the same pace.
func (l *Lock) Remaining(now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.renewed.IsZero() {
		return 0
	}
	return l.renewed.Add(l.duration).Sub(now)
}
