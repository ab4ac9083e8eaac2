// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What would not be what one commit makes is refused before anything is built.
func TestWhatTheScriptRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		file string // beside what is committed
		args []string
		want string
	}{
		"no version":               {want: "usage: make release VERSION=v0.1.0"},
		"an empty version":         {args: []string{""}, want: "usage: make release VERSION=v0.1.0"},
		"a change not committed":   {args: []string{"v0.1.0"}, file: "new.txt", want: "the checkout differs from what is committed"},
		"files of another release": {args: []string{"v0.1.0"}, file: "dist/install.yaml", want: "dist is not empty"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			script := filepath.Join(root, "hack", "release.sh")
			put(t, script, []byte(read(t, filepath.Join("..", "release.sh"))), 0o755)
			put(t, filepath.Join(root, ".gitignore"), []byte("/dist/\n"), 0o644)
			for _, args := range [][]string{
				{"init", "--quiet"},
				{"add", "--all"},
				{"-c", "user.name=nobody", "-c", "user.email=nobody@example.com", "-c", "commit.gpgsign=false", "commit", "--quiet", "--message", "All"},
			} {
				cmd := exec.CommandContext(t.Context(), "git", args...)
				cmd.Dir = root
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("git %s: %v: %s", args[0], err, out)
				}
			}
			if tc.file != "" {
				put(t, filepath.Join(root, filepath.FromSlash(tc.file)), []byte("?"), 0o644)
			}
			out, err := exec.CommandContext(t.Context(), script, tc.args...).CombinedOutput()
			if err == nil || !strings.Contains(string(out), tc.want) {
				t.Errorf("%v, and it said %q, want %q in it", err, out, tc.want)
			}
		})
	}
}
