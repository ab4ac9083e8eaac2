// SPDX-License-Identifier: Apache-2.0

package verification

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
)

// Endpoint is the part of a NotificationEndpoint that decides whose signatures count for it.
type Endpoint struct {
	Namespace string
	// Secret is the name of its own Secret, in its namespace.
	Secret string
	// APIKeys are the ids of the only keys that count. None: see Pool.
	APIKeys []string
}

func (e Endpoint) source() string { return e.Namespace + "/" + e.Secret }

// names reports whether the endpoint lets an API key count.
func (e Endpoint) names(id string) bool { return len(e.APIKeys) == 0 || slices.Contains(e.APIKeys, id) }

// Pool has the keys of a product environment, by the reason why they count. A key counts for an
// endpoint as follows:
//
//	the key                                        | apiKeys is absent    | apiKeys names it     | apiKeys names others
//	-----------------------------------------------+----------------------+----------------------+---------------------
//	is in the endpoint's own Secret                | counts               | counts               | no
//	was lately, there or elsewhere in the namespace| counts until its end | counts until its end | no
//	is another Secret's, and Cloudinary let it in  | no                   | counts, if the own Secret has none of this id
//	is another Secret's, and nobody checked it     | no                   | no                   | no
//
// So no other namespace has an influence, unless apiKeys names a key that the endpoint's own Secret
// lacks. Then Cloudinary vouches for it: the manager has made calls with that very key, and
// Cloudinary accepted them.
type Pool struct {
	live   map[string][]Key    // by Secret
	lately map[string][]Key    // keys with an end, by namespace
	letIn  map[string][]letKey // by id
}

// letKey is a key that Cloudinary has let in, with all Secrets that have it.
type letKey struct {
	identity
	end     *time.Time
	sources []string
}

// identity tells keys apart. An API key may get a new secret: then there are two.
type identity struct{ id, secret string }

// NewPool sorts keys into a pool.
func NewPool(keys []Key) *Pool {
	p := &Pool{live: map[string][]Key{}, lately: map[string][]Key{}, letIn: map[string][]letKey{}}
	for _, k := range keys {
		for _, source := range k.Sources {
			if k.NotAfter == nil {
				p.live[source] = append(p.live[source], k)
			} else {
				p.lately[namespaceOf(source)] = append(p.lately[namespaceOf(source)], k)
			}
		}
		if !k.Unchecked && len(k.Sources) > 0 {
			p.let(k)
		}
	}
	return p
}

func (p *Pool) let(k Key) {
	who := identity{k.ID, k.Secret}
	i := slices.IndexFunc(p.letIn[k.ID], func(l letKey) bool { return l.identity == who })
	if i < 0 {
		p.letIn[k.ID] = append(p.letIn[k.ID], letKey{who, k.NotAfter, slices.Clone(k.Sources)})
		return
	}
	l := &p.letIn[k.ID][i]
	l.end, l.sources = laterEnd(l.end, k.NotAfter), append(l.sources, k.Sources...)
}

func namespaceOf(source string) string {
	namespace, _, _ := strings.Cut(source, "/")
	return namespace
}

// Select returns the keys that count for an endpoint, at most notification.MaxKeys. First come
// those of its own Secret that Cloudinary has let in, then its other ones, then those of other
// Secrets, each by id. Last come those with an end, the latest first. They are without sources.
func (p *Pool) Select(e Endpoint) []Key {
	all := p.All(e)
	return all[:min(len(all), notification.MaxKeys)]
}

// All are the candidates of Select, in its order.
func (p *Pool) All(e Endpoint) []Key {
	choices := p.choices(e)
	keys := make([]Key, 0, len(choices))
	for _, c := range choices {
		keys = append(keys, Key{ID: c.id, Secret: c.secret, NotAfter: c.end})
	}
	return keys
}

// choice is a key that counts for an endpoint.
type choice struct {
	identity
	end  *time.Time
	rank int
	own  bool // the endpoint's own Secret has it
	let  bool // Secrets count whose key Cloudinary has let in
}

// The order in which keys are preferred.
const (
	rankLetIn = iota
	rankUnchecked
	rankOthers
	rankEnds
)

// choices has each key once, with the best reason for it.
type choices map[identity]choice

func (all choices) add(c choice) {
	if have, twice := all[c.identity]; twice {
		c.end, c.rank, c.own, c.let = laterEnd(have.end, c.end), min(have.rank, c.rank), have.own || c.own, have.let || c.let
	}
	all[c.identity] = c
}

func (p *Pool) choices(e Endpoint) []choice {
	found, own := choices{}, map[string]bool{}
	for _, k := range p.live[e.source()] {
		if e.names(k.ID) {
			own[k.ID] = true
			found.add(choice{identity: identity{k.ID, k.Secret}, rank: rank(k), own: true})
		}
	}
	for _, k := range p.lately[e.Namespace] {
		if e.names(k.ID) {
			found.add(choice{identity: identity{k.ID, k.Secret}, end: k.NotAfter, rank: rankEnds})
		}
	}
	for _, id := range e.APIKeys {
		if !own[id] {
			p.addLetIn(found, id)
		}
	}
	return slices.SortedFunc(maps.Values(found), func(a, b choice) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), compareEnds(b.end, a.end), cmp.Compare(a.id, b.id), cmp.Compare(a.secret, b.secret))
	})
}

func (p *Pool) addLetIn(found choices, id string) {
	for _, l := range p.letIn[id] {
		c := choice{identity: l.identity, end: l.end, rank: rankOthers, let: true}
		if l.end != nil {
			c.rank = rankEnds
		}
		found.add(c)
	}
}

// rank is the rank of a key of the endpoint's own Secret.
func rank(k Key) int {
	switch {
	case k.NotAfter != nil:
		return rankEnds
	case k.Unchecked:
		return rankUnchecked
	default:
		return rankLetIn
	}
}

// laterEnd returns nil, no end, if one of the two is nil.
func laterEnd(a, b *time.Time) *time.Time {
	if a == nil || b == nil {
		return nil
	}
	if b.After(*a) {
		return b
	}
	return a
}

// compareEnds puts keys without an end last.
func compareEnds(a, b *time.Time) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	default:
		return a.Compare(*b)
	}
}
