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

// All product environments share one Secret, and the API server accepts at most 1 MiB of it.
const (
	// MaxBytes is the room for the keys of a namespace's Secrets in an entry: many times the need
	// of one endpoint with keys of usual length, and enough for eight of the longest accepted keys.
	MaxBytes = 16 << 10
	// nearlyFull is the size from which on a namespace's share counts. The rest is for namespaces
	// with few keys.
	nearlyFull = 900_000
	full       = 1_000_000
	// besides is the size of an entry in the API server's store without its value: its name, there
	// and among the managed fields.
	besides = 128
)

// The reasons why there is no room for a namespace's keys.
var (
	errShare = fmt.Errorf("the keys in this namespace's Secrets for the product environment exceed %d bytes. "+
		"Put them into fewer Secrets, or remove keys that Cloudinary no longer signs with", MaxBytes)
	errFull = errors.New("the Secret with the keys of all product environments is full, and this namespace has used its share of it. " +
		"Remove keys that Cloudinary no longer signs with, and endpoints with a receiver that nobody needs")
)

// Fit returns the part of an environment's next keys that the Secret's data has room for, and the
// reason for each namespace that gets less. Each namespace pays for its own keys, even if others
// have the same key. It may have MaxBytes in one entry. Once the Secret is nearly full, it gets
// more only up to its share, which is the same for all. Keys that go, or get an end, always do so.
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
		newRoom(data, name).allot(env, wanted, news, refused)
	}
	return wanted.keys(), refused
}

// atMost is an upper bound of newRoom's result. It does not read the entries: nearly always there
// is room enough.
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

// newIn are the new claims, by namespace.
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

// room is the use of the Secret beside one entry.
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

// allot removes the new claims without room from the wanted ones. The namespaces take turns, and
// those with the least come first.
func (r *room) allot(env Environment, wanted claims, news map[string]claims, refused map[string]error) {
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

// size is the size of an entry once all of its keys have an end: a removal from a Secret must never
// need more room.
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

// weights is the size of each namespace's claims, as if it were alone.
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
