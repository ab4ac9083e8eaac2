// SPDX-License-Identifier: Apache-2.0

package test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
)

// cluster is the control plane that the receiver's tests share. Each test has a namespace of its own, and its receiver sees no other.
var cluster *testenv.Env

// programs is the folder of what is built for the tests.
var programs string

// raceVariable has the receiver built with the race detector. Unset: without, since it is tested at its own speed then.
const raceVariable = "RECEIVER_TEST_RACE"

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	var err error
	if programs, err = os.MkdirTemp("", "programs-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(programs) }() // it is in a folder for what is temporary
	return testenv.Run(m, func(e *testenv.Env) { cluster = e })
}

var (
	receiverProgram = sync.OnceValues(func() (string, error) { return build("receiver") })
	managerProgram  = sync.OnceValues(func() (string, error) { return build("manager") })
)

func build(name string) (string, error) {
	path := filepath.Join(programs, name)
	args := []string{"build", "-o", path}
	if on, _ := strconv.ParseBool(os.Getenv(raceVariable)); on {
		args = append(args, "-race")
	}
	out, err := exec.CommandContext(context.Background(), "go", append(args, "../cmd/"+name)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the %s: %w\n%s", name, err, out)
	}
	return path, nil
}
