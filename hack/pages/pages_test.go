// SPDX-License-Identifier: Apache-2.0

package pages

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func checkout() fs.FS { return os.DirFS(filepath.Join("..", "..")) }

func read(t *testing.T, root fs.FS, name string) string {
	t.Helper()
	raw, err := fs.ReadFile(root, name)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestAllSaysWhatIsReleased(t *testing.T) {
	t.Parallel()
	release, err := Read(checkout())
	if err != nil {
		t.Fatal(err)
	}
	rendered, err := Render(checkout(), release)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range rendered {
		if diff := cmp.Diff(want, read(t, checkout(), name)); diff != "" {
			t.Errorf("%s is not what %s and hack/pages/blocks make of it: run make generate (-want +got)\n%s", name, Variable, diff)
		}
	}
}

// tree has rendered files in the place of those of the checkout.
func tree(rendered map[string]string) fs.FS {
	files := fstest.MapFS{}
	for name, text := range rendered {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return files
}

func TestOneFileSwitchesFromBuildToPull(t *testing.T) {
	t.Parallel()
	unreleased, err := Render(checkout(), Release{})
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"v9.8.7-rc.1", "v9.8.7"} {
		released, err := Render(checkout(), Release{version})
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range released {
			for _, old := range []string{"There is no release", "There is no published image", "no release yet", "None is published", "None has been published"} {
				if strings.Contains(text, old) {
					t.Errorf("%s: %s still says %q", version, name, old)
				}
			}
			if name != "charts/cloudinary-operator/templates/NOTES.txt" && name != "config/samples/listener/kustomization.yaml" && !strings.Contains(text, version[1:]) {
				t.Errorf("%s: %s does not name it", version, name)
			}
			if found := strings.Contains(text, "candidate "+version); name == "README.md" && found != strings.Contains(version, "-") {
				t.Errorf("%s: README.md calls it a release candidate: %v", version, found)
			}
		}
		for _, name := range []string{"README.md", "docs/getting-started.md"} {
			build, pull := "docker build -t \"$IMG\"", "releases/download/"
			if !strings.Contains(unreleased[name], build) || strings.Contains(unreleased[name], pull) {
				t.Errorf("%s without a release does not say %q, or says %q", name, build, pull)
			}
			if strings.Contains(released[name], build) || !strings.Contains(released[name], pull) {
				t.Errorf("%s with a release says %q, or not %q", name, build, pull)
			}
		}
		back, err := Render(tree(released), Release{})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range Files() {
			if text := strings.ReplaceAll(back[name], version, ""); strings.HasSuffix(name, ".md") && text != unreleased[name] {
				t.Errorf("%s: back again, %s is another (-want +got)\n%s", version, name, cmp.Diff(unreleased[name], text))
			}
		}
	}
}

func TestManifestsAndChartNameTheRelease(t *testing.T) {
	t.Parallel()
	rendered, err := Render(checkout(), Release{"v9.8.7-rc.1"})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"config/manager/deployment.yaml":          "image: ghcr.io/cloudinary-operator/cloudinary-operator:v9.8.7-rc.1\n",
		"config/receiver/deployment.yaml":         "image: ghcr.io/cloudinary-operator/cloudinary-operator:v9.8.7-rc.1\n",
		"config/samples/listener/deployment.yaml": "image: ghcr.io/cloudinary-operator/sample-listener:v9.8.7-rc.1\n",
		chartFile: "\nversion: 9.8.7-rc.1\nappVersion: v9.8.7-rc.1\n",
	} {
		if !strings.Contains(rendered[name], want) {
			t.Errorf("%s does not have %q:\n%s", name, want, rendered[name])
		}
	}
}

func TestMistakesAreTold(t *testing.T) {
	t.Parallel()
	const begins, ends = "<!-- rendered: readme-status, by make generate from hack/pages/blocks -->\n", "<!-- end of readme-status -->\n"
	for name, c := range map[string]struct{ text, want string }{
		"no end":         {"# A\n" + begins + "text\n", "readme-status does not end"},
		"twice begun":    {begins + begins + ends, "begins within readme-status"},
		"another's end":  {begins + strings.ReplaceAll(ends, "status", "install"), `ends where "readme-status" is open`},
		"only an end":    {ends, `ends where "" is open`},
		"unknown blocks": {strings.ReplaceAll(begins+ends, "readme-status", "made-up"), "there is no block made-up"},
	} {
		if _, _, err := fill(c.text, Release{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q in it", name, err, c.want)
		}
	}
	for text, want := range map[string]string{
		"none\n": "", "v0.1.0": "", "v0.1.0-rc.1\n": "", "": `has "", want a version`, "0.1.0": "want a version", "v0.1.0\nv0.2.0": "want a version", "NONE": "want a version",
		"v0.1.0-rc1": "want a version", "v0.1.0-rc.01": "want a version", "v0.1.0-rc..1": "want a version", "v0.1.0+build": "want a version",
	} {
		_, err := Read(fstest.MapFS{Variable: {Data: []byte(text)}})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: got %v, want %q in it", text, err, want)
		}
	}
}
