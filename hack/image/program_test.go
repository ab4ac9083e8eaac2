// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"compress/gzip"
	"debug/buildinfo"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestProgram(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1795341600")
	target := filepath.Join(t.TempDir(), "new", "listener_windows_arm64.tar.gz")
	args := []string{
		"program", "--root", copyCheckout(t, "project"), "--version", "v1.2.3", "--commit", "abc", "--with", "hack/krew/kubectl_complete-cloudinary",
		"--package", "./config/samples/listener", "--platform", "windows/arm64", "--output", target,
	}
	if err := run(t.Context(), args, io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(read(t, target)))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(unpacked)
	if err != nil || !unpacked.ModTime.IsZero() || unpacked.Name != "" {
		t.Fatalf("the compression tells of %q at %s (%v)", unpacked.Name, unpacked.ModTime, err)
	}
	files := entries(t, raw)
	info, err := buildinfo.Read(bytes.NewReader(files["listener.exe"].content))
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if diff := cmp.Diff([]string{"windows", "arm64"}, []string{settings["GOOS"], settings["GOARCH"]}); diff != "" {
		t.Errorf("platform (-want +got):\n%s", diff)
	}
	for name, from := range map[string]string{"LICENSE": "LICENSE", "kubectl_complete-cloudinary": "hack/krew/kubectl_complete-cloudinary"} {
		if diff := cmp.Diff(string(read(t, filepath.Join("..", "..", from))), string(files[name].content)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	modes := []int64{files["listener.exe"].header.Mode, files["kubectl_complete-cloudinary"].header.Mode, files["LICENSE"].header.Mode}
	if diff := cmp.Diff([]int64{0o755, 0o755, 0o644}, modes); diff != "" {
		t.Errorf("modes (-want +got):\n%s", diff)
	}
	found := false
	for name := range files {
		found = found || strings.HasPrefix(name, "licenses/third_party/go@go")
		if strings.HasPrefix(name, "licenses/third_party/golang.org/") {
			t.Error("there is a license of golang.org, of which nothing is linked into the sample: the certificates are the images' alone")
		}
	}
	if !found {
		t.Error("the license of Go is missing")
	}
}

func TestProgramsThatCannotBe(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"a script that is not there": {
			args: []string{"--package", "./config/samples/listener", "--output", "x", "--platform", "linux/amd64", "--with", "hack/nowhere"}, want: "--with: open ",
		},
		"no package":              {args: []string{"--platform", "linux/amd64", "--output", "x"}, want: "--package, --platform and --output are required"},
		"an architecture missing": {args: []string{"--package", "./cmd/manager", "--output", "x", "--platform", "darwin"}, want: `"darwin" is no platform`},
		"a platform that Go does not know": {
			args: []string{"--package", "./config/samples/listener", "--output", "x", "--platform", "beos/m68k"}, want: "unsupported GOOS/GOARCH pair beos/m68k",
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := run(t.Context(), append([]string{"program", "--version", "v1", "--commit", "HEAD"}, tc.args...), io.Discard, io.Discard)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q in it", err, tc.want)
			}
		})
	}
}
