// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Confined is a process that may have as much memory as its container would, and is killed by the kernel if it takes more. Where the test
// may not make memory cgroups (version 1, or version 2 with a subtree of its own), nothing kills it, and its peak is compared alone.
type Confined struct {
	pid   int
	limit int64
	group *cgroup // nil: none can be made
}

// Confine confines a process that has just been started.
func Confine(tb testing.TB, pid int, limit int64) *Confined {
	tb.Helper()
	c := &Confined{pid: pid, limit: limit}
	var problems []error
	for _, place := range cgroupPlaces() {
		group, err := place.make(pid, limit)
		if err == nil {
			c.group = group
			tb.Cleanup(func() { group.remove(tb) })
			return c
		}
		problems = append(problems, err)
	}
	tb.Logf("process %d is in no memory cgroup, so that its peak is compared alone: %v", pid, errors.Join(problems...))
	return c
}

// Check fails the test if the process took more than it may, or was killed for it. It returns the most that it had resident so far, in bytes.
func (c *Confined) Check(tb testing.TB) int64 {
	tb.Helper()
	if c.group != nil {
		if n, err := c.group.kills(); err != nil || n > 0 {
			tb.Errorf("the kernel killed %d processes for more than %d MiB of memory, %v", n, c.limit>>20, err)
		}
	}
	peak, err := statusBytes(c.pid, "VmHWM:")
	if err != nil {
		tb.Errorf("the process is gone: %v", err)
	}
	if peak > c.limit {
		tb.Errorf("the process had %d MiB of memory, more than the %d MiB of its container", peak>>20, c.limit>>20)
	}
	return peak
}

// Resident is what the process has resident now, in bytes; 0 if it has ended.
func (c *Confined) Resident() int64 {
	n, _ := statusBytes(c.pid, "VmRSS:")
	return n
}

// statusBytes reads a number of kilobytes from a process's status.
func statusBytes(pid int, name string) (int64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(raw)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == name {
			n, err := strconv.ParseInt(fields[1], 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("process %d has no %s", pid, name)
}

// cgroupPlace is where a memory cgroup may be made.
type cgroupPlace struct {
	folder string
	v2     bool
}

// cgroupPlaces are below the cgroup of this process and, in version 2, beside it: there, one that has processes has no groups with limits.
func cgroupPlaces() []cgroupPlace {
	const root = "/sys/fs/cgroup"
	file, err := os.Open("/proc/self/cgroup")
	if err != nil {
		return nil
	}
	defer func() { _ = file.Close() }()
	var places []cgroupPlace
	for lines := bufio.NewScanner(file); lines.Scan(); {
		// <number>:<controllers>:<path>
		parts := strings.SplitN(lines.Text(), ":", 3)
		if len(parts) != 3 {
			continue
		}
		switch own := parts[2]; parts[1] {
		case "memory":
			places = append(places, cgroupPlace{folder: filepath.Join(root, "memory", own)}, cgroupPlace{folder: filepath.Join(root, "memory")})
		case "":
			places = append(places, cgroupPlace{filepath.Join(root, own), true}, cgroupPlace{filepath.Join(root, filepath.Dir(own)), true})
		}
	}
	return places
}

// cgroup is one that was made.
type cgroup struct {
	cgroupPlace
	pid int
}

func (p cgroupPlace) make(pid int, limit int64) (*cgroup, error) {
	g := &cgroup{cgroupPlace: cgroupPlace{folder: filepath.Join(p.folder, fmt.Sprintf("test-%d", pid)), v2: p.v2}, pid: pid}
	if err := os.Mkdir(g.folder, 0o755); err != nil {
		return nil, err
	}
	file := "memory.limit_in_bytes"
	if p.v2 {
		file = "memory.max"
	}
	// A file that is not there was not made by the kernel: the controller is not to be had.
	if _, err := os.Stat(filepath.Join(g.folder, file)); err != nil {
		return nil, errors.Join(err, os.Remove(g.folder))
	}
	err := errors.Join(
		os.WriteFile(filepath.Join(g.folder, file), []byte(strconv.FormatInt(limit, 10)), 0o600),
		os.WriteFile(filepath.Join(g.folder, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o600),
	)
	if err != nil {
		return nil, errors.Join(err, os.Remove(g.folder))
	}
	return g, nil
}

// kills is how many processes were killed for want of memory.
func (g *cgroup) kills() (int, error) {
	file := "memory.oom_control"
	if g.v2 {
		file = "memory.events"
	}
	raw, err := os.ReadFile(filepath.Join(g.folder, file))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(raw)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "oom_kill" {
			return strconv.Atoi(fields[1])
		}
	}
	return 0, nil // an old kernel does not count them; the process's end tells, too
}

// remove waits for the process to have ended.
func (g *cgroup) remove(tb testing.TB) {
	tb.Helper()
	var err error
	for end := time.Now().Add(removalTime); time.Now().Before(end); time.Sleep(removalLook) {
		if err = os.Remove(g.folder); err == nil {
			return
		}
	}
	tb.Logf("a memory cgroup is left: %v", err)
}

const (
	removalTime = 10 * time.Second
	removalLook = 10 * time.Millisecond
)
