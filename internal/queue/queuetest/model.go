// SPDX-License-Identifier: Apache-2.0

package queuetest

import (
	"maps"
	"slices"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
)

// Model is what a queue without limits should hold after a series of calls, one after the other, that succeeded.
type Model struct {
	notifications map[queue.ID]*notification
	keys          map[[32]byte]time.Time
}

type notification struct {
	record *queue.Record
	dead   map[string]string // reasons by target
	done   map[string]bool

	redriven map[string]bool
}

// NewModel has nothing in it.
func NewModel() *Model {
	return &Model{notifications: map[queue.ID]*notification{}, keys: map[[32]byte]time.Time{}}
}

// IsDuplicate tells what Put should find.
func (m *Model) IsDuplicate(r *queue.Record, now time.Time) bool {
	return m.keys[r.Key].After(now)
}

// Put notes a record that was stored under an ID.
func (m *Model) Put(id queue.ID, r *queue.Record) {
	if r.KeyExpires.After(m.keys[r.Key]) {
		m.keys[r.Key] = r.KeyExpires
	}
	if len(r.Targets) > 0 {
		m.notifications[id] = &notification{record: r, dead: map[string]string{}, done: map[string]bool{}, redriven: map[string]bool{}}
	}
}

// Finish notes an outcome.
func (m *Model) Finish(o queue.Outcome) {
	n := m.notifications[o.ID]
	if n == nil || !slices.Contains(n.record.Targets, o.Target) || n.done[o.Target] {
		return
	}
	if _, dead := n.dead[o.Target]; dead && o.Kind != queue.Discarded {
		return
	}
	if o.Kind == queue.Dead {
		n.dead[o.Target] = o.Reason
		delete(n.redriven, o.Target)
		return
	}
	delete(n.dead, o.Target)
	n.done[o.Target] = true
	if len(n.done) == len(n.record.Targets) {
		delete(m.notifications, o.ID)
	}
}

// Redrive makes dead letters pending, and returns how many.
func (m *Model) Redrive(which queue.Selection) int {
	letters := m.DeadLetters(which)
	for _, l := range letters {
		delete(m.notifications[l.ID].dead, l.Target)
		m.notifications[l.ID].redriven[l.Target] = true
	}
	return len(letters)
}

// Discard ends dead letters, and returns them.
func (m *Model) Discard(which queue.Selection) []queue.Item {
	letters := m.DeadLetters(which)
	for _, l := range letters {
		m.Finish(queue.Outcome{ID: l.ID, Target: l.Target, Kind: queue.Discarded})
	}
	return letters
}

// DeadLetters lists all of a selection in order, with Size left at zero.
func (m *Model) DeadLetters(which queue.Selection) []queue.Item {
	return slices.DeleteFunc(m.Items(), func(i queue.Item) bool {
		chosen := i.Dead && (which.IDs == nil || slices.Contains(which.IDs, i.ID)) && (which.Target == "" || which.Target == i.Target) &&
			(which.Endpoint.Namespace == "" || which.Endpoint.Namespace == i.Endpoint.Namespace) &&
			(which.Endpoint.Name == "" || which.Endpoint.Name == i.Endpoint.Name)
		return !chosen
	})
}

// Items lists what is unfinished, in order, with Size left at zero.
func (m *Model) Items() []queue.Item {
	var items []queue.Item
	for _, id := range m.IDs() {
		n := m.notifications[id]
		for _, t := range n.record.Targets {
			if n.done[t] {
				continue
			}
			reason, dead := n.dead[t]
			items = append(items, queue.Item{
				ID: id, Endpoint: n.record.Endpoint, Target: t, EventType: n.record.EventType, OrderKey: n.record.OrderKey,
				ReceivedAt: n.record.ReceivedAt, Dead: dead, Reason: reason, Redriven: n.redriven[t],
			})
		}
	}
	return items
}

// IDs lists the unfinished notifications in order.
func (m *Model) IDs() []queue.ID { return slices.Sorted(maps.Keys(m.notifications)) }

// Record is what was stored under an ID.
func (m *Model) Record(id queue.ID) *queue.Record { return m.notifications[id].record }
