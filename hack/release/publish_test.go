// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"sigs.k8s.io/yaml"
)

// putPlugin writes an archive for each platform as hack/image does.
func putPlugin(t *testing.T, r release, content []byte, platforms ...string) {
	t.Helper()
	for _, platform := range platforms {
		program := pluginName
		if strings.HasPrefix(platform, "windows_") {
			program += ".exe"
		}
		var raw bytes.Buffer
		compressed := gzip.NewWriter(&raw)
		_, err := compressed.Write(tarOf(t, entry{path: program, mode: 0o755, content: content}, entry{path: "LICENSE", mode: 0o644, content: []byte("Apache")}))
		if err := errors.Join(err, compressed.Close()); err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(r.dist, pluginName+"_"+platform+".tar.gz"), raw.Bytes(), 0o644)
	}
}

// krewManifest has the fields of krew's v1alpha2 that the template uses. Others are refused.
type krewManifest struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Metadata   map[string]string `json:"metadata"`
	Spec       struct {
		Version, Homepage, ShortDescription, Description, Caveats string
		Platforms                                                 []struct {
			Selector struct {
				MatchLabels map[string]string `json:"matchLabels"`
			} `json:"selector"`
			URI    string `json:"uri"`
			SHA256 string `json:"sha256"`
			Bin    string `json:"bin"`
		} `json:"platforms"`
	} `json:"spec"`
}

