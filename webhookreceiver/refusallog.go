// SPDX-License-Identifier: Apache-2.0

package webhookreceiver

import (
	"context"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

const (
	// refusalLineEvery is the time between two lines for one endpoint and reason.
	refusalLineEvery = time.Minute
	// refusalLook is how often it is looked whether a line is due.
	refusalLook = 5 * time.Second
	// maxRefusalLines bounds how many lines there are in that time, since strangers may be the cause of each.
	maxRefusalLines = 1000
)

// RefusalLog tells of refused requests: the first for an endpoint and a reason at once, and then one line a minute with the number of those
// since, for as long as there are any. Nothing of a request is in a line. Any number of goroutines may use it at once.
type RefusalLog struct {
	log logr.Logger
	now func() time.Time

	mu    sync.Mutex
	lines map[refusalKey]*refusalLine
}

// refusalKey is what lines are for; the endpoint is empty where there is none.
type refusalKey struct {
	endpoint types.NamespacedName
	reason   Reason
}

// refusalLine is when there was a line, and how many requests were refused since.
type refusalLine struct {
	at    time.Time
	since int
}

// NewRefusalLog makes a log of refusals.
func NewRefusalLog(log logr.Logger, now func() time.Time) *RefusalLog {
	return &RefusalLog{log: log, now: now, lines: map[refusalKey]*refusalLine{}}
}

// Refused is told of each refused request; e is nil where it is for no endpoint that exists.
func (l *RefusalLog) Refused(e *route.Endpoint, reason Reason) {
	key := refusalKey{reason: reason}
	if e != nil {
		key.endpoint = e.Key
	}
	if l.note(key) {
		l.write(key, 1)
	}
}

// note counts a refusal, and reports whether it is the first.
func (l *RefusalLog) note(key refusalKey) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if line := l.lines[key]; line != nil {
		line.since++
		return false
	}
	if len(l.lines) >= maxRefusalLines {
		return false
	}
	l.lines[key] = &refusalLine{at: l.now()}
	return true
}

// Run writes what is due until ctx ends, and then the rest.
func (l *RefusalLog) Run(ctx context.Context) error {
	look := time.NewTicker(refusalLook)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			l.flush(0)
			return nil
		case <-look.C:
			l.flush(refusalLineEvery)
		}
	}
}

// flush writes the lines of which the last is as old as that, or forgets them where nothing has come since.
func (l *RefusalLog) flush(age time.Duration) {
	for key, n := range l.due(age) {
		l.write(key, n)
	}
}

func (l *RefusalLog) due(age time.Duration) map[refusalKey]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	due := map[refusalKey]int{}
	for key, line := range l.lines {
		switch {
		case now.Sub(line.at) < age:
		case line.since == 0:
			delete(l.lines, key)
		default:
			due[key] = line.since
			line.at, line.since = now, 0
		}
	}
	return due
}

func (l *RefusalLog) write(key refusalKey, n int) {
	about := []any{"reason", key.reason, "count", n, "meaning", key.reason.meaning()}
	if key.endpoint != (types.NamespacedName{}) {
		about = append(about, "endpoint", key.endpoint)
	}
	l.log.Info("Refused requests", about...)
}
