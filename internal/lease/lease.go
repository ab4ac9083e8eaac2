// SPDX-License-Identifier: Apache-2.0

// Package lease tells how long this process surely stays the leader. Leader election alone stops a process that has
// noticed the loss of its lease; one that was frozen, or cut off from the API server, would make its next call first. It does no
// election itself.
package lease

import (
	"context"
	"sync"
	"time"

	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// Lock is a resource lock that notes when it was last acquired or renewed.
type Lock struct {
	resourcelock.Interface

	duration time.Duration
	now      func() time.Time

	mu      sync.Mutex
	renewed time.Time // when the last successful renewal was begun
}

// NewLock watches over a lock whose leases last for duration.
func NewLock(lock resourcelock.Interface, duration time.Duration, now func() time.Time) *Lock {
	return &Lock{Interface: lock, duration: duration, now: now}
}

// Create attempts to create a lease, and thereby to hold it.
func (l *Lock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	begun := l.now()
	if err := l.Interface.Create(ctx, record); err != nil {
		return err
	}
	l.note(record, begun)
	return nil
}

// Update attempts to take or to renew the lease.
func (l *Lock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	begun := l.now()
	if err := l.Interface.Update(ctx, record); err != nil {
		return err
	}
	l.note(record, begun)
	return nil
}

// note takes the beginning of the call as the time of renewal, which is never later than what others see. A record without holder is
// the release of the lease.
func (l *Lock) note(record resourcelock.LeaderElectionRecord, begun time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.renewed = time.Time{}
	if record.HolderIdentity == l.Identity() {
		l.renewed = begun
	}
}

// Remaining is how long nobody else can hold the lease, counted from now; zero or less if somebody might. Others
// wait for a full duration after the last renewal they saw, so that clocks need not agree, only run at the same pace.
func (l *Lock) Remaining(now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.renewed.IsZero() {
		return 0
	}
	return l.renewed.Add(l.duration).Sub(now)
}
