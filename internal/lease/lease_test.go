// SPDX-License-Identifier: Apache-2.0

package lease

import (
	"context"
	"errors"
	"testing"
	"time"

	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// fakeLock is a resource lock whose calls take a second and may fail.
type fakeLock struct {
	resourcelock.Interface
	clock *time.Time
	err   error
}

func (f *fakeLock) Identity() string { return "me" }

func (f *fakeLock) Create(context.Context, resourcelock.LeaderElectionRecord) error { return f.call() }

func (f *fakeLock) Update(context.Context, resourcelock.LeaderElectionRecord) error { return f.call() }

func (f *fakeLock) call() error {
	*f.clock = f.clock.Add(time.Second)
	return f.err
}

func TestRemaining(t *testing.T) {
	mine := resourcelock.LeaderElectionRecord{HolderIdentity: "me"}
	refused := errors.New("conflict")
	tests := map[string]struct {
		why  string
		do   func(l *Lock, f *fakeLock)
		want time.Duration
	}{
		"before the first acquisition there is nothing": {
			why: "somebody else may lead", do: func(*Lock, *fakeLock) {}, want: 0,
		},
		"an acquisition counts from the beginning of its call": {
			why:  "others count from when they see it, which is not earlier",
			do:   func(l *Lock, _ *fakeLock) { _ = l.Create(t.Context(), mine) },
			want: 9 * time.Second,
		},
		"a renewal counts anew": {
			why: "the lease was extended",
			do: func(l *Lock, f *fakeLock) {
				_ = l.Create(t.Context(), mine)
				*f.clock = f.clock.Add(5 * time.Second)
				_ = l.Update(t.Context(), mine)
			},
			want: 9 * time.Second,
		},
		"a failed renewal extends nothing": {
			why: "somebody else may have taken the lease by then",
			do: func(l *Lock, f *fakeLock) {
				_ = l.Create(t.Context(), mine)
				f.err = refused
				_ = l.Update(t.Context(), mine)
			},
			want: 8 * time.Second,
		},
		"a process that was frozen has nothing left": {
			why: "it wakes up in the middle of a pass, before leader election notices",
			do: func(l *Lock, f *fakeLock) {
				_ = l.Create(t.Context(), mine)
				*f.clock = f.clock.Add(time.Minute)
			},
			want: -51 * time.Second,
		},
		"a release ends it at once": {
			why: "the next leader starts without waiting",
			do: func(l *Lock, _ *fakeLock) {
				_ = l.Create(t.Context(), mine)
				_ = l.Update(t.Context(), resourcelock.LeaderElectionRecord{})
			},
			want: 0,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			clock := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			now := func() time.Time { return clock }
			f := &fakeLock{clock: &clock}
			l := NewLock(f, 10*time.Second, now)
			tc.do(l, f)
			if got := l.Remaining(clock); got != tc.want {
				t.Errorf("%s: %s remain, want %s", tc.why, got, tc.want)
			}
		})
	}
}
