// SPDX-License-Identifier: Apache-2.0

//go:build unix

package docs_test

import (
	"os/exec"
	"syscall"
)

// endWithChildren has what a program has started end with it: go run starts the program that it has built.
func endWithChildren(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
