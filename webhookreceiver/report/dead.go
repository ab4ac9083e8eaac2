// SPDX-License-Identifier: Apache-2.0

package report

import (
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
)

// lane is one target of one endpoint.
type lane struct {
	endpoint queue.Endpoint
	target   string
}

// letters are the dead letters of one target: how many, and why the last of them is one.
type letters struct {
	n      int
	reason string
}

// deadLetters counts dead letters, by target. The queue knows their number at any time, and whose they are by going over all it has,
// which is done no more often than it is worth.
type deadLetters struct {
	letters map[lane]letters
	total   int
	counted bool
	next    time.Time
}

const (
	recountAtLeast = time.Minute
	// recountShare is how much longer than a count itself the pause after it is.
	recountShare = 50
)

// stale has the next count made whatever the total.
func (d *deadLetters) stale() { d.counted = false }

// count brings the numbers up to date, and returns whose changed.
func (d *deadLetters) count(q Queue, now time.Time) map[queue.Endpoint]bool {
	total := q.Stats().Dead
	due := !d.counted || total != d.total || (total > 0 && now.Sub(d.next) >= recountAtLeast)
	if !due || now.Before(d.next) {
		return nil
	}
	found, last := map[lane]letters{}, map[lane]queue.ID{}
	items := 0
	q.Items(func(item queue.Item) bool {
		items++
		if item.Dead {
			l := lane{item.Endpoint, item.Target}
			all := found[l]
			if all.n++; item.ID >= last[l] {
				all.reason, last[l] = item.Reason, item.ID
			}
			found[l] = all
		}
		return true
	})
	// Going over an item takes about a tenth of a microsecond.
	pause := time.Duration(items) * recountShare * 100 * time.Nanosecond
	changed := map[queue.Endpoint]bool{}
	for l, all := range found {
		if d.letters[l] != all {
			changed[l.endpoint] = true
		}
	}
	for l := range d.letters {
		if found[l].n == 0 {
			changed[l.endpoint] = true
		}
	}
	*d = deadLetters{letters: found, total: total, counted: true, next: now.Add(pause)}
	return changed
}

// DeadLetters visits the targets that have dead letters, as of the last count. Any goroutine may call it.
func (w *Writer) DeadLetters(visit func(at queue.Endpoint, target string, n int)) {
	if letters := w.letters.Load(); letters != nil {
		for l, all := range *letters {
			visit(l.endpoint, l.target, all.n)
		}
	}
}
