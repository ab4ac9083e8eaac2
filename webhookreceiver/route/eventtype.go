// SPDX-License-Identifier: Apache-2.0

package route

import (
	"cmp"
	"slices"

	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
)

// maxTriggers is how many triggers of an endpoint count. Cloudinary has 30 event types.
const maxTriggers = 256

// counting returns the triggers that count, by namespace and name, and whether there are more.
func counting(namespace string, triggers []TriggerConfig) (_ []TriggerConfig, more bool) {
	slices.SortFunc(triggers, func(a, b TriggerConfig) int { return compare(a.Key, b.Key) })
	if len(triggers) <= maxTriggers {
		return triggers, false
	}
	count := inTurns(namespace, triggers)[:maxTriggers]
	slices.SortFunc(count, func(a, b TriggerConfig) int { return compare(a.Key, b.Key) })
	return count, true
}

// inTurns returns triggers, which are sorted, with those of the endpoint's own namespace before all others, and of those first one of each
// namespace, then a second one of each: so that none takes the room of another.
func inTurns(namespace string, triggers []TriggerConfig) []TriggerConfig {
	type turn struct{ round, at int }
	turns := make([]turn, len(triggers))
	rounds := map[string]int{}
	for i := range triggers {
		turns[i].at = i
		if of := triggers[i].Key.Namespace; of != namespace {
			rounds[of]++
			turns[i].round = rounds[of]
		}
	}
	slices.SortFunc(turns, func(a, b turn) int { return cmp.Or(cmp.Compare(a.round, b.round), cmp.Compare(a.at, b.at)) })
	all := make([]TriggerConfig, len(triggers))
	for i, t := range turns {
		all[i] = triggers[t.at]
	}
	return all
}

// typePaths gathers where bodies have their type, in the order of the triggers, and reports whether there are more places than count.
func typePaths(triggers []TriggerConfig) (paths *notification.TypePaths, more bool) {
	paths = &notification.TypePaths{}
	for i := range triggers {
		if len(triggers[i].TypePaths) == 0 {
			continue
		}
		eventTypes := slices.Sorted(slices.Values(triggers[i].EventTypes))
		for _, path := range triggers[i].TypePaths {
			more = !paths.Add(path, eventTypes) || more
		}
	}
	return paths, more
}

// soleType is the event type of bodies that do not tell, if there is just one event type that has a template. Else it is that of the
// templates before which did not tell it, if there is just one, and all of the present bodies would.
func soleType(present, former []TriggerConfig) string {
	templated := filter(present, func(t *TriggerConfig) bool { return t.Templated })
	if _, one := sole(present); one {
		if only, templates := sole(templated); templates {
			return named(only)
		}
	}
	silent := func(t *TriggerConfig) bool { return len(t.TypePaths) == 0 }
	if before, one := sole(filter(former, silent)); one && len(filter(present, silent)) == 0 {
		return named(before)
	}
	return ""
}

// sole returns the event type of all triggers, and whether there is just one.
func sole(triggers []TriggerConfig) (eventType string, one bool) {
	for i := range triggers {
		for _, t := range triggers[i].EventTypes {
			if one && t != eventType {
				return "", false
			}
			eventType, one = t, true
		}
	}
	return eventType, one
}

func filter(triggers []TriggerConfig, is func(*TriggerConfig) bool) []TriggerConfig {
	return slices.DeleteFunc(slices.Clone(triggers), func(t TriggerConfig) bool { return !is(&t) })
}

// named is an event type that is not all of them.
func named(eventType string) string {
	if eventType == allEventTypes {
		return ""
	}
	return eventType
}
