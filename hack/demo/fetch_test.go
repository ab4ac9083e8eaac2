// SPDX-License-Identifier: Apache-2.0

// Package demo holds tests of the scripts that the demo is made of.
package demo

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

const version = "v1.99.0"

func archiveName() string {
	return fmt.Sprintf("envtest-%s-%s-%s.tar.gz", version, runtime.GOOS, runtime.GOARCH)
}

// archive is what the Kubernetes project publishes for tests, with programs that do nothing.
func archive(t *testing.T, programs ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	files := tar.NewWriter(zipped)
	content := "#!/bin/sh\n"
	for _, name := range programs {
		header := &tar.Header{Name: "controller-tools/envtest/" + name, Mode: 0o755, Size: int64(len(content)), Typeflag: tar.TypeReg}
		if err := files.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := files.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	for _, closer := range []interface{ Close() error }{files, zipped} {
		if err := closer.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

// checkout has what fetch.sh needs, with the checksum of an archive of ours.
func checkout(t *testing.T, pinned []byte) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"cache.sh", "kubernetes/fetch.sh"} {
		text, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), text)
	}
	// The version is taken from the line of linux-amd64, which is published always.
	sums := fmt.Sprintf("%x  %s\n", sha512.Sum512(pinned), archiveName())
	if archiveName() != "envtest-"+version+"-linux-amd64.tar.gz" {
		sums += strings.Repeat("0", 128) + "  envtest-" + version + "-linux-amd64.tar.gz\n"
	}
	write(t, filepath.Join(dir, "kubernetes/envtest.sha512"), []byte(sums))
	return dir
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o755); err != nil {
		t.Fatal(err)
	}
}

// fetch returns the folder that fetch.sh printed, or what it said was wrong.
func fetch(t *testing.T, dir string, environment ...string) (folder, message string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "bash", filepath.Join(dir, "kubernetes/fetch.sh"))
	command.Env = append(append(os.Environ(), "CLOUDINARY_OPERATOR_CACHE="+filepath.Join(dir, "cache")), environment...)
	var out, errors bytes.Buffer
	command.Stdout, command.Stderr = &out, &errors
	if err := command.Run(); err != nil {
		left, _ := filepath.Glob(filepath.Join(dir, "cache/envtest/*"))
		if hidden, _ := filepath.Glob(filepath.Join(dir, "cache/envtest/.new*")); len(left)+len(hidden) > 0 {
			t.Errorf("it left %v %v behind", left, hidden)
		}
		if out.Len() > 0 || strings.Count(errors.String(), "\n") != 1 {
			t.Errorf("it should say one line, on its standard error: %q, %q", out.String(), errors.String())
		}
		return "", errors.String()
	}
	return strings.TrimSpace(out.String()), errors.String()
}

func TestFetchTakesWhatIsPublished(t *testing.T) {
	published := archive(t, "etcd", "kube-apiserver", "kubectl")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/envtest-"+version+"/"+archiveName() {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(published)
	}))
	dir := checkout(t, published)
	folder, message := fetch(t, dir, "ENVTEST_BASE_URL="+server.URL)
	for _, program := range []string{"etcd", "kube-apiserver", "kubectl"} {
		if info, err := os.Stat(filepath.Join(folder, program)); err != nil || info.Mode()&0o100 == 0 {
			t.Errorf("%s is not there to be run: %v %s", program, err, message)
		}
	}
	server.Close()
	if again, message := fetch(t, dir, "ENVTEST_BASE_URL="+server.URL); again != folder {
		t.Errorf("it does not know what it fetched before: %q %s", again, message)
	}
}

func TestFetchRefuses(t *testing.T) {
	published := archive(t, "etcd", "kube-apiserver", "kubectl")
	foreign := archive(t, "etcd", "kube-apiserver", "kubectl", "another")
	incomplete := archive(t, "etcd", "kubectl")
	serve := func(body []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }
	}
	for name, c := range map[string]struct {
		pinned      []byte
		handler     http.HandlerFunc
		environment string
		want        string
	}{
		"another checksum":     {published, serve(foreign), "", "has not the checksum that is expected"},
		"nothing published":    {published, http.NotFound, "", "404"},
		"another architecture": {published, serve(published), "GOARCH=riscv64", "none are published for " + runtime.GOOS + "-riscv64"},
		"a program is missing": {incomplete, serve(incomplete), "", "holds no kube-apiserver"},
		"nobody there":         {published, nil, "ENVTEST_BASE_URL=http://127.0.0.1:1", "127.0.0.1"},
		"not wanted":           {published, serve(published), "ENVTEST_BASE_URL=off", "ENVTEST_BASE_URL is off"},
		"it hangs": {published, func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-time.After(time.Minute):
			}
		}, "", "too slow"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(c.handler)
			defer server.Close()
			begin := time.Now()
			_, message := fetch(t, checkout(t, c.pinned), "ENVTEST_BASE_URL="+server.URL, c.environment)
			if !strings.Contains(message, c.want) {
				t.Errorf("it says %q, and not %q", message, c.want)
			}
			if took := time.Since(begin); took > 30*time.Second {
				t.Errorf("it gave up after %s", took)
			}
		})
	}
}
