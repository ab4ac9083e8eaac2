// SPDX-License-Identifier: Apache-2.0

package verification

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// All product environments share one Secret, of which the API server takes no more than 1 MiB.
const (
	// MaxBytes is what the keys of a namespace's Secrets may have in an entry: many times what one endpoint needs with keys of usual length,
	// and room for eight of the longest that are taken.
	MaxBytes = 16 << 10
	// nearlyFull is from when on it matters whose keys they are. What is left above it is for those that have little.
	nearlyFull = 900_000
	full       = 1_000_000
	// besides is what the API server's store has of an entry beside its value: its name, there and among the managed fields.
	besides = 128
)

// The reasons why a namespace's keys cannot be written.
var (
	errShare = fmt.Errorf("those that the Secrets of this namespace have for the product environment are more than %d bytes: "+
		"let fewer Secrets have them, or remove keys that Cloudinary does not sign with any more", MaxBytes)
	errFull = errors.New("the Secret with those of all product environments is full, and of it no namespace may have more than its share: " +
		"remove keys that Cloudinary does not sign with any more, and endpoints with a receiver that nobody needs")
)

// Fit returns what there is room for of an environment's next keys in the Secret's data, and says for each namespace that gets less than
// it is to have why that is. Room is a namespace's own: what its Secrets have is charged to it, a key that others have too as much as one
// that they have not. In one entry it may have MaxBytes, and once the Secret is nearly full, more than it has only up to its share,
// which is the same for all. What goes, or gets an end, does so in any case.
func Fit(data map[string][]byte, env Environment, next []Key) (fits []Key, refused map[string]error) {
	name := EntryName(env)
	var before claims
	if entry, err := Decode(data[name]); err == nil {
		before = claimsIn(entry.Keys)
	}
	wanted := claimsIn(next)
	news := newIn(wanted, before)
	if len(news) == 0 {
		return next, nil
	}
	refused = map[string]error{}
	for namespace, weight := range wanted.weights() {
		if _, grows := news[namespace]; grows && weight > MaxBytes {
			refused[namespace] = errShare
			wanted.drop(news[namespace])
			delete(news, namespace)
		}
	}
	if len(news) > 0 && atMost(data, name)+size(env, wanted) > nearlyFull {
		newRoom(data, name).share(env, wanted, news, refused)
	}
	return wanted.keys(), refused
}

// atMost is no less than what newRoom finds out, without reading the entries: nearly always there is room enough.
func atMost(data map[string][]byte, entry string) int {
	const end = len(`,"notAfter":"2006-01-02T15:04:05Z","signing":true`)
	total := 0
	for name, raw := range data {
		if name != entry {
			total += len(raw) + besides + end*bytes.Count(raw, []byte(`"id":`))
		}
	}
	return total
}

// newIn are the claims that were not there before, by namespace.
func newIn(wanted, before claims) map[string]claims {
	news := map[string]claims{}
	for c, s := range wanted {
		if _, was := before[c]; was {
			continue
		}
		namespace := namespaceOf(c.source)
		if news[namespace] == nil {
			news[namespace] = claims{}
		}
		news[namespace][c] = s
	}
	return news
}

// room is what the Secret has beside one entry.
type room struct {
	total int
	used  map[string]int // by namespace, as if each had all of its keys alone
}

func newRoom(data map[string][]byte, entry string) *room {
	r := &room{used: map[string]int{}}
	for name, raw := range data {
		if name == entry {
			continue
		}
		keys, err := Decode(raw)
		if err != nil { // it is nobody's
			r.total += len(raw) + besides
			continue
		}
		all := claimsIn(keys.Keys)
		r.total += size(keys.Environment, all)
		for namespace, weight := range all.weights() {
			r.used[namespace] += weight
		}
	}
	return r
}

// share takes out of the wanted claims what is new and has no room. Each namespace has its turn, those first that have least.
func (r *room) share(env Environment, wanted claims, news map[string]claims, refused map[string]error) {
	for _, of := range news {
		wanted.drop(of)
	}
	order := slices.SortedFunc(maps.Keys(news), func(a, b string) int { return cmp.Or(cmp.Compare(r.used[a], r.used[b]), cmp.Compare(a, b)) })
	for _, namespace := range order {
		maps.Copy(wanted, news[namespace])
		total := r.total + size(env, wanted)
		if total <= nearlyFull {
			continue
		}
		used := maps.Clone(r.used)
		for of, weight := range wanted.weights() {
			used[of] += weight
		}
		if total > full || used[namespace] > nearlyFull/len(used) {
			refused[namespace] = errFull
			wanted.drop(news[namespace])
		}
	}
}

func (all claims) drop(some claims) {
	for c := range some {
		delete(all, c)
	}
}

// size is what an entry takes once all of its keys have an end: what is taken out of a Secret must never need more room.
func size(env Environment, all claims) int {
	ended := claims{}
	for c := range all {
		ended[c] = standing{unchecked: true, end: new(time.Unix(0, 0).UTC())}
	}
	raw, err := Keys{Environment: env, Keys: ended.keys()}.Encode()
	if err != nil {
		return full // it cannot be: texts and times
	}
	return len(raw) + besides
}

// weights are what each namespace has of the claims, as if it were alone.
func (all claims) weights() map[string]int {
	apart := map[string]claims{}
	for c, s := range all {
		namespace := namespaceOf(c.source)
		if apart[namespace] == nil {
			apart[namespace] = claims{}
		}
		apart[namespace][c] = s
	}
	weights := map[string]int{}
	for namespace, of := range apart {
		weights[namespace] = size(Environment{}, of)
	}
	return weights
}
