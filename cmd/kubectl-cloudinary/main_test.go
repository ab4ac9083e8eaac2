// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheProgram(t *testing.T) {
	program := filepath.Join(t.TempDir(), "kubectl-cloudinary")
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags", "-X main.version=v9.8.7", "-o", program, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	manifest := filepath.Join(t.TempDir(), "trigger.yaml")
	// The operator in the filter is one of Cloudinary's own.
	text := `{"apiVersion":"notifications.cloudinary.dev/v1alpha1","kind":"CloudinaryTrigger","metadata":{"name":"t"},
		"spec":{"endpointRef":{"name":"e"},"eventTypes":["upload"],"filter":{"startsWith":[{"var":"public_id"},"sample"]}}}`
	if err := os.WriteFile(manifest, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		args     []string
		out, err string // parts of what is printed
		code     int
	}{
		"prints its version":           {[]string{"version"}, "v9.8.7\n", "", 0},
		"calls itself as kubectl does": {[]string{"--help"}, "kubectl cloudinary [command]", "", 0},
		"needs no cluster to preview":  {[]string{"preview", "-f", manifest}, "Fires:    yes", "", 0},
		"fails as kubectl does":        {[]string{"status", "--bogus"}, "", "error: unknown flag: --bogus", 1},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			var out, errOut bytes.Buffer
			cmd := exec.CommandContext(t.Context(), program, test.args...)
			cmd.Stdout, cmd.Stderr = &out, &errOut
			cmd.Env = []string{"HOME=" + t.TempDir()}
			err := cmd.Run()
			if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok || ok && exit.ExitCode() != test.code || err == nil && test.code != 0 {
				t.Errorf("ended with %v, want code %d", err, test.code)
			}
			if !strings.Contains(out.String(), test.out) || !strings.Contains(errOut.String(), test.err) {
				t.Errorf("printed %q and %q, want %q and %q", out.String(), errOut.String(), test.out, test.err)
			}
		})
	}
}
