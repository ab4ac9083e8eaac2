// SPDX-License-Identifier: Apache-2.0

package route

import (
	"slices"

	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
)

// ownFirst returns triggers with those of the endpoint's own namespace before all others.
func ownFirst(namespace string, triggers []TriggerConfig) []TriggerConfig {
	var own, others []TriggerConfig
	for i := range triggers {
		if triggers[i].Key.Namespace == namespace {
			own = append(own, triggers[i])
		} else {
			others = append(others, triggers[i])
		}
	}
	return append(own, others...)
}

// typePaths gathers where bodies have their type, in the order of the triggers. A path that several have is there once.
func typePaths(triggers []TriggerConfig) []notification.TypePath {
	var paths []notification.TypePath
	for i := range triggers {
		for _, path := range triggers[i].TypePaths {
			at := slices.IndexFunc(paths, func(p notification.TypePath) bool { return slices.Equal(p.Path, path) })
			if at < 0 {
				at = len(paths)
				paths = append(paths, notification.TypePath{Path: path})
			}
			paths[at].EventTypes = union(paths[at].EventTypes, triggers[i].EventTypes)
		}
	}
	return paths
}

func union(all, more []string) []string {
	for _, one := range more {
		if !slices.Contains(all, one) {
			all = append(all, one)
		}
	}
	return all
}

// soleType is the event type of bodies that do not tell, if there is just one event type that has a template. Else it is that of the
// templates before which did not tell it, if there is just one, and all of the present bodies would.
func soleType(present, former []TriggerConfig) string {
	all, templated := eventTypes(present), eventTypes(filter(present, func(t *TriggerConfig) bool { return t.Templated }))
	if len(all) == 1 && len(templated) == 1 {
		return named(templated[0])
	}
	silent := func(t *TriggerConfig) bool { return len(t.TypePaths) == 0 }
	if before := eventTypes(filter(former, silent)); len(before) == 1 && len(filter(present, silent)) == 0 {
		return named(before[0])
	}
	return ""
}

func filter(triggers []TriggerConfig, is func(*TriggerConfig) bool) []TriggerConfig {
	return slices.DeleteFunc(slices.Clone(triggers), func(t TriggerConfig) bool { return !is(&t) })
}

func eventTypes(triggers []TriggerConfig) (all []string) {
	for i := range triggers {
		all = union(all, triggers[i].EventTypes)
	}
	return all
}

// named is an event type that is not all of them.
func named(eventType string) string {
	if eventType == allEventTypes {
		return ""
	}
	return eventType
}
