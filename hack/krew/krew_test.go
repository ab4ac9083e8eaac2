// SPDX-License-Identifier: Apache-2.0

// Package krew holds what krew needs to install the kubectl plugin, and checks it by krew's own rules.
package krew

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

const (
	tag      = "v1.2.3"
	checksum = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

// plugin is a manifest of krew's v1alpha2, whole: a field that is not here is refused.
type plugin struct {
	metav1.TypeMeta `json:",inline"`
	Metadata        metav1.ObjectMeta `json:"metadata"`
	Spec            struct {
		Version          string     `json:"version"`
		Homepage         string     `json:"homepage"`
		ShortDescription string     `json:"shortDescription"`
		Description      string     `json:"description"`
		Caveats          string     `json:"caveats"`
		Platforms        []platform `json:"platforms"`
	} `json:"spec"`
}

type platform struct {
	Selector *metav1.LabelSelector `json:"selector"`
	URI      string                `json:"uri"`
	Sha256   string                `json:"sha256"`
	Bin      string                `json:"bin"`
	Files    []struct {
		From string `json:"from"`
		To   string `json:"to"`
	} `json:"files"`
}

// rendered fills in the template as krew-release-bot does, which gives two lines indented by four.
func rendered(t *testing.T) plugin {
	t.Helper()
	release := struct{ TagName string }{tag}
	fill := func(text string) (string, error) {
		var b bytes.Buffer
		inner, err := template.New("url").Parse(text)
		if err == nil {
			err = inner.Execute(&b, release)
		}
		return b.String(), err
	}
	raw, err := os.ReadFile("cloudinary.yaml")
	if err != nil {
		t.Fatal(err)
	}
	outer, err := template.New("manifest").Funcs(template.FuncMap{"addURIAndSha": func(url, _ string) (string, error) {
		uri, err := fill(url)
		return fmt.Sprintf("uri: %s\n    sha256: %s", uri, checksum), err
	}}).Parse(string(raw))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := outer.Execute(&b, release); err != nil {
		t.Fatal(err)
	}
	var p plugin
	if err := yaml.UnmarshalStrict(b.Bytes(), &p); err != nil {
		t.Fatalf("%v in\n%s", err, b.String())
	}
	return p
}

func TestTheManifestIsOneThatKrewTakes(t *testing.T) {
	p := rendered(t)
	want := []string{"krew.googlecontainertools.github.com/v1alpha2", "Plugin", "cloudinary", tag}
	if diff := cmp.Diff(want, []string{p.APIVersion, p.Kind, p.Metadata.Name, p.Spec.Version}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	short := p.Spec.ShortDescription
	if short == "" || len(short) > 50 || strings.ContainsAny(short, "\r\n") || strings.HasSuffix(short, ".") {
		t.Errorf("shortDescription %q must be one line of at most 50 characters, without a full stop", short)
	}
	for line := range strings.SplitSeq(p.Spec.Description+p.Spec.Caveats, "\n") {
		if len(line) > 90 && !strings.Contains(line, "https://") {
			t.Errorf("a line of description or caveats is longer than 90 characters: %q", line)
		}
	}
	if p.Spec.Description == "" || !strings.HasPrefix(p.Spec.Homepage, "https://") {
		t.Error("description and homepage are needed")
	}
}

func TestThePlatforms(t *testing.T) {
	var names []string
	for _, platform := range rendered(t).Spec.Platforms {
		labels := platform.Selector.MatchLabels
		name := labels["os"] + "_" + labels["arch"]
		names = append(names, name)
		uri := "https://github.com/cloudinary-operator/cloudinary-operator/releases/download/" + tag + "/kubectl-cloudinary_" + name + ".tar.gz"
		bin := "kubectl-cloudinary"
		if labels["os"] == "windows" {
			bin += ".exe"
		}
		if diff := cmp.Diff([]string{uri, checksum, bin}, []string{platform.URI, platform.Sha256, platform.Bin}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if diff := cmp.Diff([]string{"linux_amd64", "linux_arm64", "darwin_amd64", "darwin_arm64", "windows_amd64", "windows_arm64"}, names); diff != "" {
		t.Errorf("platforms (-want +got):\n%s", diff)
	}
}

// What the caveats lead to must exist.
func TestTheLinksOfTheManifest(t *testing.T) {
	p := rendered(t)
	link := regexp.MustCompile(`https://github\.com/cloudinary-operator/cloudinary-operator/blob/main/([^\s#]+)(#\S+)?`)
	links := link.FindAllStringSubmatch(p.Spec.Homepage+"\n"+p.Spec.Caveats, -1)
	if len(links) != 2 {
		t.Fatalf("%d links, want that of the homepage and that of the completion", len(links))
	}
	for _, found := range links {
		page, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(found[1])))
		if err != nil {
			t.Error(err)
			continue
		}
		anchor := strings.TrimPrefix(found[2], "#")
		if anchor != "" && !slices.Contains(strings.Split(strings.ToLower(string(page)), "\n"), "## "+anchor) {
			t.Errorf("%s has no section %q", found[1], anchor)
		}
	}
}

// The completion script passes all that kubectl gives it to the plugin.
func TestTheCompletionScript(t *testing.T) {
	folder := t.TempDir()
	stub := "#!/usr/bin/env sh\nprintf '[%s]' \"$@\"\n"
	if err := os.WriteFile(filepath.Join(folder, "kubectl-cloudinary"), []byte(stub), 0o700); err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs("kubectl_complete-cloudinary")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), script, "send", "-n", "shop", "")
	cmd.Env = append(os.Environ(), "PATH="+folder+string(os.PathListSeparator)+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if diff := cmp.Diff("[__complete][send][-n][shop][]", string(out)); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
}
