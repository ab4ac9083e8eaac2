// SPDX-License-Identifier: Apache-2.0

package fairqueue

import (
	"container/list"
	"time"
)

// lines are the tenants' waiting items, each in a line by host, and who is being served. Nothing in it blocks or locks.
type lines[T comparable] struct {
	bounds  Bounds
	tenants map[string]*tenant[T]
	turn    *list.List     // of those tenants that have waiting items, in the order of their turns
	serving int            // items that are worked on
	hosts   map[string]int // of these, by host
}

// tenant is what a tenant has in the queue.
type tenant[T comparable] struct {
	name    string
	place   *list.Element // in turn; nil: nothing waits
	lines   map[string]*line
	hosts   *list.List // of the lines, in the order of their turns
	serving int
	atHost  map[string]int
}

// line is what waits for one host, the oldest first.
type line struct {
	host  string
	items *list.List
	place *list.Element // in the tenant's hosts
}

// waiting is an item that waits, perhaps in the lines of several tenants.
type waiting[T comparable] struct {
	item   T
	host   string
	since  time.Time
	places []place[T]
}

type place[T comparable] struct {
	tenant  *tenant[T]
	line    *line
	element *list.Element
}

func newLines[T comparable](b Bounds) lines[T] {
	return lines[T]{bounds: b, tenants: map[string]*tenant[T]{}, turn: list.New(), hosts: map[string]int{}}
}

// join puts an item at the end of a tenant's line, unless it is in it.
func (l *lines[T]) join(name string, w *waiting[T]) {
	for _, p := range w.places {
		if p.tenant.name == name {
			return
		}
	}
	t := l.tenant(name)
	in := t.lines[w.host]
	if in == nil {
		in = &line{host: w.host, items: list.New()}
		in.place = t.hosts.PushBack(in)
		t.lines[w.host] = in
	}
	w.places = append(w.places, place[T]{t, in, in.items.PushBack(w)})
	if t.place == nil {
		t.place = l.turn.PushBack(t)
	}
}

func (l *lines[T]) tenant(name string) *tenant[T] {
	t := l.tenants[name]
	if t == nil {
		t = &tenant[T]{name: name, lines: map[string]*line{}, hosts: list.New(), atHost: map[string]int{}}
		l.tenants[name] = t
	}
	return t
}

// next takes the item whose turn it is out of all lines, and begins to serve the tenant whose turn it is; nil: none may be served now.
//
// Those that are passed over have a bound that is reached, so that each has something that is worked on, or wait for a host for which that
// is so: there are no more of these than workers.
func (l *lines[T]) next() (*waiting[T], string) {
	for e := l.turn.Front(); e != nil; e = e.Next() {
		t, ok := e.Value.(*tenant[T])
		if !ok || t.serving >= allowed(l.bounds.Workers, l.serving, l.bounds.PerTenant) {
			continue
		}
		for h := t.hosts.Front(); h != nil; h = h.Next() {
			in, ok := h.Value.(*line)
			if !ok || !l.roomAt(t, in.host) {
				continue
			}
			l.turn.MoveToBack(e)
			t.hosts.MoveToBack(h)
			w, ok := in.items.Front().Value.(*waiting[T])
			if !ok {
				continue
			}
			l.serve(t, in.host)
			l.takeOut(w)
			return w, t.name
		}
	}
	return nil, ""
}

// allowed is how many a tenant may have of a total of which others use some: half of what is free, so that whoever comes next finds
// something, and no more than most; one as long as there is any.
func allowed(total, used, most int) int {
	if used >= total {
		return 0
	}
	return max(1, min(most, (total-used)/2))
}

func (l *lines[T]) roomAt(t *tenant[T], host string) bool {
	return host == "" || t.atHost[host] < allowed(l.bounds.PerHost, l.hosts[host], l.bounds.PerTenantAtHost)
}

// serve counts an item that is worked on.
func (l *lines[T]) serve(t *tenant[T], host string) {
	l.serving++
	t.serving++
	if host != "" {
		l.hosts[host]++
		t.atHost[host]++
	}
}

// leave ends what serve began.
func (l *lines[T]) leave(name, host string) {
	t := l.tenant(name)
	l.serving--
	t.serving--
	if host != "" {
		less(l.hosts, host)
		less(t.atHost, host)
	}
	l.forget(t)
}

// move lets an item that is worked on call another host, if there is room.
func (l *lines[T]) move(name, from, to string) bool {
	t := l.tenant(name)
	if !l.roomAt(t, to) {
		return false
	}
	l.serve(t, to)
	l.leave(name, from)
	return true
}

func less(counts map[string]int, key string) {
	if counts[key]--; counts[key] == 0 {
		delete(counts, key)
	}
}

// takeOut takes an item out of all lines.
func (l *lines[T]) takeOut(w *waiting[T]) {
	for _, p := range w.places {
		p.line.items.Remove(p.element)
		if p.line.items.Len() > 0 {
			continue
		}
		p.tenant.hosts.Remove(p.line.place)
		delete(p.tenant.lines, p.line.host)
		if p.tenant.hosts.Len() == 0 {
			l.turn.Remove(p.tenant.place)
			p.tenant.place = nil
			l.forget(p.tenant)
		}
	}
	w.places = nil
}

// forget keeps nothing of a tenant that has nothing here: there may be any number of them in time.
func (l *lines[T]) forget(t *tenant[T]) {
	if t.place == nil && t.serving == 0 {
		delete(l.tenants, t.name)
	}
}
