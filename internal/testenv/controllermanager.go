// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const controllerManagerProgram = "kube-controller-manager"

// controllerManager is a running kube-controller-manager; a nil one stops without doing anything.
type controllerManager struct {
	command *exec.Cmd
	folder  string
	output  *bytes.Buffer
	ended   chan struct{}
	err     error // Once ended is closed.
}

// startControllerManager returns once the process runs. It is not waited for until it has taken up its work:
// what it does is seen in objects only, and tests wait for those.
func startControllerManager(program string, kubeconfig []byte) (*controllerManager, error) {
	folder, err := os.MkdirTemp("", "testenv-")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(folder, "kubeconfig")
	if err := os.WriteFile(path, kubeconfig, 0o600); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	m := &controllerManager{folder: folder, output: &bytes.Buffer{}, ended: make(chan struct{})}
	m.command = exec.CommandContext(context.Background(), program, // No context ends it: stop does.
		"--kubeconfig="+path,
		"--leader-elect=false",
		"--secure-port=0", // Nothing is served, so any number of them run side by side.
		"--controllers=namespace-controller,garbage-collector-controller,serviceaccount-controller",
		"--kube-api-qps=500", "--kube-api-burst=1000",
	)
	m.command.Stdout, m.command.Stderr = m.output, m.output
	if err := m.command.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", controllerManagerProgram, err), os.RemoveAll(folder))
	}
	go func() {
		m.err = m.command.Wait()
		close(m.ended)
	}()
	return m, nil
}

// stop ends the process. One that has ended by itself is an error: the tests ran without it.
func (m *controllerManager) stop() error {
	if m == nil {
		return nil
	}
	remove := os.RemoveAll(m.folder)
	select {
	case <-m.ended:
		return errors.Join(remove, fmt.Errorf("%s ended before the tests did: %w\n%s", controllerManagerProgram, m.err, m.output))
	default:
	}
	if err := m.command.Process.Signal(syscall.SIGTERM); err != nil {
		return errors.Join(remove, err)
	}
	select {
	case <-m.ended: // Its exit code after a signal says nothing.
		return remove
	case <-time.After(processTimeout):
		return errors.Join(remove, fmt.Errorf("%s does not end", controllerManagerProgram), m.command.Process.Kill())
	}
}
