// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

// The contenders.
const (
	bare     = "bare"      // a handler that reads the body and answers 200
	fsync    = "fsync"     // the same that first writes the body to a file and calls fsync, the least that durability costs
	verify   = "verify"    // the receiver's handler, storing nothing
	slots    = "slots"     // the same that first writes the body to a file and calls fsync, the least that the queue could cost
	store    = "store"     // the receiver's handler and queue, in one program without anything else
	durable  = "durable"   // the receiver's program, with its log and its counters
	keysOnly = "keys-only" // the same without targets, so that nothing but deduplication keys is stored
)

func contenderNames() []string { return []string{bare, fsync, verify, slots, store, durable, keysOnly} }

// noCluster is a kubeconfig that leads nowhere: the receiver serves the routes of its last run, which the benchmark wrote.
const noCluster = `apiVersion: v1
kind: Config
clusters: [{name: none, cluster: {server: "http://127.0.0.1:1"}}]
contexts: [{name: none, context: {cluster: none, user: none}}]
users: [{name: none}]
current-context: none
`

// turn starts a contender, fires at it, and stops it.
func turn(ctx context.Context, o *options, l *load, name string, connections int) (result, error) {
	dir, err := os.MkdirTemp(o.dir, name+"-")
	if err != nil {
		return result{}, fmt.Errorf("make a folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	cmd, addr, err := start(ctx, o, name, dir)
	if err != nil {
		return result{}, err
	}
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		return result{}, fmt.Errorf("start: %w", err)
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it is ended by a signal
		close(exited)
	}()
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-exited:
		case <-time.After(30 * time.Second):
			_ = cmd.Process.Kill()
			<-exited
		}
	}()
	if err := waitUntilServed(ctx, addr); err != nil {
		return result{}, fmt.Errorf("%w: %s", err, log.String())
	}
	idle := rss(cmd.Process.Pid, "VmRSS")
	r, err := l.fire(ctx, addr, connections, o.duration)
	if err != nil {
		return result{}, fmt.Errorf("%w: %s", err, lastLines(log.Bytes()))
	}
	r.contender, r.idleRSS, r.topRSS = name, idle, rss(cmd.Process.Pid, "VmHWM")
	return r, nil
}

func lastLines(log []byte) []byte { return log[max(0, len(log)-2000):] }

func start(ctx context.Context, o *options, name, dir string) (*exec.Cmd, string, error) {
	addr, err := freeAddress(ctx)
	if err != nil {
		return nil, "", err
	}
	if name != durable && name != keysOnly {
		self, err := os.Executable()
		if err != nil {
			return nil, "", fmt.Errorf("find this program: %w", err)
		}
		args := []string{"serve", "--contender", name, "--addr", addr, "--endpoints", strconv.Itoa(o.endpoints), "--dir", filepath.Join(dir, "store")}
		if o.profile != "" {
			args = append(args, "--profile", filepath.Join(o.profile, name+".pprof"))
		}
		return exec.CommandContext(ctx, self, args...), addr, nil
	}
	kubeconfig := filepath.Join(dir, "kubeconfig")
	store := filepath.Join(dir, "store")
	if err := errors.Join(os.WriteFile(kubeconfig, []byte(noCluster), 0o600), os.Mkdir(store, 0o700)); err != nil {
		return nil, "", fmt.Errorf("prepare the receiver: %w", err)
	}
	if _, err := route.SaveSnapshot(store, configs(o.endpoints, name)); err != nil {
		return nil, "", err
	}
	args := []string{
		"--kubeconfig", kubeconfig, "--namespace", namespace, "--store-dir", store, "--notifications-bind-address", addr,
		"--metrics-bind-address", "0", "--admin-bind-address", "0", "--health-probe-bind-address", "0", "--shutdown-delay", "0s", "--store-max-bytes", strconv.Itoa(storeMaxBytes),
	}
	return exec.CommandContext(ctx, o.receiver, args...), addr, nil
}

func freeAddress(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a port: %w", err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), nil
}

// waitUntilServed waits until a GET is answered as anything but "not yet".
func waitUntilServed(ctx context.Context, addr string) error {
	client := &http.Client{Timeout: time.Second}
	url := "http://" + addr + "/v1/notifications/" + namespace + "/e0"
	for range 200 {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return fmt.Errorf("ask: %w", err)
		}
		if answer, err := client.Do(req); err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode != http.StatusServiceUnavailable {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait: %w", ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
	return errors.New("it does not serve")
}

// rss is a process's memory in MiB, by the field of its status: VmRSS now, VmHWM at most; 0 where the system does not tell.
func rss(pid int, field string) float64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	m := regexp.MustCompile(field + `:\s+(\d+) kB`).FindSubmatch(raw)
	if m == nil {
		return 0
	}
	kib, _ := strconv.ParseFloat(string(m[1]), 64) // digits
	return kib / 1024
}

// measureSync is how long it takes to write 4 KiB and have them on the disk, the median of many.
func measureSync(dir string) (time.Duration, error) {
	f, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		return 0, fmt.Errorf("measure the disk: %w", err)
	}
	defer func() { _ = f.Close(); _ = os.Remove(f.Name()) }()
	block := make([]byte, 4096)
	var took []time.Duration
	for i := range 300 {
		begin := time.Now()
		if _, err := f.WriteAt(block, int64(i%64)*4096); err != nil {
			return 0, fmt.Errorf("measure the disk: %w", err)
		}
		if err := f.Sync(); err != nil {
			return 0, fmt.Errorf("measure the disk: %w", err)
		}
		took = append(took, time.Since(begin))
	}
	return median(took[50:]), nil
}
