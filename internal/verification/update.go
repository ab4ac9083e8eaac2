// SPDX-License-Identifier: Apache-2.0

package verification

import (
	"cmp"
	"slices"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
)

// Update is what decides about the next keys of an entry.
type Update struct {
	// Present are the keys that are in a Secret now. The same key may be there more than once.
	Present []Key
	// Undecided says whether it is not known now what a Secret holds: it was not read yet, or Cloudinary was not heard on its
	// credentials yet. Keys of such a Secret stay as they are.
	Undecided func(source string) bool
	// Now is the present time, and Grace how long a key counts that is in no Secret any more.
	Now   time.Time
	Grace time.Duration
}

// Apply returns an entry's next keys:
//
//	the key is               | it was                 | then
//	-------------------------+------------------------+-------------------------------------
//	in a Secret              | there or not           | counts, without an end
//	in none that is known    | of an undecided Secret | stays as it is
//	in none                  | without an end         | counts until now + Grace
//	in none                  | with an end            | stays as it is until then, and goes
//
// Of more than notification.MaxKeys the first are kept: a Secret's own credentials, then signing keys, each by id, then those with an
// end, the latest first. Applied again to its own result it changes nothing, but for what time does.
func (u Update) Apply(keys []Key) []Key {
	next := u.merged(keys)
	for _, k := range keys {
		if slices.ContainsFunc(next, k.same) {
			continue
		}
		if kept, ok := u.absent(k); ok {
			next = append(next, kept)
		}
	}
	slices.SortFunc(next, compareKeys)
	return next[:min(len(next), notification.MaxKeys)]
}

// TooMany says whether more keys are in Secrets than an entry can have.
func (u Update) TooMany() bool { return len(u.merged(nil)) > notification.MaxKeys }

// merged are the keys that are present, each once, with all of its sources.
func (u Update) merged(before []Key) []Key {
	var merged []Key
	for _, k := range u.Present {
		i := slices.IndexFunc(merged, k.same)
		if i < 0 {
			merged = append(merged, Key{ID: k.ID, Secret: k.Secret, Signing: k.Signing, Sources: slices.Clone(k.Sources)})
			continue
		}
		merged[i].Signing = merged[i].Signing && k.Signing
		merged[i].Sources = append(merged[i].Sources, k.Sources...)
	}
	for i := range merged {
		if b := slices.IndexFunc(before, merged[i].same); b >= 0 {
			merged[i].Sources = append(merged[i].Sources, u.undecided(before[b])...)
		}
		slices.Sort(merged[i].Sources)
		merged[i].Sources = slices.Compact(merged[i].Sources)
	}
	return merged
}

// absent is what becomes of a key that is in no Secret as far as is known; ok is false if it goes.
func (u Update) absent(k Key) (kept Key, ok bool) {
	switch {
	case k.NotAfter != nil:
		return k, k.Counts(u.Now)
	case len(u.undecided(k)) > 0:
		return k, true
	}
	end := u.Now.Add(u.Grace).UTC().Truncate(time.Second)
	k.NotAfter, k.Sources = &end, nil
	return k, k.Counts(u.Now)
}

func (u Update) undecided(k Key) []string {
	var sources []string
	for _, s := range k.Sources {
		if u.Undecided != nil && u.Undecided(s) {
			sources = append(sources, s)
		}
	}
	return sources
}

// same says whether two keys are one. An API key may get a new secret: then there are two.
func (k Key) same(other Key) bool { return k.ID == other.ID && k.Secret == other.Secret }

func compareKeys(a, b Key) int {
	return cmp.Or(
		cmp.Compare(rank(a), rank(b)),
		compareEnds(b.NotAfter, a.NotAfter),
		cmp.Compare(a.ID, b.ID),
		cmp.Compare(a.Secret, b.Secret),
	)
}

func rank(k Key) int {
	switch {
	case k.NotAfter != nil:
		return 2
	case k.Signing:
		return 1
	default:
		return 0
	}
}

func compareEnds(a, b *time.Time) int {
	if a == nil || b == nil {
		return 0 // of one rank both have none
	}
	return a.Compare(*b)
}
