// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	pollInterval = 50 * time.Millisecond
	// A process that has not ended by then is killed.
	stopTimeout = 45 * time.Second
	// The same for one whose store is gone: kube-apiserver then waits for what cannot come, and has nothing to lose.
	restartTimeout = 3 * time.Second
)

// process is one that was started here. The time it was born is noted beside its id, since the kernel gives an id out again.
type process struct {
	name        string
	pid         int
	born        string
	fingerprint string // of what was started: see fingerprint
}

// start runs a program in a session of its own, so that it outlives this command and its terminal, and notes it.
func start(ctx context.Context, s *state, name string, argv []string, mark string) (process, error) {
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return process{}, err
	}
	log := s.logFile(name)
	_ = os.Rename(log, log+".old") // There is none at the first start.
	output, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND|os.O_TRUNC, 0o600)
	if err != nil {
		return process{}, err
	}
	defer func() { _ = output.Close() }() // The process has its own handle.
	// No context may end it: that is what it is started for.
	command := exec.CommandContext(context.WithoutCancel(ctx), path, argv[1:]...)
	command.Stdout, command.Stderr = output, output
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.Start(); err != nil {
		return process{}, fmt.Errorf("start %s: %w", name, err)
	}
	p := process{name: name, pid: command.Process.Pid, fingerprint: mark}
	born, _, err := look(context.WithoutCancel(ctx), p.pid)
	if err != nil || born == "" {
		return process{}, errors.Join(fmt.Errorf("cannot tell when process %d (%s) was started", p.pid, name), err, command.Process.Kill())
	}
	p.born = born
	if err := s.note(p); err != nil {
		return process{}, errors.Join(err, command.Process.Kill())
	}
	return p, command.Process.Release()
}

// alive reports whether the process still runs, and is not another one with the same id.
func (p process) alive(ctx context.Context) bool {
	born, ended, err := look(ctx, p.pid)
	return err == nil && !ended && born == p.born
}

// end asks the process to end, waits for that, and kills it where it does not. One that has ended is left alone.
func (p process) end(ctx context.Context, timeout time.Duration) error {
	if !p.alive(ctx) {
		return nil
	}
	if err := p.signal(ctx, syscall.SIGTERM, timeout); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return p.signal(ctx, syscall.SIGKILL, stopTimeout)
}

func (p process) signal(ctx context.Context, signal syscall.Signal, timeout time.Duration) error {
	if err := syscall.Kill(p.pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("end process %d (%s): %w", p.pid, p.name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := poll(ctx, func() (bool, error) { return !p.alive(ctx), nil })
	if err != nil {
		return fmt.Errorf("wait for process %d (%s) to end: %w", p.pid, p.name, err)
	}
	return nil
}

// look returns when a process was born, in words that compare equal for the same process only, and whether it has
// ended and is merely not collected by its parent yet. No words: there is no such process.
func look(ctx context.Context, pid int) (born string, ended bool, err error) {
	if boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil {
		return lookInProc(pid, strings.TrimSpace(string(boot)))
	}
	return lookWithPS(ctx, pid)
}

// lookInProc reads what Linux says: exact, unlike the dates of ps, which move with the clock. The time counts from
// the boot, so the boot belongs to it.
func lookInProc(pid int, boot string) (born string, ended bool, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return "", true, nil
	}
	if err != nil {
		return "", false, err
	}
	// The second field is a name in parentheses that may hold anything; the third is the state, the 22nd the time.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 20 {
		return "", false, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	return boot + "/" + fields[19], isEnded(fields[0]), nil
}

func lookWithPS(ctx context.Context, pid int) (born string, ended bool, err error) {
	command := exec.CommandContext(ctx, "ps", "-o", "stat=,lstart=", "-p", strconv.Itoa(pid))
	command.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	output, err := command.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && len(bytes.TrimSpace(output)) == 0 {
		return "", true, nil // That is how ps says that there is none.
	}
	if err != nil {
		return "", false, fmt.Errorf("run ps: %w", err)
	}
	fields := strings.Fields(string(output))
	if len(fields) < 2 {
		return "", true, nil
	}
	return strings.Join(fields[1:], "_"), isEnded(fields[0]), nil
}

func isEnded(state string) bool {
	return strings.HasPrefix(state, "Z") || strings.HasPrefix(state, "X")
}

// fingerprint is a hash of a command line, and of the files it depends on, by which a later call sees that
// something else than what runs is wanted now.
func fingerprint(argv []string, files ...string) (string, error) {
	hash := sha256.New()
	fmt.Fprintf(hash, "%q\n", argv)
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			return "", err
		}
		_, err = io.Copy(hash, file)
		if err := errors.Join(err, file.Close()); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(hash.Sum(nil))[:16], nil
}

// waitUntil polls check until it returns nil. It gives up when the process has ended or after the timeout, and then says what
// the process wrote last, and where the rest is.
func waitUntil(ctx context.Context, s *state, p process, timeout time.Duration, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	last := errors.New("nothing was tried")
	err := poll(ctx, func() (bool, error) {
		if last = check(ctx); last == nil {
			return true, nil
		}
		if !p.alive(ctx) {
			return false, errors.New("it has ended")
		}
		return false, nil
	})
	if err == nil {
		return nil
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("not ready after %s: %w", timeout, last)
	}
	return fmt.Errorf("%s: %w; its log, %s, ends in\n%s", p.name, err, s.logFile(p.name), tail(s.logFile(p.name), 10))
}

func tail(path string, n int) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "(" + err.Error() + ")"
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return "  " + strings.Join(lines[max(0, len(lines)-n):], "\n  ")
}

// poll calls check until it says that it is done, or fails, or the context ends.
func poll(ctx context.Context, check func() (done bool, err error)) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		if done, err := check(); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// absolute is a path that is right in any working directory; a name without a slash is looked for in PATH.
func absolute(program string) (string, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}
