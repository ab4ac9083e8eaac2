// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

const epoch = "1795341600"

// sample is a release in folders of a test's own.
func sample(t *testing.T) release {
	t.Helper()
	created, err := parseEpoch(epoch)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	return release{
		root: folder, dist: filepath.Join(folder, "dist"),
		version: "v1.2.3", registry: "registry.example.com/mirror", created: created,
	}
}

func put(t *testing.T, file string, content []byte, mode fs.FileMode) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, content, mode)); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// thisProgram is a Go program that is at hand: the test itself.
func thisProgram(t *testing.T) []byte {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return []byte(read(t, program))
}

// putImage writes the operator's archive as hack/image does, for two platforms, and returns the digest of its index.
func putImage(t *testing.T, r release, files ...entry) string {
	t.Helper()
	raw := tarOf(t, files...)
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil })
	if err != nil {
		t.Fatal(err)
	}
	index := v1.ImageIndex(empty.Index)
	for _, architecture := range []string{"amd64", "arm64"} {
		one, err := mutate.AppendLayers(empty.Image, layer)
		if err == nil {
			one, err = mutate.ConfigFile(one, &v1.ConfigFile{OS: "linux", Architecture: architecture, RootFS: v1.RootFS{Type: "layers", DiffIDs: diffs(t, one)}})
		}
		if err != nil {
			t.Fatal(err)
		}
		platform := &v1.Platform{OS: "linux", Architecture: architecture}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: one, Descriptor: v1.Descriptor{Platform: platform}})
	}
	folder := t.TempDir()
	if _, err := layout.Write(folder, mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: index})); err != nil {
		t.Fatal(err)
	}
	archive(t, folder, filepath.Join(r.dist, "image-"+operatorImage+"-"+r.version+".tar"))
	digest, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest.String()
}

func diffs(t *testing.T, image v1.Image) []v1.Hash {
	t.Helper()
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	return config.RootFS.DiffIDs
}

