// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/remembered"
)

// operation is one kind of thing that a manager asks of the API server or of Cloudinary. All writes
// of a trigger's status are one request to the API server; they are told apart by what they change.
type operation string

const (
	readCache    operation = "LIST triggers, from the cache"
	readSecret   operation = "GET secret"
	readTrigger  operation = "GET trigger"
	readEndpoint operation = "GET endpoint"

	writeIntent    operation = "PATCH status of trigger: adds an intent"
	writeTaken     operation = "PATCH status of trigger: takes a record over from another trigger"
	writeGiven     operation = "PATCH status of trigger: gives a record up to another trigger"
	writeID        operation = "PATCH status of trigger: adds an id"
	writeForgotten operation = "PATCH status of trigger: forgets what was sent"
	writeDropped   operation = "PATCH status of trigger: drops a record"
	writeNoted     operation = "PATCH status of trigger: changes what is remembered"
	writeReport    operation = "PATCH status of trigger: conditions alone"
	writeEndpoint  operation = "PATCH status of endpoint"

	callList       operation = "GET /triggers"
	callCreate     operation = "POST /triggers"
	callSecondHalf operation = "POST /triggers, the second half of a replacement"
	callUpdate     operation = "PUT /triggers/ID"
	callDelete     operation = "DELETE /triggers/ID"
)

// addsFinalizer and removesFinalizer are patches of an object of a kind.
func addsFinalizer(kind string) operation { return operation("PATCH " + kind + ": adds the finalizer") }

func removesFinalizer(kind string) operation {
	return operation("PATCH " + kind + ": removes the finalizer")
}

// step is a place at the edge of a pass: right before or right after an operation.
type step string

func before(o operation) step { return step("before " + o) }
func after(o operation) step  { return step("after " + o) }

// steps are all of them. A read from the cache changes nothing and cannot fail: before one it is as
// after the operation before that.
func steps() []step {
	all := []step{after(readCache)}
	for _, o := range []operation{readSecret, readTrigger, readEndpoint} {
		all = append(all, before(o), after(o))
	}
	for _, kind := range []string{kindSecret, kindEndpoint, kindTrigger} {
		for _, o := range []operation{addsFinalizer(kind), removesFinalizer(kind)} {
			all = append(all, before(o), after(o))
		}
	}
	for _, o := range []operation{
		writeIntent, writeTaken, writeGiven, writeID, writeForgotten, writeDropped, writeNoted, writeReport, writeEndpoint,
		callList, callCreate, callSecondHalf, callUpdate, callDelete,
	} {
		all = append(all, before(o), after(o))
	}
	return all
}

// statusOperation is what a write changes of a trigger's status, the weightiest first.
func (r *run) statusOperation(n name, status v1alpha1.CloudinaryTriggerStatus) operation {
	stored, ok := r.api.objects[n].(*v1alpha1.CloudinaryTrigger)
	if !ok {
		return writeReport
	}
	next := stored.DeepCopy()
	next.Status = status
	had, has := holdings(stored), holdings(next)
	changes := map[operation]bool{}
	for _, h := range has {
		switch old := find(had, h); {
		case old == nil && h.ID == "":
			changes[writeIntent] = true
		case old == nil && r.elsewhere(h):
			changes[writeTaken] = true
		case old == nil:
			changes[writeID] = true
		case sentHash(old) != "" && sentHash(&h) == "":
			changes[writeForgotten] = true
		case old.Remembered != h.Remembered:
			changes[writeNoted] = true
		}
	}
	for _, h := range had {
		if find(has, h) == nil {
			changes[writeGiven] = changes[writeGiven] || r.elsewhere(h)
			changes[writeDropped] = true
		}
	}
	for _, o := range []operation{writeIntent, writeTaken, writeGiven, writeID, writeForgotten, writeDropped, writeNoted} {
		if changes[o] {
			return o
		}
	}
	return writeReport
}

