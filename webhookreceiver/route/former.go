// SPDX-License-Identifier: Apache-2.0

package route

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
)

const (
	// memory is how long bodies that Cloudinary made from a template still come after it has another: it tries for 18 minutes.
	memory = 30 * time.Minute
	// maxFormer and maxFormerBytes bound what an endpoint remembers, whatever its triggers go through.
	maxFormer      = 64
	maxFormerBytes = 32 << 10
)

// Former is what a trigger told of its bodies before it was changed, taken away or no longer allowed.
type Former struct {
	TriggerConfig
	// Until is when it counts no longer. None: Cloudinary may still have it, since the trigger is not synced.
	Until time.Time `json:"until,omitzero"`
}

func (f *Former) ended(now time.Time) bool { return !f.Until.IsZero() && !now.Before(f.Until) }

// follow begins the end of a former trigger once Cloudinary has what is there now in its place.
func (f *Former) follow(present map[types.NamespacedName]*TriggerConfig, now time.Time) {
	if t := present[f.Key]; f.Until.IsZero() && (t == nil || t.Synced) {
		f.Until = now.Add(memory).UTC().Round(0) // as it is read back
	}
}

// Remember adds to configs what those before told of bodies and paths, and do not tell any more: such notifications are still on their way; and a
// maximum age that was shorter. The configs before are the last ones that this was called with.
func Remember(before, configs []Config, now time.Time) {
	last := make(map[types.NamespacedName]*Config, len(before))
	for i := range before {
		last[before[i].Key] = &before[i]
	}
	for i := range configs {
		was := last[configs[i].Key]
		if was == nil {
			continue
		}
		configs[i].ShorterAge = shorterAge(was, configs[i].MaxAge, now) // whatever its UID: see webhookreceiver.Handler
		if was.UID == configs[i].UID {
			configs[i].Former = former(was, configs[i].Triggers, now)
			configs[i].FormerPaths = formerPaths(was, &configs[i], now)
		}
	}
}

// former is what an endpoint remembers, the latest last.
func former(was *Config, triggers []TriggerConfig, now time.Time) []Former {
	present := byKey(triggers)
	changed := map[types.NamespacedName]*TriggerConfig{}
	for i := range was.Triggers {
		t := &was.Triggers[i]
		if is := present[t.Key]; t.Templated && !tellsTheSame(t, is) && !neverAccepted(t, is) {
			changed[t.Key] = t
		}
	}
	all := slices.DeleteFunc(slices.Clone(was.Former), func(f Former) bool {
		t := changed[f.Key]
		return t != nil && tellsTheSame(t, &f.TriggerConfig)
	})
	for i := range was.Triggers {
		if t := changed[was.Triggers[i].Key]; t != nil {
			f := Former{TriggerConfig: *t}
			f.Synced = false
			all = append(all, f)
		}
	}
	for i := range all {
		all[i].follow(present, now)
	}
	all = slices.DeleteFunc(all, func(f Former) bool { return f.ended(now) })
	return bounded(was.Key.Namespace, all)
}

func byKey(triggers []TriggerConfig) map[types.NamespacedName]*TriggerConfig {
	all := make(map[types.NamespacedName]*TriggerConfig, len(triggers))
	for i := range triggers {
		all[triggers[i].Key] = &triggers[i]
	}
	return all
}

// neverAccepted reports whether a trigger as it was is one that the manager has refused since: no body is made from its template.
func neverAccepted(was, is *TriggerConfig) bool {
	return is != nil && is.Refused && is.UID == was.UID && is.Generation == was.Generation
}

// bounded returns those of all that there is room for, in their order: the latest of the endpoint's own namespace before the latest of others.
func bounded(namespace string, all []Former) []Former {
	var left []Former
	bytes := 0
	kept := make([]bool, len(all))
	for _, own := range []bool{true, false} {
		for i, f := range slices.Backward(all) {
			if (f.Key.Namespace == namespace) != own {
				continue
			}
			if n := size(&f.TriggerConfig); len(left) < maxFormer && bytes+n <= maxFormerBytes {
				bytes += n
				kept[i] = true
				left = append(left, f)
			}
		}
	}
	left = left[:0]
	for i := range all {
		if kept[i] {
			left = append(left, all[i])
		}
	}
	return left
}

// size is about how much a trigger takes, in memory or in a file.
func size(t *TriggerConfig) int {
	const each = 16 // a string's header, or quotes and commas
	n := len(t.Key.Namespace) + len(t.Key.Name) + len(t.UID)
	for _, one := range t.EventTypes {
		n += each + len(one)
	}
	for _, path := range t.TypePaths {
		for _, step := range path {
			n += each + len(step)
		}
	}
	return n
}

// tellsTheSame reports whether the bodies of two triggers can be told the same about.
func tellsTheSame(a, b *TriggerConfig) bool {
	return b != nil && a.Templated == b.Templated && a.Identity == b.Identity &&
		slices.Equal(a.EventTypes, b.EventTypes) && slices.EqualFunc(a.TypePaths, b.TypePaths, slices.Equal[[]string])
}

// former returns those of the triggers before that count, the latest first, and when the first of them counts no longer, or zero.
func (c *Config) former(now time.Time) (triggers []TriggerConfig, until time.Time) {
	for _, f := range slices.Backward(c.Former) {
		if !f.ended(now) {
			triggers = append(triggers, f.TriggerConfig)
			until = earlier(until, f.Until)
		}
	}
	return triggers, until
}

// earlier returns the earlier of two times, of which zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// ShorterAge is what counts for a signature that was made before some time.
//
// What was taken once is remembered for as long as its signature could be accepted then. When the maximum age is raised, what was
// taken before is forgotten while its signature would count again: whoever has recorded it could have it delivered a second time.
type ShorterAge struct {
	MaxAge time.Duration `json:"maxAge"`
	Before time.Time     `json:"before"`
}

// raiseMargin is how much later than a change of the maximum age the old one may have been used by a request that began before it: clocks
// differ by as much, and its body may take a while.
const raiseMargin = notification.DefaultMaxFuture + time.Minute

// shorterAge is the shortest maximum age that may still matter.
func shorterAge(was *Config, maxAge time.Duration, now time.Time) ShorterAge {
	s := was.ShorterAge
	if !now.Before(s.Before.Add(maxAge)) {
		s = ShorterAge{} // nothing as old is accepted any more
	}
	if maxAge <= was.MaxAge {
		return s
	}
	if s.MaxAge == 0 || was.MaxAge < s.MaxAge {
		s.MaxAge = was.MaxAge
	}
	s.Before = now.Add(raiseMargin).UTC().Round(0) // as it is read back
	return s
}
