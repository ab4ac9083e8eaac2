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

// Update is the input for the next keys of an entry.
type Update struct {
	// Known are the keys of all Secrets that Cloudinary accepts now, as those Secrets have them.
	// The same key may be there more than once.
	Known []Key
	// Endpoints are the endpoints with a receiver whose own Secret Cloudinary accepts. Awaited are
	// those that may still turn out to be such.
	Endpoints, Awaited []Endpoint
	// Undecided reports whether the content of a Secret is unknown now: it was not read yet, or its
	// credentials were not tried yet. Keys of such a Secret stay as they are.
	Undecided func(source string) bool
	// Now is the present time, and Grace how long a key still counts after it counts for no
	// endpoint.
	Now   time.Time
	Grace time.Duration
}

// Apply returns an entry's next keys, each as a Secret has it:
//
//	the key of the Secret                  | it was         | then
//	---------------------------------------+----------------+-------------------------------------
//	counts for one of Endpoints            | there or not   | stays, without an end
//	counts for one of Awaited              | without an end | stays as it is
//	stands where nothing is known yet      | without an end | stays as it is
//	anything else                          | without an end | stays until now + Grace
//	anything else                          | with an end    | stays until then
//	anything else                          | not there      | does not come in: least exposure
//
// Of one Secret the latest notification.MaxKeys keys with an end stay. A second application to the
// result changes nothing, apart from the passage of time.
func (u Update) Apply(keys []Key) []Key {
	pool, known := NewPool(u.Known), claimsIn(u.Known)
	next, stays := pool.claimsOf(u.Endpoints, known), pool.claimsOf(u.Awaited, known)
	for c, s := range claimsIn(keys) {
		if _, counts := next[c]; counts {
			continue
		}
		_, awaited := stays[c]
		switch {
		case s.end != nil:
		case awaited, u.Undecided != nil && u.Undecided(c.source):
			next[c] = s
			continue
		default:
			end := u.Now.Add(u.Grace).UTC().Truncate(time.Second)
			s.end = &end
		}
		if u.Now.Before(*s.end) {
			next[c] = s
		}
	}
	next.forget()
	return next.keys()
}

// claim says that a Secret has a key.
type claim struct {
	source string
	identity
}

// standing is the state of a claim.
type standing struct {
	unchecked bool
	end       *time.Time
}

type claims map[claim]standing

func claimsIn(keys []Key) claims {
	all := claims{}
	for _, k := range keys {
		sources := k.Sources
		if len(sources) == 0 {
			sources = []string{""} // of a former version: it goes, and counts for nobody
		}
		for _, source := range sources {
			c, s := claim{source, identity{k.ID, k.Secret}}, standing{k.Unchecked, k.NotAfter}
			if have, twice := all[c]; twice {
				s = standing{s.unchecked && have.unchecked, laterEnd(s.end, have.end)}
			}
			all[c] = s
		}
	}
	return all
}

// claimsOf are the claims that count for one of the endpoints. known are all claims of the pool.
func (p *Pool) claimsOf(endpoints []Endpoint, known claims) claims {
	all := claims{}
	// Of all that let it in: there may be as many as there are endpoints
	seen := map[identity]bool{}
	for _, e := range endpoints {
		choices := p.choices(e)
		for _, k := range choices[:min(len(choices), notification.MaxKeys)] {
			if c := (claim{e.source(), k.identity}); k.own {
				all[c] = known[c]
			}
			if !k.let || seen[k.identity] {
				continue
			}
			seen[k.identity] = true
			for _, source := range p.letBy(k.identity) {
				c := claim{source, k.identity}
				all[c] = known[c]
			}
		}
	}
	return all
}

func (p *Pool) letBy(who identity) []string {
	i := slices.IndexFunc(p.letIn[who.id], func(l letKey) bool { return l.identity == who })
	return p.letIn[who.id][i].sources
}

// forget drops the oldest ended keys of a Secret if there are too many: somebody who changes a
// Secret again and again fills nothing.
func (all claims) forget() {
	ended := map[string][]claim{}
	for c, s := range all {
		if s.end != nil {
			ended[c.source] = append(ended[c.source], c)
		}
	}
	for _, of := range ended {
		if len(of) <= notification.MaxKeys {
			continue
		}
		slices.SortFunc(of, func(a, b claim) int { return cmp.Or(all[b].end.Compare(*all[a].end), compareClaims(a, b)) })
		for _, c := range of[notification.MaxKeys:] {
			delete(all, c)
		}
	}
}

func compareClaims(a, b claim) int {
	return cmp.Or(strings.Compare(a.id, b.id), strings.Compare(a.secret, b.secret), strings.Compare(a.source, b.source))
}

// keys are the claims as an entry has them: equal claims of several Secrets are one key. Those
// without an end come first, where a receiver of a former version expects them.
func (all claims) keys() []Key {
	type group struct {
		identity
		unchecked bool
		end       int64
	}
	var keys []Key
	at := map[group]int{}
	for _, c := range slices.SortedFunc(maps.Keys(all), compareClaims) {
		s := all[c]
		g := group{identity: c.identity, unchecked: s.unchecked}
		if s.end != nil {
			g.end = s.end.UnixNano()
		}
		i, known := at[g]
		if !known {
			i = len(keys)
			at[g] = i
			keys = append(keys, Key{ID: c.id, Secret: c.secret, Unchecked: s.unchecked, NotAfter: s.end})
		}
		if c.source != "" {
			keys[i].Sources = append(keys[i].Sources, c.source)
		}
	}
	slices.SortStableFunc(keys, func(a, b Key) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), compareEnds(b.NotAfter, a.NotAfter))
	})
	return keys
}
