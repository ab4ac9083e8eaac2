// SPDX-License-Identifier: Apache-2.0

package webhookreceiver

import (
	"net/http"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/internal/httpserver"
)

// intake is what requests take while they are worked on: a place each, and bytes for what of a body has arrived beyond its first ones.
// Whoever has not proved to be Cloudinary keeps nobody out by holding on to either: where something is short, the request that has been
// unproved longest gives way, one of the same endpoint where that has had its share.
type intake struct {
	maxRequests int
	maxBytes    int64
	patience    time.Duration // with those that are to give way

	mu       sync.Mutex
	requests int
	bytes    int64
	large    int64 // of the bytes, those of bodies beyond small ones
	shares   map[types.NamespacedName]*share
	unproved guests
	freed    chan struct{} // is closed when something is given back; nil while nobody waits for that
}

// share is what the requests for one endpoint take.
type share struct {
	requests, unproved int
	large              int64
}

// guest is what one request takes.
type guest struct {
	key     types.NamespacedName
	request *http.Request

	// The rest is guarded by the intake's lock.
	share        *share
	bytes, large int64
	proved       bool
	told         bool // to leave
	next, prev   *guest
}

func newIntake(maxRequests int, maxBytes int64, patience time.Duration) *intake {
	return &intake{maxRequests: maxRequests, maxBytes: maxBytes, patience: patience, shares: map[types.NamespacedName]*share{}}
}

// Large bodies together get three quarters of the bytes, so that there is always room for small ones; those of one endpoint get half of
// all. So many of the places are for unproved requests of one endpoint.
func (i *intake) maxLarge() int64       { return i.maxBytes - i.maxBytes/4 }
func (i *intake) maxLargeOfOne() int64  { return i.maxBytes / 2 }
func (i *intake) maxUnprovedOfOne() int { return (i.maxRequests + 1) / 2 }

// shortage is what there is not enough of.
type shortage int

const (
	nothing shortage = iota
	places
	placesOfOne
	anyBytes
	largeBytes
	largeBytesOfOne
)

// enter takes a place. It reports false where nobody makes room for it.
func (i *intake) enter(g *guest) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.room(g, func() shortage { return i.shortOfPlaces(g.key) }) {
		return false
	}
	if g.share = i.shares[g.key]; g.share == nil {
		g.share = &share{}
		i.shares[g.key] = g.share
	}
	i.requests++
	g.share.requests++
	g.share.unproved++
	i.unproved.push(g)
	return true
}

func (i *intake) shortOfPlaces(key types.NamespacedName) shortage {
	if s := i.shares[key]; s != nil && s.unproved >= i.maxUnprovedOfOne() {
		return placesOfOne
	}
	if i.requests >= i.maxRequests {
		return places
	}
	return nothing
}

// take counts bytes of a body that are to be kept. It reports false where nobody makes room for them.
func (i *intake) take(g *guest, n int64, large bool) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.room(g, func() shortage { return i.shortOfBytes(g, n, large) }) {
		return false
	}
	i.bytes += n
	g.bytes += n
	if large {
		i.large += n
		g.large += n
		g.share.large += n
	}
	return true
}

func (i *intake) shortOfBytes(g *guest, n int64, large bool) shortage {
	switch {
	case large && g.share.large+n > i.maxLargeOfOne():
		return largeBytesOfOne
	case large && i.large+n > i.maxLarge():
		return largeBytes
	case i.bytes+n > i.maxBytes:
		return anyBytes
	default:
		return nothing
	}
}

// room waits until nothing is short, and has others make room. The lock is held but while it waits. It reports false where g itself has
// been unproved longest, all others are proved, or they do not leave in time.
func (i *intake) room(g *guest, short func() shortage) bool {
	if short() == nothing {
		return true
	}
	patience := time.NewTimer(i.patience)
	defer patience.Stop()
	for asked := false; ; {
		what := short()
		if what == nothing {
			return true
		}
		if g.told {
			return false // before another one is told, whom nobody would cut off
		}
		other, leaving := i.oldest(g, what)
		asked = asked || leaving || other != nil
		if other == g || !asked {
			return false
		}
		if !i.wait(other, patience.C) {
			return short() == nothing
		}
	}
}

// wait has a request leave, if there is one, and waits until something is given back. It reports false when patience has ended.
func (i *intake) wait(leaves *guest, patience <-chan time.Time) bool {
	if i.freed == nil {
		i.freed = make(chan struct{})
	}
	freed := i.freed
	var request *http.Request
	if leaves != nil {
		request = leaves.request // without the lock it may have left, and be another one
	}
	i.mu.Unlock()
	defer i.mu.Lock()
	if request != nil {
		httpserver.Cut(request)
	}
	select {
	case <-freed:
		return true
	case <-patience:
		return false
	}
}

// oldest is the request that is to leave so that less is short, and notes that it was told so: the one that has been unproved longest of
// those that were not told yet. It is neither g nor one that came after g while another one, which was told, is leaving still.
func (i *intake) oldest(g *guest, short shortage) (_ *guest, leaving bool) {
	for other := i.unproved.first; other != nil; other = other.next {
		switch {
		case !other.has(short, g.key):
		case other.told:
			leaving = leaving || other != g
		case other == g && leaving:
			return nil, true
		default:
			other.told = true
			return other, leaving
		}
	}
	return nil, leaving
}

// has reports whether it takes any of what is short for a request to an endpoint.
func (g *guest) has(short shortage, key types.NamespacedName) bool {
	switch short {
	case placesOfOne:
		return g.key == key
	case anyBytes:
		return g.bytes > 0
	case largeBytes:
		return g.large > 0
	case largeBytesOfOne:
		return g.large > 0 && g.key == key
	case nothing, places:
	}
	return true
}

// prove says that the request is Cloudinary's: it gives way to nobody any more.
func (i *intake) prove(g *guest) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !g.proved {
		g.proved = true
		g.share.unproved--
		i.unproved.remove(g)
	}
}

// wasTold reports whether it gave way.
func (i *intake) wasTold(g *guest) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return g.told
}

// maxIdleShares is how many endpoints are kept in mind that have no request. Each is made anew otherwise, for each request.
const maxIdleShares = 1024

// leave gives back all that a request took.
func (i *intake) leave(g *guest) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !g.proved {
		g.share.unproved--
		i.unproved.remove(g)
	}
	i.requests--
	i.bytes -= g.bytes
	i.large -= g.large
	g.share.requests--
	g.share.large -= g.large
	if g.share.requests == 0 && len(i.shares) > maxIdleShares {
		delete(i.shares, g.key)
	}
	if i.freed != nil {
		close(i.freed)
		i.freed = nil
	}
}

// full reports whether a further request would find no place, and nobody who makes room for it.
func (i *intake) full() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.requests >= i.maxRequests && i.unproved.first == nil
}

// read is how many requests there are, and the bytes that they take beyond their first ones.
func (i *intake) read() (requests int, bytes int64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.requests, i.bytes
}

// guests are in the order in which they came.
type guests struct{ first, last *guest }

func (l *guests) push(g *guest) {
	g.prev = l.last
	if l.last == nil {
		l.first = g
	} else {
		l.last.next = g
	}
	l.last = g
}

func (l *guests) remove(g *guest) {
	if g.prev == nil {
		l.first = g.next
	} else {
		g.prev.next = g.next
	}
	if g.next == nil {
		l.last = g.prev
	} else {
		g.next.prev = g.prev
	}
	g.next, g.prev = nil, nil
}
