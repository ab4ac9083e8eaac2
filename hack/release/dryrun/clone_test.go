// SPDX-License-Identifier: Apache-2.0

// Package dryrun makes a whole release as hack/release.sh does, and checks it as those do who install it. It is no part of make test, since
// it takes minutes: make test-release runs it.
package dryrun

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	version = "v0.1.0-rc.1"
	// All commits of a test are made at this time, so that they are one.
	commitTime = "2026-11-22T12:00:00Z"
)

func projectRoot(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", "..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// command runs a program and returns what it printed; where it fails, the test ends with what it complained about.
func command(t *testing.T, folder string, env []string, program string, args ...string) string {
	t.Helper()
	out, err := attempt(t.Context(), folder, env, program, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func attempt(ctx context.Context, folder string, env []string, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), env...)
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		return "", errors.Join(err, errors.New(program+" "+strings.Join(args, " ")+": "+complaints.String()))
	}
	return out.String(), nil
}

// clone is the project as it is in the checkout, in a clone of its own in which all of it is committed.
func clone(t *testing.T, name string) string {
	t.Helper()
	root, target := projectRoot(t), filepath.Join(t.TempDir(), name)
	command(t, root, nil, "git", "clone", "--quiet", "--no-local", "--depth", "1", "file://"+root, target)
	tracked := command(t, root, nil, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate")
	for file := range strings.SplitSeq(strings.TrimSuffix(tracked, "\x00"), "\x00") {
		copyFile(t, filepath.Join(root, file), filepath.Join(target, file))
	}
	command(t, target, nil, "git", "add", "--all")
	command(t, target, []string{"GIT_AUTHOR_DATE=" + commitTime, "GIT_COMMITTER_DATE=" + commitTime},
		"git", "-c", "user.name=nobody", "-c", "user.email=nobody@example.com", "-c", "commit.gpgsign=false", "commit", "--quiet", "--allow-empty", "--message", "As it is")
	return target
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	info, err := os.Lstat(from)
	if errors.Is(err, fs.ErrNotExist) {
		// Deleted, and not committed yet.
		if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(from)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o755)
	}
	if err == nil {
		err = os.WriteFile(to, content, info.Mode().Perm())
	}
	if err == nil {
		err = os.Chmod(to, info.Mode().Perm())
	}
	if err != nil {
		t.Fatal(err)
	}
}
