// SPDX-License-Identifier: Apache-2.0

package membudget

import (
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
)

// ContainerLimit is the lowest limit of memory on a process's cgroup, and those that it is in: math.MaxInt64 if there is none. files are
// those of the system, from its root, without a slash in front.
func ContainerLimit(files fs.FS) int64 {
	limit := int64(math.MaxInt64)
	raw, err := fs.ReadFile(files, "proc/self/cgroup")
	if err != nil {
		return limit // there are no cgroups
	}
	for line := range strings.Lines(string(raw)) {
		// <number>:<controllers>:<path>, where version 2 has no controllers
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, own, _ := strings.Cut(rest, ":")
		root, name := "sys/fs/cgroup", "memory.max"
		switch controllers {
		case "":
		case "memory":
			root, name = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		// In a container the path may be one that only the host has: then its own group is the root.
		for at := path.Join("/", own); ; at = path.Dir(at) {
			limit = min(limit, limitIn(files, path.Join(root, at, name)))
			if at == "/" {
				break
			}
		}
	}
	return limit
}

func limitIn(files fs.FS, name string) int64 {
	raw, err := fs.ReadFile(files, name)
	if err != nil {
		return math.MaxInt64
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64)
	// Version 2 says max; version 1 says so many whole pages.
	const pages = 64 << 10
	if err != nil || n <= 0 || n > math.MaxInt64-pages {
		return math.MaxInt64
	}
	return n
}
