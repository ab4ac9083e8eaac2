// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"time"
)

// Fence keeps a manager that is not the leader (any more) from calling Cloudinary.
type Fence interface {
	// Remaining is how long this process surely stays the leader; zero or less: it may not be it.
	Remaining(now time.Time) time.Duration
}

// errNotLeader stops a pass whose process may have lost the leader's lease.
var errNotLeader = errors.New("not the leader")

// minLease is the least time for which a call to Cloudinary is begun.
const minLease = time.Second

// lease bounds what is asked of Cloudinary and of the API server by the time that is left on the
// leader's lease.
type lease struct {
	fence   Fence // nil: there is no leader election
	now     func() time.Time
	options *Options
}

// fenced gives a call the time that is left on the lease, at most CallTimeout. Without such time
// there is no call.
func (l lease) fenced(ctx context.Context) (context.Context, context.CancelFunc, error) {
	timeout := l.options.CallTimeout
	if l.fence != nil {
		timeout = min(timeout, l.fence.Remaining(l.now()))
	}
	if timeout < minLease && timeout < l.options.CallTimeout {
		return nil, nil, errNotLeader
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	return ctx, cancel, nil
}

// lastsForCall reports whether enough is left on the lease for a call that takes as long as it may.
func (l lease) lastsForCall() bool {
	return l.fence == nil || l.fence.Remaining(l.now()) >= l.options.CallTimeout
}

// whileLeader gives a write to the API server the time that is left on the lease.
func (l lease) whileLeader(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if l.fence == nil {
		return ctx, func() {}, nil
	}
	return l.fenced(ctx)
}