// The project's own template, filled in with archives.
func TestTheManifestForKrew(t *testing.T) {
	r := sample(t)
	put(t, filepath.Join(r.root, "hack", "krew", "cloudinary.yaml"), []byte(read(t, filepath.Join("..", "krew", "cloudinary.yaml"))), 0o644)
	if err := r.writeKrew(); err == nil || !strings.Contains(err.Error(), "kubectl-cloudinary_linux_amd64.tar.gz") {
		t.Errorf("without archives: got %v, want the missing one named", err)
	}
	putPlugin(t, r, []byte("a program"), "linux_amd64", "linux_arm64", "darwin_amd64", "darwin_arm64", "windows_amd64", "windows_arm64")
	if err := r.writeKrew(); err != nil {
		t.Fatal(err)
	}
	text := read(t, filepath.Join(r.dist, "krew-cloudinary.yaml"))
	var manifest krewManifest
	if err := yaml.UnmarshalStrict([]byte(text), &manifest); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if manifest.Spec.Version != "v1.2.3" || len(manifest.Spec.Platforms) != 6 {
		t.Errorf("version %s for %d platforms", manifest.Spec.Version, len(manifest.Spec.Platforms))
	}
	for _, p := range manifest.Spec.Platforms {
		file := pluginName + "_" + p.Selector.MatchLabels["os"] + "_" + p.Selector.MatchLabels["arch"] + ".tar.gz"
		content := read(t, filepath.Join(r.dist, file))
		want := []string{"https://github.com/cloudinary-operator/cloudinary-operator/releases/download/v1.2.3/" + file, sum([]byte(content))}
		if diff := cmp.Diff(want, []string{p.URI, p.SHA256}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
		files, err := readArchive(filepath.Join(r.dist, file))
		if err != nil || !slices.ContainsFunc(files, func(f entry) bool { return f.path == p.Bin }) {
			t.Errorf("%s has no %s (%v)", file, p.Bin, err)
		}
	}
	putPlugin(t, r, []byte("a program"), "linux_riscv64")
	if err := r.writeKrew(); err == nil || !strings.Contains(err.Error(), "no platform for kubectl-cloudinary_linux_riscv64.tar.gz") {
		t.Errorf("got %v, want the archive named that krew would not know", err)
	}
}

func TestPinnedValues(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	own := read(t, filepath.Join("..", "..", "charts", "cloudinary-operator", "values.yaml"))
	for name, tc := range map[string]struct {
		values, registry string
		want             map[string]string
		problem          string
	}{
		"the project's own chart": {
			values: own, registry: "registry.example.com:5000/mirror/of",
			want: map[string]string{"registry": "registry.example.com:5000", "repository": "mirror/of/cloudinary-operator", "digest": digest},
		},
		"a registry without a path": {
			values: "image:\n  registry: ghcr.io\n  repository: a/b\n\n  # Why.\n  digest: \"\"\nother:\n  digest: \"\"\n", registry: "localhost:5000",
			want: map[string]string{"registry": "localhost:5000", "repository": "cloudinary-operator", "digest": digest},
		},
		"no image":  {values: "receiver: {}\n", registry: "ghcr.io", problem: "no block image"},
		"no digest": {values: "image:\n  registry: a\n  repository: b\nother:\n  digest: c\n", registry: "ghcr.io", problem: "image.digest is there 0 times"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "values.yaml")
			put(t, file, []byte(tc.values), 0o644)
			err := pinValues(file, tc.registry, digest)
			if tc.problem != "" {
				if err == nil || !strings.Contains(err.Error(), tc.problem) {
					t.Errorf("got %v, want %q in it", err, tc.problem)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var before, after map[string]any
			if err := yaml.Unmarshal([]byte(tc.values), &before); err != nil {
				t.Fatal(err)
			}
			if err := yaml.Unmarshal([]byte(read(t, file)), &after); err != nil {
				t.Fatal(err)
			}
			image := before["image"].(map[string]any)
			for key, value := range tc.want {
				image[key] = value
			}
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A registry that cannot say what it has may have another image of that version.
func TestPushIntoARegistryThatFails(t *testing.T) {
	var written atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		written.Store(written.Load() || request.Method == http.MethodPost || request.Method == http.MethodPut)
		if request.URL.Path != "/v2/" {
			w.WriteHeader(http.StatusNotImplemented)
		}
	}))
	defer server.Close()
	r := sample(t)
	r.insecure, r.registry = true, strings.TrimPrefix(server.URL, "http://")+"/mirror"
	putImage(t, r, entry{path: "manager", mode: 0o755, content: []byte("one")})
	if err := r.push(t.Context(), io.Discard); err == nil || !strings.Contains(err.Error(), "look whether it is there") {
		t.Errorf("got %v, want it to say what could not be found out", err)
	}
	if written.Load() {
		t.Error("something was written all the same")
	}
}

func TestPush(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	r := sample(t)
	r.insecure, r.registry = true, strings.TrimPrefix(server.URL, "http://")+"/mirror"
	digest := putImage(t, r, entry{path: "manager", mode: 0o755, content: []byte("one")})
	want := r.registry + "/cloudinary-operator:v1.2.3@" + digest + "\n"
	for range 2 { // A workflow may be run again.
		var said bytes.Buffer
		if err := r.push(t.Context(), &said); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, said.String()); diff != "" {
			t.Errorf("said (-want +got):\n%s", diff)
		}
	}
	if err := r.writeImages(io.Discard); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, read(t, filepath.Join(r.dist, "images.txt"))); diff != "" {
		t.Errorf("images.txt (-want +got):\n%s", diff)
	}
	ref, err := name.NewDigest(r.registry+"/cloudinary-operator@"+digest, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := remote.Index(ref, remote.WithContext(t.Context())); err != nil {
		t.Errorf("the registry has no index under the digest that was printed: %v", err)
	}

	putImage(t, r, entry{path: "manager", mode: 0o755, content: []byte("another")})
	if err := r.push(t.Context(), io.Discard); err == nil || !strings.Contains(err.Error(), "never released twice") {
		t.Errorf("got %v, want a refusal to move the tag", err)
	}
}

// What came over a bad line is not pushed, and not listed.
func TestADamagedArchive(t *testing.T) {
	r := sample(t)
	putImage(t, r, entry{path: "manager", mode: 0o755, content: []byte("as it was built")})
	file := filepath.Join(r.dist, "image-cloudinary-operator-v1.2.3.tar")
	folder := filepath.Join(t.TempDir(), "layout")
	if err := unpack(file, folder); err != nil {
		t.Fatal(err)
	}
	blobs, err := filepath.Glob(filepath.Join(folder, "blobs", "sha256", "*"))
	if err != nil || len(blobs) == 0 {
		t.Fatalf("no blobs: %v", err)
	}
	for _, blob := range blobs {
		if err := os.WriteFile(blob, bytes.ReplaceAll([]byte(read(t, blob)), []byte("amd64"), []byte("wasm!")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	archive(t, folder, file)
	if err := r.writeImages(io.Discard); err == nil || !strings.Contains(err.Error(), "the archive is damaged") {
		t.Errorf("got %v, want the archive to be refused", err)
	}
}
