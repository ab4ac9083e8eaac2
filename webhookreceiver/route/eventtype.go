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
