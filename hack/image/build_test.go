// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// copyCheckout copies the project as git sees it, without its history, to a folder of another name.
func copyCheckout(t *testing.T, name string) string {
	t.Helper()
	root := filepath.Join("..", "..")
	list := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(t.TempDir(), name)
	for path := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		content, err := os.ReadFile(filepath.Join(root, path))
		if errors.Is(err, os.ErrNotExist) {
			continue // deleted, and not committed yet
		}
		to := filepath.Join(target, path)
		if err := errors.Join(err, os.MkdirAll(filepath.Dir(to), 0o700), os.WriteFile(to, content, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return target
}

// builtImages builds all images from two copies of the project, for this machine, and returns those of the first by their names.
func builtImages(t *testing.T) map[string]v1.Image {
	t.Helper()
	images := map[string]v1.Image{}
	t.Setenv("SOURCE_DATE_EPOCH", "1795341600")
	var archives []map[string][]byte
	for _, name := range []string{"first", "a second one"} {
		root := copyCheckout(t, name)
		var said bytes.Buffer
		args := []string{"archives", "--root", root, "--version", "v1.2.3", "--commit", "abc", "--platforms", "linux/" + runtime.GOARCH}
		if err := run(t.Context(), args, &said, io.Discard); err != nil {
			t.Fatal(err)
		}
		found := map[string][]byte{}
		for _, d := range descriptions() {
			file := filepath.Join("dist", "image-"+d.name+"-v1.2.3.tar")
			found[d.name] = read(t, filepath.Join(root, file))
			index, manifest := unpackedIndex(t, filepath.Join(root, file))
			top := manifest.Manifests[0]
			if want := file + "  ghcr.io/cloudinary-operator/" + d.name + ":v1.2.3@" + top.Digest.String() + "\n"; !strings.Contains(said.String(), want) {
				t.Errorf("said %q, want %q among it", said.String(), want)
			}
			images[d.name] = onlyImage(t, index, top.Digest)
		}
		archives = append(archives, found)
	}
	for name := range archives[0] {
		if !bytes.Equal(archives[0][name], archives[1][name]) {
			t.Errorf("two builds of %s differ", name)
		}
	}
	return images
}

func onlyImage(t *testing.T, top v1.ImageIndex, digest v1.Hash) v1.Image {
	t.Helper()
	index, err := top.ImageIndex(digest)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil || len(manifest.Manifests) != 1 {
		t.Fatalf("%+v, want one platform: %v", manifest, err)
	}
	image, err := index.Image(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// One test, since building takes long.
func TestTheImagesOfThisCheckout(t *testing.T) {
	images := builtImages(t)
	for _, d := range descriptions() {
		t.Run(d.name, func(t *testing.T) {
			files := entries(t, layerOf(t, images[d.name]))
			want := []string{"etc", "licenses"}
			linked := map[string]bool{"go@" + runtime.Version(): true}
			for _, pkg := range d.packages {
				program := filepath.Base(pkg)
				want = append(want, program)
				checkProgram(t, program, files[program], linked)
			}
			top := map[string]bool{}
			for name := range files {
				first, _, _ := strings.Cut(name, "/")
				top[first] = true
			}
			slices.Sort(want)
			if diff := cmp.Diff(want, slices.Sorted(maps.Keys(top))); diff != "" {
				t.Errorf("what is in the image (-want +got):\n%s", diff)
			}
			checkLicenses(t, files, linked)
			if diff := cmp.Diff("nonroot:x:65532:65532:nonroot:/:/sbin/nologin\n", string(files["etc/passwd"].content)); diff != "" {
				t.Errorf("passwd (-want +got):\n%s", diff)
			}
			config, err := images[d.name].ConfigFile()
			if err != nil {
				t.Fatal(err)
			}
			if config.Created.Unix() != 1795341600 || config.Config.User != "65532:65532" || config.Config.Labels["org.opencontainers.image.revision"] != "abc" {
				t.Errorf("the configuration is not that of the build: %+v", config)
			}
		})
	}
	checkVersions(t, images["cloudinary-operator"])
}

// checkProgram adds the modules that a program says it is made of.
func checkProgram(t *testing.T, name string, program entry, linked map[string]bool) {
	t.Helper()
	if program.header.Mode != 0o755 {
		t.Errorf("%s has the mode %o", name, program.header.Mode)
	}
	binary, err := elf.NewFile(bytes.NewReader(program.content))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if binary.Section(".interp") != nil {
		t.Errorf("%s needs a loader, which is not in the image", name)
	}
	info, err := buildinfo.Read(bytes.NewReader(program.content))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for _, m := range info.Deps {
		linked[m.Path+"@"+m.Version] = true
	}
}

// checkLicenses compares with what the programs themselves say they are made of.
func checkLicenses(t *testing.T, files map[string]entry, linked map[string]bool) {
	t.Helper()
	if diff := cmp.Diff(string(read(t, filepath.Join("..", "..", "LICENSE"))), string(files["licenses/LICENSE"].content)); diff != "" {
		t.Errorf("the project's license (-want +got):\n%s", diff)
	}
	licensed := map[string]bool{}
	for name, f := range files {
		inside, ok := strings.CutPrefix(name, "licenses/third_party/")
		folder, base, _ := cutLast(inside)
		if !ok || base == "" {
			continue
		}
		if len(f.content) == 0 {
			t.Errorf("%s is empty", name)
		}
		// A license of a folder inside of a module is beside that of the module.
		if _, version, ok := strings.Cut(folder, "@"); ok && !strings.Contains(version, "/") {
			licensed[folder] = true
		}
	}
	certificates := slices.DeleteFunc(slices.Collect(maps.Keys(licensed)), func(m string) bool { return !strings.HasPrefix(m, "golang.org/x/crypto/x509roots/") })
	if len(certificates) != 1 {
		t.Errorf("licenses of the certificates: %v, want one", certificates)
	}
	for _, m := range certificates {
		delete(licensed, m)
	}
	if diff := cmp.Diff(linked, licensed); diff != "" {
		t.Errorf("modules with a license (-linked +licensed):\n%s", diff)
	}
}

func cutLast(path string) (folder, base string, found bool) {
	i := strings.LastIndex(path, "/")
	if i < 0 {
		return "", path, false
	}
	return path[:i], path[i+1:], true
}

// checkVersions runs the programs, which are for this machine's platform.
func checkVersions(t *testing.T, image v1.Image) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Logf("not on %s: what the programs of the image say of themselves", runtime.GOOS)
		return
	}
	files := entries(t, layerOf(t, image))
	for _, name := range []string{"manager", "receiver"} {
		program := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(program, files[name].content, 0o700); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), program, "version", "-o", "json").Output()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var got map[string]string
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatalf("%s: %v in %s", name, err, out)
		}
		want := map[string]string{"version": "v1.2.3", "commit": "abc", "goVersion": runtime.Version(), "platform": "linux/" + runtime.GOARCH}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// The form for one program of any kind, as the end-to-end tests use it.
func TestSingle(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pause.tar")
	args := []string{"single", "--package", "./hack/node/pause", "--ref", "localhost/pause:1", "--output", file}
	if err := run(t.Context(), args, io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	index, manifest := unpackedIndex(t, file)
	if got := manifest.Manifests[0].Annotations["io.containerd.image.name"]; got != "localhost/pause:1" {
		t.Errorf("the name is %q", got)
	}
	image := onlyImage(t, index, manifest.Manifests[0].Digest)
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	got := []string{config.OS + "/" + config.Architecture, config.Config.User, strings.Join(config.Config.Entrypoint, " ")}
	if diff := cmp.Diff([]string{"linux/" + runtime.GOARCH, "65532:65532", "/pause"}, got); diff != "" {
		t.Errorf("platform, user and program (-want +got):\n%s", diff)
	}
	names := slices.Sorted(maps.Keys(entries(t, layerOf(t, image))))
	want := []string{"etc/", "etc/group", "etc/passwd", "etc/ssl/", "etc/ssl/certs/", "etc/ssl/certs/ca-certificates.crt", "pause"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}
