// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a program that runs until it is stopped. Its output goes to a file.
type process struct {
	name    string
	command *exec.Cmd
	log     string
	started time.Time
	ended   chan struct{}
}

func startProcess(ctx context.Context, c *cluster, name string, env []string, program string, args ...string) (*process, error) {
	p := &process{name: name, log: filepath.Join(c.folder, name+".log"), ended: make(chan struct{})}
	output, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = output.Close() }() // The process has its own.

	p.command = exec.CommandContext(context.WithoutCancel(ctx), c.program(program), args...) // stop and kill end it.
	p.command.Env = append(os.Environ(), env...)
	p.command.Stdout, p.command.Stderr = output, output
	p.started = time.Now()
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		_ = p.command.Wait() // How it ended is in its log.
		close(p.ended)
	}()
	return p, nil
}

// failed is the end of the log, where the process has ended by itself.
func (p *process) failed() error {
	if p == nil {
		return nil // It has not been started yet.
	}
	select {
	case <-p.ended:
		log, _ := os.ReadFile(p.log)
		return fmt.Errorf("%s ended by itself:\n%s", p.name, log[max(0, len(log)-4096):])
	default:
		return nil
	}
}

// kill ends the process without a chance to clean up.
func (p *process) kill() { p.end(os.Kill) }

// stop ends it in order.
func (p *process) stop() { p.end(syscall.SIGTERM) }

const stopTimeout = 30 * time.Second

func (p *process) end(signal os.Signal) {
	if p == nil {
		return
	}
	_ = p.command.Process.Signal(signal) // It may have ended.
	select {
	case <-p.ended:
	case <-time.After(stopTimeout):
		_ = p.command.Process.Kill()
		<-p.ended
	}
}

// resetPeak lets the peak memory begin anew, where the system can do that; else it is the peak since the start.
func (p *process) resetPeak() {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.command.Process.Pid), []byte("5"), 0)
}

// peak is the most memory that was resident, in bytes.
func (p *process) peak(ctx context.Context) (int64, error) {
	if runtime.GOOS == "linux" {
		return memoryField(fmt.Sprintf("/proc/%d/status", p.command.Process.Pid), "VmHWM")
	}
	// No peak, but what is resident now.
	output, err := exec.CommandContext(ctx, "ps", "-o", "rss=", "-p", strconv.Itoa(p.command.Process.Pid)).Output()
	if err != nil {
		return 0, fmt.Errorf("ps: %w", err)
	}
	return kilobytes(string(output))
}

// memoryField reads a line such as "VmHWM:  1234 kB".
func memoryField(path, name string) (int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(text) {
		if value, found := strings.CutPrefix(string(line), name+":"); found {
			return kilobytes(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
		}
	}
	return 0, fmt.Errorf("%s has no %s", path, name)
}

func kilobytes(text string) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	return n << 10, err
}

// freePort is one that nobody listens on now.
func freePort(ctx context.Context) (string, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return listener.Addr().String(), listener.Close()
}