// find is the line with the same id, or of the same intent.
func find(all []holding, h holding) *holding {
	i := slices.IndexFunc(all, func(o holding) bool {
		return o.ID == h.ID && (h.ID != "" || o.place() == h.place() && o.IntendedAt.Equal(h.IntendedAt))
	})
	if i < 0 {
		return nil
	}
	return &all[i]
}

// elsewhere reports whether another trigger has the id in its status.
func (r *run) elsewhere(h holding) bool {
	return h.ID != "" && slices.ContainsFunc(r.ledger.recorded(h.ID), func(o holding) bool { return o.object.Name != h.object.Name })
}

func sentHash(h *holding) string {
	var rec plan.Record
	remembered.Decode(h.Remembered, &rec)
	return rec.SentHash
}

// callOperation is what a call to Cloudinary is for.
func (p *process) callOperation(c *cloud, request *http.Request, body []byte) operation {
	switch request.Method {
	case http.MethodPost:
		var spec struct {
			URI       string `json:"uri"`
			EventType string `json:"event_type"`
		}
		_ = json.Unmarshal(body, &spec) // what cannot be read is at no place
		if p.deleted == (place{c.name, plan.CanonicalURL(spec.URI), spec.EventType}) {
			return callSecondHalf
		}
		return callCreate
	case http.MethodPut:
		return callUpdate
	case http.MethodDelete:
		p.deleted = place{}
		if t, ok := c.trigger(lastPart(request.URL.Path)); ok {
			p.deleted = placeOf(c.name, t)
		}
		return callDelete
	default:
		return callList
	}
}

// bound is the time that a context gives.
type bound struct {
	system    time.Time // its end, by the system's clock
	simulated time.Time
}

// deadline is when an operation has to have begun, by the simulated clock; zero: at any time.
// Contexts end by the system's clock, which does not move here. What one of them gives is looked at
// when it is used first: no more than the fence lets it, nor than a call may take.
func (p *process) deadline(ctx context.Context) time.Time {
	end, bounded := ctx.Deadline()
	switch {
	case !bounded:
		return time.Time{}
	case end.Equal(p.bound.system):
		return p.bound.simulated
	}
	given := callTimeout
	if p.reconciler.Fence != nil {
		given = min(given, p.Remaining(p.now()))
	}
	if left := time.Until(end); left > given {
		p.run.violated("process %d takes %s for what it asks, and may take %s", p.number, left, given)
	}
	p.bound = bound{end, p.run.now.Add(given)}
	return p.bound.simulated
}

// begins lets happen what may right before an operation. It returns an error where the process has
// stood still for so long that the context has ended: then the operation does not begin.
func (p *process) begins(ctx context.Context, o operation) error {
	deadline := p.deadline(ctx)
	p.reached(before(o))
	if !deadline.IsZero() && !p.run.now.Before(deadline) {
		return context.DeadlineExceeded
	}
	return nil
}

// unrivaled reports whether no other process is the leader.
func (p *process) unrivaled() bool {
	return p.reconciler.Fence == nil || p.run.leader == nil || p.run.leader == p
}

// intends notes whether a process is about to store an intent, whose time it has taken already.
// After a conflict it may read the trigger again, and try once more.
func (p *process) intends(o operation, n name) {
	switch {
	case o == writeIntent, o == addsFinalizer(kindTrigger) && p.unheld[n]:
		p.intending = true
	case o != readTrigger:
		p.intending = false
	}
}

// inAnyOrder does pieces of work one after another, in an order in which they may happen to arrive
// where they are done at once.
func (r *run) inAnyOrder(pieces int, do func(piece int)) {
	for _, i := range r.random.Perm(pieces) {
		do(i)
	}
}

// readOperation is that of a read of one object.
func readOperation(o client.Object) operation {
	switch nameOf(o).kind {
	case kindTrigger:
		return readTrigger
	case kindEndpoint:
		return readEndpoint
	default:
		return readSecret
	}
}
