// SPDX-License-Identifier: Apache-2.0

package main

import (
	"debug/buildinfo"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestProgram(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1795341600")
	target := filepath.Join(t.TempDir(), "tree")
	args := []string{
		"program", "--root", copyCheckout(t, "project"), "--version", "v1.2.3", "--commit", "abc",
		"--package", "./config/samples/listener", "--platform", "windows/arm64", "--output", target,
	}
	if err := run(t.Context(), args, io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(filepath.Join(target, "listener.exe"))
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
	if diff := cmp.Diff(string(read(t, filepath.Join("..", "..", "LICENSE"))), string(read(t, filepath.Join(target, "LICENSE")))); diff != "" {
		t.Errorf("the project's license (-want +got):\n%s", diff)
	}
	licensed, err := os.ReadDir(filepath.Join(target, "licenses", "third_party"))
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, folder := range licensed {
		found = found || strings.HasPrefix(folder.Name(), "go@go")
		if folder.Name() == "golang.org" {
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
