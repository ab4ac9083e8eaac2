// SPDX-License-Identifier: Apache-2.0

package route

import (
	"reflect"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

const (
	// memory is how long bodies that Cloudinary made from a template still come after it has another: it tries for 18 minutes.
	memory = 30 * time.Minute
	// maxFormer bounds what an endpoint remembers, whatever its triggers go through.
	maxFormer = 64
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

// Remember adds to configs what those before told of bodies, and do not tell any more: such bodies are still on their way. The configs before
// are the last ones that this was called with.
func Remember(before, configs []Config, now time.Time) {
	last := make(map[types.NamespacedName]*Config, len(before))
	for i := range before {
		last[before[i].Key] = &before[i]
	}
	for i := range configs {
		if was := last[configs[i].Key]; was != nil && was.UID == configs[i].UID {
			configs[i].Former = former(was, configs[i].Triggers, now)
		}
	}
}

// former is what an endpoint remembers, the latest last.
func former(was *Config, triggers []TriggerConfig, now time.Time) []Former {
	present := make(map[types.NamespacedName]*TriggerConfig, len(triggers))
	for i := range triggers {
		present[triggers[i].Key] = &triggers[i]
	}
	all := slices.Clone(was.Former)
	for i := range was.Triggers {
		t := &was.Triggers[i]
		if !t.Templated || tellsTheSame(t, present[t.Key]) {
			continue
		}
		all = slices.DeleteFunc(all, func(f Former) bool { return f.Key == t.Key && tellsTheSame(t, &f.TriggerConfig) })
		f := Former{TriggerConfig: *t}
		f.Synced = false
		all = append(all, f)
	}
	for i := range all {
		all[i].follow(present, now)
	}
	all = slices.DeleteFunc(all, func(f Former) bool { return f.ended(now) })
	if len(all) == 0 {
		return nil
	}
	return all[max(0, len(all)-maxFormer):]
}

// tellsTheSame says whether the bodies of two triggers can be told the same about.
func tellsTheSame(a, b *TriggerConfig) bool {
	return b != nil && a.Templated == b.Templated && a.Identity == b.Identity &&
		slices.Equal(a.EventTypes, b.EventTypes) && reflect.DeepEqual(a.TypePaths, b.TypePaths)
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
