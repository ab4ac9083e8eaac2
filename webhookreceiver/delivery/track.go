// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"reflect"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

// destination is what a lane belongs to.
type destination struct {
	endpoint queue.Endpoint
	target   string
}

// track is a lane with what it takes to run it: a lock, a timer, and what the routes last said.
type track struct {
	destination

	seats [budgets]seat // each guarded by its pool

	mu      sync.Mutex
	lane    lane
	dropped bool // and another may be in its place
	timer   clock.Timer
	alarm   int64 // when the timer goes off; 0: it does not

	seen          *route.Target // as it was when it was last there
	maxAge        time.Duration // its endpoint's retry.maxAge then; 0: it was not, as far as this process knows
	missingSince  int64         // since when its endpoint does not have it; 0: it has, or is not there itself
	orphanedSince int64         // since when its endpoint is not there; 0: it is
	openSince     int64         // since when it is there, as far as this process knows; 0: it is not
}

// place is where the routes say a lane leads; target is nil where it leads nowhere.
type place struct {
	loaded   bool
	endpoint *route.Endpoint
	target   *route.Target
}

func lookup(table *route.Table, d destination) place {
	p := place{loaded: table != nil}
	p.endpoint = table.Lookup(types.NamespacedName{Namespace: d.endpoint.Namespace, Name: d.endpoint.Name})
	if p.endpoint != nil {
		p.target = p.endpoint.Target(d.target)
	}
	return p
}

// notice has everything tried soon where the target is not what it was.
func (t *track) notice(target *route.Target) {
	if target == nil || target == t.seen {
		return
	}
	if t.seen != nil && !reflect.DeepEqual(target.Service, t.seen.Service) {
		t.lane.hasten()
	}
	t.seen = target
}

// terms says what a place means for the lane at a time.
func (t *track) terms(p place, now int64, removedAfter time.Duration) terms {
	if !p.loaded {
		t.openSince = 0
		return waitForEver()
	}
	since(&t.openSince, p.target != nil, now)
	since(&t.missingSince, p.target == nil && p.endpoint != nil, now)
	since(&t.orphanedSince, p.endpoint == nil, now)
	switch {
	case p.target != nil:
		t.maxAge = p.endpoint.RetryMaxAge
		orDefault(&t.maxAge, route.DefaultRetryMaxAge)
		return terms{open: true, maxAge: t.maxAge, floor: t.openSince + int64(min(t.maxAge, openGrace)), kind: queue.Dead}
	case p.endpoint != nil:
		return terms{floor: t.missingSince + int64(removedAfter), kind: queue.Discarded, gone: "the target was removed"}
	default:
		// It may have gone by mistake: there is time to bring it back, however old its notifications are.
		floor := t.orphanedSince + int64(max(orphanedAfter, t.maxAge))
		return terms{floor: floor, kind: queue.Discarded, gone: "the endpoint was removed"}
	}
}

// since keeps when something began; 0: it is not so.
func since(begun *int64, is bool, now int64) {
	switch {
	case !is:
		*begun = 0
	case *begun == 0:
		*begun = now
	}
}

// key names the endpoint in the log.
func (d *destination) key() types.NamespacedName {
	return types.NamespacedName{Namespace: d.endpoint.Namespace, Name: d.endpoint.Name}
}

// duration is a time.Duration without the zeros at its end.
func duration(d time.Duration) string {
	text := d.String()
	if d >= time.Minute && d%time.Minute == 0 {
		text = text[:len(text)-len("0s")]
	}
	if d >= time.Hour && d%time.Hour == 0 {
		text = text[:len(text)-len("0m")]
	}
	return text
}
