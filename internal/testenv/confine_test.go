// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"os/exec"
	"testing"
)

// failures notes what a test would have failed for.
type failures struct {
	testing.TB
	n int
}

func (f *failures) Errorf(string, ...any) { f.n++ }

func TestAProcessThatTakesMoreThanItMayIsFoundOut(t *testing.T) {
	for name, tc := range map[string]struct {
		limit int64
		bad   bool
	}{
		"enough":   {limit: 64 << 20},
		"too much": {limit: 16 << 20, bad: true},
	} {
		t.Run(name, func(t *testing.T) {
			// It says so once it has 32 MiB, and waits.
			cmd := exec.CommandContext(t.Context(), "sh", "-c", "read begin; x=$(head -c 8000000 /dev/zero | tr '\\0' x); y=$x$x$x; echo done; read end")
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
			})
			c := Confine(t, cmd.Process.Pid, tc.limit)
			if _, err := in.Write([]byte("\n")); err != nil {
				t.Fatal(err)
			}
			_, _ = out.Read(make([]byte, 1)) // its end is an answer, too
			found := &failures{TB: t}
			peak := c.Check(found)
			if (found.n > 0) != tc.bad {
				t.Errorf("%d failures with a peak of %d MiB, want some: %v", found.n, peak>>20, tc.bad)
			}
		})
	}
}
