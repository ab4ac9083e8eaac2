// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCommandsThatCannotWork(t *testing.T) {
	out := t.TempDir()
	for name, tc := range map[string]struct {
		args []string
		want []string
	}{
		"no command":              {want: []string{"a command is missing", "archives"}},
		"another command":         {args: []string{"push"}, want: []string{`unknown command "push"`, "layers"}},
		"a word too much":         {args: []string{"archives", "now"}, want: []string{`unexpected argument "now"`}},
		"no platform":             {args: []string{"archives", "--platforms", ""}, want: []string{"--platforms", `""`, "linux/amd64"}},
		"another system":          {args: []string{"archives", "--platforms", "linux/amd64,windows/amd64"}, want: []string{"--platforms", `"windows/amd64"`}},
		"a variant":               {args: []string{"layers", "--platform", "linux/arm/v7", "--output", out}, want: []string{"--platform", `"linux/arm/v7"`}},
		"a platform twice":        {args: []string{"archives", "--platforms", "linux/amd64, linux/amd64"}, want: []string{"--platforms", "twice"}},
		"another folder":          {args: []string{"archives", "--root", out}, want: []string{"--root", out}},
		"layers to nowhere":       {args: []string{"layers"}, want: []string{"--output is required"}},
		"single without a name":   {args: []string{"single", "--package", "./hack/node/pause", "--output", out}, want: []string{"--ref"}},
		"a name without a tag":    {args: []string{"single", "--package", "./hack/node/pause", "--output", out, "--ref", "localhost/pause"}, want: []string{"--ref", "tag"}},
		"a package that is none":  {args: []string{"single", "--package", "./hack/nowhere", "--output", filepath.Join(out, "x"), "--ref", "localhost/x:1"}, want: []string{"nowhere"}},
		"a package that runs not": {args: []string{"single", "--package", "./internal/release", "--output", filepath.Join(out, "x"), "--ref", "localhost/x:1"}, want: []string{"build ./internal/release", "no main packages"}},
		"a version for no tag": {
			args: []string{"archives", "--version", "v1+dirty", "--commit", "abc", "--output", out},
			want: []string{`"v1+dirty"`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := run(t.Context(), tc.args, io.Discard, io.Discard)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %s", err, want)
				}
			}
		})
	}
	if left, err := os.ReadDir(out); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// gitCheckout makes a git checkout of one commit, and returns its folder and the commit.
func gitCheckout(t *testing.T) (folder, commit string) {
	t.Helper()
	folder = t.TempDir()
	git := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"}, args...)...)
		cmd.Dir = folder
		cmd.Env = append(os.Environ(), "GIT_COMMITTER_DATE=2026-11-22T10:00:00Z", "GIT_AUTHOR_DATE=2020-01-01T00:00:00Z")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "-q")
	git("commit", "-q", "--allow-empty", "-m", "Begin")
	git("tag", "v1.2.3")
	return folder, git("rev-parse", "HEAD")
}

func TestTheEditionIsThatOfTheCommit(t *testing.T) {
	folder, commit := gitCheckout(t)
	empty := t.TempDir()
	t.Setenv("GIT_CEILING_DIRECTORIES", filepath.Dir(empty))
	committed := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		folder  string
		given   edition
		epoch   string
		want    edition
		problem string
	}{
		"all from git":                      {folder: folder, want: edition{version: "v1.2.3", commit: commit, created: committed}},
		"a version of its own":              {folder: folder, given: edition{version: "v2"}, want: edition{version: "v2", commit: commit, created: committed}},
		"another time":                      {folder: folder, epoch: "86400", want: edition{version: "v1.2.3", commit: commit, created: time.Unix(86400, 0).UTC()}},
		"no git, as in the Dockerfile":      {folder: empty, given: edition{version: "v2", commit: "abc"}, want: edition{version: "v2", commit: "abc", created: epoch()}},
		"no git, but a time":                {folder: empty, given: edition{version: "v2", commit: "abc"}, epoch: "1", want: edition{version: "v2", commit: "abc", created: time.Unix(1, 0).UTC()}},
		"no git, and no version":            {folder: empty, given: edition{commit: "abc"}, problem: "--version must be given"},
		"no git, and no commit":             {folder: empty, given: edition{version: "v2"}, problem: "--commit must be given"},
		"a time that is none":               {folder: folder, epoch: "yesterday", problem: `SOURCE_DATE_EPOCH is "yesterday"`},
		"a time that no archive can record": {folder: folder, epoch: "-1", problem: "seconds since 1970"},
	} {
		t.Run(name, func(t *testing.T) {
			got := tc.given
			err := checkout{root: tc.folder, log: io.Discard}.complete(t.Context(), &got, func(string) string { return tc.epoch })
			if (err != nil) != (tc.problem != "") || err != nil && !strings.Contains(err.Error(), tc.problem) {
				t.Fatalf("error %v, want one that says %q", err, tc.problem)
			}
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(edition{})); err == nil && diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