func tarOf(t *testing.T, files ...entry) []byte {
	t.Helper()
	var raw bytes.Buffer
	out := tar.NewWriter(&raw)
	for _, f := range files {
		header := &tar.Header{Typeflag: tar.TypeReg, Name: f.path, Mode: f.mode, Size: int64(len(f.content))}
		if err := out.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write(f.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return raw.Bytes()
}

// archive writes a folder's files as a tar.
func archive(t *testing.T, folder, target string) {
	t.Helper()
	var files []entry
	err := fs.WalkDir(os.DirFS(folder), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, entry{path: name, mode: 0o644, content: []byte(read(t, filepath.Join(folder, name)))})
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	put(t, target, tarOf(t, files...), 0o644)
}

func TestVersions(t *testing.T) {
	for version, ok := range map[string]bool{
		"v0.1.0": true, "v10.20.30": true, "v0.1.0-rc.1": true, "v1.0.0-alpha": true,
		"": false, "0.1.0": false, "v0.1": false, "v01.1.0": false, "v0.1.0+build": false, "v0.1.0-": false, "v0.1.0-rc..1": false, "main": false,
		"v0.1.0\nv0.2.0": false, "v0.1.0-3-gabcdef-dirty": true,
		// Helm refuses the first, and orders the others before or after what they are not.
		"v0.1.0-rc.01": false, "v0.1.0-rc1": false, "v0.1.0-beta2": false, "v0.1.0-rc.10": true, "v0.1.0-0.1": true, "v0.1.0-rc.1-dirty": true,
	} {
		t.Run(version, func(t *testing.T) {
			_, err := parse("check", []string{"--version", version}, func(string) string { return "" })
			if (err == nil) != ok {
				t.Errorf("got %v, want it to be taken: %v", err, ok)
			}
		})
	}
}

func TestCommandsThatCannotWork(t *testing.T) {
	for name, tc := range map[string]struct {
		args  []string
		epoch string
		want  string
	}{
		"no command":           {want: "a command is missing"},
		"a command of another": {args: []string{"publish"}, want: `unknown command "publish"`},
		"no version":           {args: []string{"notes"}, want: "want vMAJOR.MINOR.PATCH"},
		"words left over":      {args: []string{"notes", "--version", "v1.2.3", "now"}, want: `unexpected argument "now"`},
		"a time that is none":  {args: []string{"notes", "--version", "v1.2.3"}, epoch: "noon", want: "SOURCE_DATE_EPOCH"},
		"nothing built":        {args: []string{"images", "--version", "v1.2.3", "--dist", "/nonexistent"}, want: "make image VERSION=v1.2.3 builds them"},
	} {
		t.Run(name, func(t *testing.T) {
			err := run(t.Context(), tc.args, func(string) string { return tc.epoch }, io.Discard)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q in it", err, tc.want)
			}
		})
	}
}

const changelog = `# Changelog

## [Unreleased]

- What comes.

## [1.2.3] - 2026-11-23

### Added

- Something. See [1.2.2].

## [1.2.2] - 2026-11-22

## 1.2.1 - 2026-11-21

- Older.

[1.2.3]: https://example.com/compare/v1.2.2...v1.2.3
`

func TestChanges(t *testing.T) {
	for name, tc := range map[string]struct {
		version, want, problem string
	}{
		"a version":                      {version: "v1.2.3", want: "### Added\n\n- Something. See [1.2.2].\n"},
		"one without brackets, the last": {version: "v1.2.1", want: "- Older.\n"},
		"one to try has what is not out": {version: "v1.3.0-rc.1", want: "- What comes.\n"},
		"one that is not there":          {version: "v1.3.0", problem: `rename [Unreleased] to "## [1.3.0] - YYYY-MM-DD"`},
		"one whose name only begins so":  {version: "v1.2.30", problem: "no section [1.2.30]"},
		"one of which nothing is told":   {version: "v1.2.2", problem: "the section [1.2.2] of CHANGELOG.md is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := changes(changelog, tc.version)
			if tc.problem != "" {
				if err == nil || !strings.Contains(err.Error(), tc.problem) {
					t.Errorf("got %v, want %q in it", err, tc.problem)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestNotes(t *testing.T) {
	const first = "# Changelog\n\n## [Unreleased]\n\n### Changed\n\n- What nobody had.\n"
	for name, tc := range map[string]struct {
		changelog, version string
		has, hasNot        []string
	}{
		"a candidate of the first release": {
			first, "v0.1.0-rc.1",
			[]string{
				"**This is a release candidate.**", "all of it is new", project + "/releases/download/v0.1.0-rc.1/install.yaml", "--version 0.1.0-rc.1 ",
				"](" + project + "/blob/v0.1.0-rc.1/docs/getting-started.md#3-store-the-credentials)", "oci://registry.example.com/mirror/charts/",
			},
			[]string{"What nobody had", "](docs/", "[["},
		},
		"the first release": {
			"# Changelog\n\n## [0.1.0] - 2026-12-01\n\n- Something.\n", "v0.1.0",
			[]string{"all of it is new", "--version 0.1.0 "},
			[]string{"candidate", "Something.", "[["},
		},
		"a later one": {
			changelog, "v1.2.3",
			[]string{"### Added\n\n- Something. See [1.2.2].\n", "](" + project + "/blob/v1.2.3/docs/upgrade.md)"},
			[]string{"all of it is new", "candidate", "](docs/", "[["},
		},
		"a candidate of a later one": {changelog, "v1.3.0-rc.1", []string{"candidate", "- What comes.\n"}, []string{"all of it is new"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := sample(t)
			r.version = tc.version
			got, err := r.notes(tc.changelog)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range tc.has {
				if !strings.Contains(got, want) {
					t.Errorf("the notes do not have %q:\n%s", want, got)
				}
			}
			for _, not := range tc.hasNot {
				if strings.Contains(got, not) {
					t.Errorf("the notes have %q:\n%s", not, got)
				}
			}
		})
	}
}

// What the notes lead to is there.
func TestTheNotesLeadSomewhere(t *testing.T) {
	root := filepath.Join("..", "..")
	for _, link := range relativeLink.FindAllStringSubmatch(notesTemplate, -1) {
		file, anchor, _ := strings.Cut(link[1], "#")
		text := strings.ToLower(read(t, filepath.Join(root, filepath.FromSlash(file))))
		// The words of an anchor are those of a heading, without its signs.
		heading := regexp.MustCompile(`(?m)^#+ [` + "`" + `]?` + strings.ReplaceAll(regexp.QuoteMeta(anchor), "-", `[^\n\w]+`))
		if anchor != "" && !heading.MatchString(text) {
			t.Errorf("%s has no heading #%s", file, anchor)
		}
	}
}

func TestCheck(t *testing.T) {
	deployment := "      - name: manager\n        image: ghcr.io/cloudinary-operator/cloudinary-operator:v1.2.3\n"
	chart := "version: 1.2.3\nappVersion: v1.2.3\n"
	for name, tc := range map[string]struct {
		version, receiver, chart string
		released, problem        string
	}{
		"all name the version":             {version: "v1.2.3", receiver: deployment, chart: chart},
		"one names another":                {version: "v1.2.3", receiver: strings.ReplaceAll(deployment, "v1.2.3", "v1.2.2"), chart: chart, problem: "config/receiver/deployment.yaml names the image v1.2.2, not v1.2.3"},
		"one names none":                   {version: "v1.2.3", receiver: "image: something/else:v1.2.3", chart: chart, problem: "config/receiver/deployment.yaml names no image of the project's"},
		"the chart has another":            {version: "v1.2.3", receiver: deployment, chart: "version: 1.2.3\nappVersion: v1.2.2\n", problem: "charts/cloudinary-operator/Chart.yaml has version 1.2.3 and appVersion v1.2.2, want 1.2.3 and v1.2.3"},
		"the pages name another":           {version: "v1.2.3", receiver: deployment, chart: chart, released: "none", problem: `hack/pages/released.txt has "none", want v1.2.3`},
		"a version to try changes nothing": {version: "v1.3.0-rc.1", receiver: deployment, chart: chart},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.released == "" {
				tc.released = "v1.2.3"
			}
			r := sample(t)
			r.version = tc.version
			put(t, filepath.Join(r.root, "CHANGELOG.md"), []byte(changelog), 0o644)
			put(t, filepath.Join(r.root, "config", "manager", "deployment.yaml"), []byte(deployment), 0o644)
			put(t, filepath.Join(r.root, "config", "samples", "listener", "deployment.yaml"), []byte(strings.ReplaceAll(deployment, "/cloudinary-operator:", "/sample-listener:")), 0o644)
			put(t, filepath.Join(r.root, "config", "receiver", "deployment.yaml"), []byte(tc.receiver), 0o644)
			put(t, filepath.Join(r.chartFolder(), "Chart.yaml"), []byte(tc.chart), 0o644)
			put(t, filepath.Join(r.root, "hack", "pages", "released.txt"), []byte(tc.released+"\n"), 0o644)
			err := r.check()
			if tc.problem == "" && err != nil {
				t.Error(err)
			}
			if tc.problem != "" && (err == nil || !strings.Contains(err.Error(), tc.problem)) {
				t.Errorf("got %v, want %q in it", err, tc.problem)
			}
		})
	}
}

func TestTheProjectCanBeReleased(t *testing.T) {
	r := release{root: filepath.Join("..", ".."), version: "v999.0.0"}
	err := r.check()
	if err == nil {
		t.Fatal("a version that nothing names passes")
	}
	for _, want := range []string{"no section [999.0.0]", "config/manager/deployment.yaml names the image v", "config/receiver/deployment.yaml names the image v", "config/samples/listener/deployment.yaml names the image v", "Chart.yaml has version", "hack/pages/released.txt has "} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}
