// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	spec "github.com/opencontainers/image-spec/specs-go/v1"
)

func sampleEdition() edition {
	return edition{version: "v1.2.3", commit: "abc", created: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)}
}

func sampleFiles() []file {
	return []file{
		{path: "licenses/LICENSE", mode: 0o644, content: []byte("do as you like")},
		{path: "manager", mode: 0o755, content: []byte("a program")},
		{path: "etc/ssl/certs/ca-certificates.crt", mode: 0o644, content: []byte("roots")},
		{path: "etc/passwd", mode: 0o644, content: []byte(passwd)},
	}
}

const sampleRef = "ghcr.io/cloudinary-operator/cloudinary-operator:v1.2.3"

// sampleArchive writes an archive for two platforms, and returns its path.
func sampleArchive(t *testing.T) string {
	t.Helper()
	platforms := []v1.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64"}}
	var images []v1.Image
	for _, p := range platforms {
		image, err := assemble(descriptions()[0], sampleEdition(), p, append(sampleFiles(), file{path: "arch", mode: 0o644, content: []byte(p.Architecture)}))
		if err != nil {
			t.Fatal(err)
		}
		images = append(images, image)
	}
	target := filepath.Join(t.TempDir(), "image.tar")
	index, err := combine(descriptions()[0], sampleEdition(), platforms, images)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeArchive(target, sampleRef, index, images, sampleEdition().created); err != nil {
		t.Fatal(err)
	}
	return target
}

// unpackedIndex is an archive as one reads it who knows OCI layouts.
func unpackedIndex(t *testing.T, archive string) (v1.ImageIndex, *v1.IndexManifest) {
	t.Helper()
	folder := t.TempDir()
	for name, f := range entries(t, read(t, archive)) {
		target := filepath.Join(folder, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(target), 0o700), os.WriteFile(target, f.content, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	index, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Fatalf("%s is no valid OCI layout: %v", archive, err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	return index, manifest
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

type entry struct {
	header  tar.Header
	content []byte
}

// entries are the files and folders of a tar archive by their names, each there once.
func entries(t *testing.T, raw []byte) map[string]entry {
	t.Helper()
	all := map[string]entry{}
	archive := tar.NewReader(bytes.NewReader(raw))
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := all[header.Name]; twice {
			t.Errorf("%s is there twice", header.Name)
		}
		all[header.Name] = entry{header: *header, content: content}
	}
}

// layerOf is the one layer of an image, as a tar archive.
func layerOf(t *testing.T, image v1.Image) []byte {
	t.Helper()
	layers, err := image.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers, want one: %v", len(layers), err)
	}
	reader, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	raw, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestAnArchiveHasOneImageForEachPlatform(t *testing.T) {
	top, manifest := unpackedIndex(t, sampleArchive(t))
	if len(manifest.Manifests) != 1 {
		t.Fatalf("%d entries in index.json, want one: the index of all platforms", len(manifest.Manifests))
	}
	names := map[string]string{"io.containerd.image.name": sampleRef, "org.opencontainers.image.ref.name": "v1.2.3"}
	if diff := cmp.Diff(names, manifest.Manifests[0].Annotations); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	index, err := top.ImageIndex(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	inner, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range inner.Manifests {
		image, err := index.Image(m.Digest)
		if err != nil {
			t.Fatal(err)
		}
		config, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		inside := string(entries(t, layerOf(t, image))["arch"].content)
		got = append(got, m.Platform.String()+": "+config.OS+"/"+config.Architecture+", with files for "+inside)
		if m.MediaType != types.OCIManifestSchema1 {
			t.Errorf("a manifest has the media type %s", m.MediaType)
		}
	}
	want := []string{"linux/amd64: linux/amd64, with files for amd64", "linux/arm64: linux/arm64, with files for arm64"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("platforms (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(labels(descriptions()[0], sampleEdition()), inner.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
}

// Older versions of skopeo write an index anew that they would write in another way, and the digest is another one then.
func TestAnIndexIsWrittenAsTheOCIWritesIt(t *testing.T) {
	top, manifest := unpackedIndex(t, sampleArchive(t))
	index, err := top.ImageIndex(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := index.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	var known spec.Index
	if err := json.Unmarshal(raw, &known); err != nil {
		t.Fatal(err)
	}
	for i := range known.Manifests {
		known.Manifests[i].ArtifactType = "" // unknown before version 1.1
	}
	again, err := json.Marshal(known)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(again), string(raw)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAnArchiveIsWhatDockerSaveWritesToo(t *testing.T) {
	archive := sampleArchive(t)
	tag, err := name.NewTag(sampleRef)
	if err != nil {
		t.Fatal(err)
	}
	image, err := tarball.ImageFromPath(archive, &tag)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(image); err != nil {
		t.Error(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Architecture != "amd64" {
		t.Errorf("docker load would get %s, want the first platform", config.Architecture)
	}
}

func TestWhatIsInALayer(t *testing.T) {
	raw, err := writeTar(sampleFiles(), sampleEdition().created)
	if err != nil {
		t.Fatal(err)
	}
	modes := map[string]int64{}
	for name, e := range entries(t, raw) {
		modes[name] = e.header.Mode
		h := e.header
		if h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.Gname != "" || !h.ModTime.Equal(sampleEdition().created) {
			t.Errorf("%s depends on who made it, and when: %+v", name, h)
		}
	}
	want := map[string]int64{
		"manager": 0o755, "etc/": 0o755, "etc/passwd": 0o644, "etc/ssl/": 0o755, "etc/ssl/certs/": 0o755, "etc/ssl/certs/ca-certificates.crt": 0o644,
		"licenses/": 0o755, "licenses/LICENSE": 0o644,
	}
	if diff := cmp.Diff(want, modes); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	reversed := sampleFiles()
	slices.Reverse(reversed)
	again, err := writeTar(reversed, sampleEdition().created)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(raw, again) {
		t.Error("the layer depends on the order in which files were found")
	}
}
