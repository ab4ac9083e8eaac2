// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// state is what is known between two calls: which processes were started, and which ports belong to which
// of them. It is plain text in a folder, and one call at a time has it open.
type state struct {
	dir       string
	lock      *os.File
	processes []process
	ports     []namedPort
}

type namedPort struct {
	name string
	port int
}

// openState reads the state, and keeps every other call away until close.
func openState(ctx context.Context, dir string) (*state, error) {
	for _, folder := range []string{dir, filepath.Join(dir, "log")} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return nil, err
		}
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	s := &state{dir: dir, lock: lock}
	err = poll(ctx, func() (bool, error) {
		err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return false, nil
		}
		return true, err
	})
	if err != nil {
		s.close()
		return nil, fmt.Errorf("wait for another localcluster that uses %s: %w", dir, err)
	}
	if err := s.read(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *state) close() { _ = s.lock.Close() } // Closing gives up the lock.

func (s *state) path(elements ...string) string {
	return filepath.Join(append([]string{s.dir}, elements...)...)
}

func (s *state) logFile(name string) string { return s.path("log", name+".log") }

func (s *state) read() error {
	pids, err := readFields(s.path("pids"), 4)
	if err != nil {
		return err
	}
	for _, line := range pids {
		pid, err := strconv.Atoi(line[1])
		if err != nil {
			return fmt.Errorf("%s: %w", s.path("pids"), err)
		}
		s.processes = append(s.processes, process{name: line[0], pid: pid, born: line[2], fingerprint: line[3]})
	}
	ports, err := readFields(s.path("ports"), 2)
	if err != nil {
		return err
	}
	for _, line := range ports {
		port, err := strconv.Atoi(line[1])
		if err != nil {
			return fmt.Errorf("%s: %w", s.path("ports"), err)
		}
		s.ports = append(s.ports, namedPort{line[0], port})
	}
	return nil
}

// find returns the noted process of that name, which may have ended.
func (s *state) find(name string) (process, bool) {
	i := slices.IndexFunc(s.processes, func(p process) bool { return p.name == name })
	if i < 0 {
		return process{}, false
	}
	return s.processes[i], true
}

func (s *state) note(p process) error {
	s.processes = append(without(s.processes, p.name), p)
	return s.writeProcesses()
}

func (s *state) forget(name string) error {
	s.processes = without(s.processes, name)
	return s.writeProcesses()
}

func (s *state) writeProcesses() error {
	var text strings.Builder
	for _, p := range s.processes {
		fmt.Fprintf(&text, "%s %d %s %s\n", p.name, p.pid, p.born, p.fingerprint)
	}
	return writeFile(s.path("pids"), text.String())
}

// port returns the port of that name, and chooses another where a stranger has taken it since. The name
// begins with that of the process which listens there.
func (s *state) port(ctx context.Context, name string) (int, error) {
	owner, _, _ := strings.Cut(name, "/")
	if err := checkName(owner); err != nil {
		return 0, err
	}
	i := slices.IndexFunc(s.ports, func(p namedPort) bool { return p.name == name })
	if i >= 0 {
		known := s.ports[i].port
		if p, noted := s.find(owner); (noted && p.alive(ctx)) || isFree(ctx, known) {
			return known, nil
		}
		s.ports = slices.Delete(s.ports, i, i+1)
	}
	port, err := freePort(ctx, s.ports)
	if err != nil {
		return 0, err
	}
	s.ports = append(s.ports, namedPort{name, port})
	var text strings.Builder
	for _, p := range s.ports {
		fmt.Fprintf(&text, "%s %d\n", p.name, p.port)
	}
	return port, writeFile(s.path("ports"), text.String())
}

func isFree(ctx context.Context, port int) bool {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}

// Ports are below those that the system gives to outgoing connections, one of which could otherwise have a port before its process does.
const (
	firstPort = 20_000
	lastPort  = 30_000
)

// freePort is a port at which nothing listens, and none of those that were given out already.
func freePort(ctx context.Context, taken []namedPort) (int, error) {
	const ports = lastPort - firstPort
	start := rand.IntN(ports) // other clusters look for ports too
	for i := range ports {
		port := firstPort + (start+i)%ports
		if !slices.ContainsFunc(taken, func(p namedPort) bool { return p.port == port }) && isFree(ctx, port) {
			return port, nil
		}
	}
	return 0, fmt.Errorf("nothing is free between the ports %d and %d", firstPort, lastPort)
}

// checkName keeps names out of which no file name or line could be made.
func checkName(name string) error {
	if !regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`).MatchString(name) {
		return fmt.Errorf("name %q: use lower-case letters, digits and hyphens", name)
	}
	return nil
}

func without(processes []process, name string) []process {
	return slices.DeleteFunc(slices.Clone(processes), func(p process) bool { return p.name == name })
}

// readFields splits a file's lines into n words each. A file that does not exist has none; a line cut short, by a
// full disk for example, is none.
func readFields(path string, n int) ([][]string, error) {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var lines [][]string
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == n {
			lines = append(lines, fields)
		}
	}
	return lines, nil
}

// writeFile replaces a file as a whole, so that a call that is killed leaves the old or the new one.
func writeFile(path, text string) error {
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
