// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// bash runs a script in the folder with programs of our own before those on the PATH.
func bash(t *testing.T, dir, script string, environment ...string) (out, errors string, err error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
	command.Dir = dir
	command.Env = append(append(os.Environ(), "PATH="+filepath.Join(dir, "path")+":"+os.Getenv("PATH"), "KUBEBUILDER_ASSETS="), environment...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err = command.Run()
	return stdout.String(), stderr.String(), err
}

func copyScripts(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "hack", name), text)
	}
}

func TestWhereKubernetesIsFrom(t *testing.T) {
	t.Parallel()
	const (
		recent  = `echo '{"clientVersion": {"gitVersion": "v1.30.0-dispatcher"}}'`
		old     = `echo '{"clientVersion": {"gitVersion": "v1.29.9"}}'`
		fetched = `echo fetched`
		failed  = `echo "curl: (6) Could not resolve host: github.com" >&2; exit 1`
	)
	for name, c := range map[string]struct {
		kubectl, fetch string
		programs       []string // that are there
		assets         string
		folder, says   string
	}{
		"given":                       {recent, failed, []string{"given/etcd", "given/kube-apiserver"}, "given", "given", "the one in KUBEBUILDER_ASSETS"},
		"given without a program":     {recent, fetched, []string{"given/etcd"}, "given", "fetched", "own binaries, checksum verified"},
		"built before":                {recent, failed, []string{"built/etcd", "built/kube-apiserver"}, "", "built", "was built before"},
		"built before, but kubectl":   {old, fetched, []string{"built/etcd", "built/kube-apiserver"}, "", "fetched", "own binaries, checksum verified"},
		"nothing to be fetched":       {recent, failed, nil, "", "built: etcd kube-apiserver", "cannot be fetched (curl: (6) Could not resolve host: github.com)"},
		"nor is kubectl recent":       {old, failed, nil, "", "built: etcd kube-apiserver kubectl", "built from source"},
		"kubectl says nothing useful": {"exit 1", failed, nil, "", "built: etcd kube-apiserver kubectl", "built from source"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			copyScripts(t, dir, "demo/lib.sh", "cache.sh", "progress.sh")
			write(t, filepath.Join(dir, "path/kubectl"), []byte("#!/bin/sh\n"+c.kubectl+"\n"))
			write(t, filepath.Join(dir, "hack/kubernetes/fetch.sh"), []byte("#!/bin/sh\n"+c.fetch+"\n"))
			write(t, filepath.Join(dir, "hack/kubernetes/build.sh"), []byte("#!/bin/sh\n[ \"$1\" = --folder ] && echo built || echo \"built: $*\"\n"))
			for _, program := range c.programs {
				write(t, filepath.Join(dir, program), nil)
			}
			out, says, err := bash(t, dir, `mkdir .local; . hack/demo/lib.sh; kubernetes_programs`, "KUBEBUILDER_ASSETS="+c.assets)
			if err != nil || strings.TrimSpace(out) != c.folder || !strings.Contains(says, c.says) || strings.Count(says, "\n") != 1 {
				t.Errorf("got %q, %q, %v; want %q and one line with %q", out, says, err, c.folder, c.says)
			}
		})
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	const compiling = `#!/bin/sh
case "$1" in
list) printf 'a\nb\nc\n' ;;
build) echo 'go: downloading a v1.0.0' >&2; echo a >&2; echo b >&2; sleep 5; exit $CODE ;;
esac
`
	const script = `. hack/cache.sh; . hack/progress.sh; compile "Build it" bin "" ./a`
	dir := t.TempDir()
	copyScripts(t, dir, "cache.sh", "progress.sh")
	write(t, filepath.Join(dir, "path/go"), []byte(compiling))

	t.Run("it succeeds", func(t *testing.T) {
		t.Parallel()
		out, says, err := bash(t, dir, script, "CODE=0")
		lines := strings.Split(strings.TrimSpace(says), "\n")
		if err != nil || out != "" || len(lines) != 2 ||
			!strings.HasPrefix(lines[0], "Build it: 2 of at most 3 packages, ") || !strings.HasPrefix(lines[1], "Build it: done in ") {
			t.Errorf("got %q, %q, %v", out, says, err)
		}
	})
	t.Run("it fails", func(t *testing.T) {
		t.Parallel()
		_, says, err := bash(t, dir, script, "CODE=1")
		if err == nil || !strings.Contains(says, "go: downloading a v1.0.0\na\nb\n") || !strings.Contains(says, "Build it: failed after ") {
			t.Errorf("what go said is not shown: %q, %v", says, err)
		}
	})
}
