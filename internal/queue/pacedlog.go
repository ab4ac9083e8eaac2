// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"sync"
	"time"

	"github.com/go-logr/logr"
)

// sayAgainAfter is how long the log is not told once more what it was told already.
const sayAgainAfter = time.Minute

// pacedLog logs errors that may come again and again: the first one at once, then one a minute, with how many there were.
type pacedLog struct {
	log logr.Logger
	now func() time.Time

	mu   sync.Mutex
	said map[string]*saying
}

// saying is one message of a pacedLog.
type saying struct {
	at     time.Time
	unsaid int // times, since then
}

func newPacedLog(log logr.Logger, now func() time.Time) *pacedLog {
	return &pacedLog{log: log, now: now, said: map[string]*saying{}}
}

// Error logs an error, or counts it. The message says what kind it is of, and has nothing else in it: they are few.
func (p *pacedLog) Error(err error, message string, keysAndValues ...any) {
	if times, say := p.count(message); say {
		p.log.Error(err, message, append(keysAndValues, "times", times)...)
	}
}

func (p *pacedLog) count(message string) (times int, say bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	last := p.said[message]
	if last == nil {
		last = &saying{at: now.Add(-sayAgainAfter)}
		p.said[message] = last
	}
	last.unsaid++
	if now.Sub(last.at) < sayAgainAfter && !now.Before(last.at) {
		return 0, false
	}
	times, last.unsaid, last.at = last.unsaid, 0, now
	return times, true
}
