// SPDX-License-Identifier: Apache-2.0

// Package pages knows what pages, manifests and the chart say of the newest release, or of there being none. One file decides, released.txt.
//
// What depends on it is between two marks in its file, and made of the template of that name in blocks/:
//
//	<!-- rendered: install, by make generate from hack/pages/blocks -->
//	…
//	<!-- end of install -->
//
// In YAML the marks are comments with #, in the chart's notes {{- /* … */}}. In what names an image or the chart's version by itself, the
// version is put in where there is one.
package pages

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"golang.org/x/mod/semver"
)

//go:embed blocks
var blocks embed.FS

// Variable is the file that has the newest release's version, or "none".
const Variable = "hack/pages/released.txt"

// none is what Variable has before there is a release.
const none = "none"

// Files are all that depends on Variable.
func Files() []string {
	return append([]string{
		"README.md", "charts/cloudinary-operator/README.md", "charts/cloudinary-operator/templates/NOTES.txt", "config/samples/listener/kustomization.yaml",
		"docs/getting-started.md", "docs/helm.md", "docs/image.md", "docs/install.md", "docs/kubectl-plugin.md", "docs/releases.md",
	}, versioned()...)
}

// versioned are those that name a version by themselves.
func versioned() []string {
	return []string{chartFile, "config/manager/deployment.yaml", "config/receiver/deployment.yaml", "config/samples/listener/deployment.yaml"}
}

const chartFile = "charts/cloudinary-operator/Chart.yaml"

// Release is what templates see.
type Release struct {
	// Version is such as v0.1.0-rc.1; empty: none was published yet.
	Version string
}

// ChartVersion is the version without the v.
func (r Release) ChartVersion() string { return strings.TrimPrefix(r.Version, "v") }

// Candidate reports whether the version is one to try.
func (r Release) Candidate() bool { return strings.Contains(r.Version, "-") }

// Example is a version to show where any would do.
func (r Release) Example() string {
	if r.Version == "" {
		return "v0.1.0"
	}
	return r.Version
}

// Download is where a file of the release is.
func (r Release) Download(file string) string {
	return "https://github.com/cloudinary-operator/cloudinary-operator/releases/download/" + r.Version + "/" + file
}

// countedAsText finds versions such as v0.1.0-rc1: by Semantic Versioning, rc10 comes before rc2.
var countedAsText = regexp.MustCompile(`-(alpha|beta|rc)\d+$`)

// Read reads Variable.
func Read(root fs.FS) (Release, error) {
	raw, err := fs.ReadFile(root, Variable)
	if err != nil {
		return Release{}, fmt.Errorf("read which release is the newest: %w", err)
	}
	text := strings.TrimSpace(string(raw))
	switch {
	case text == none:
		return Release{}, nil
	case text == "" || semver.Canonical(text) != text || countedAsText.MatchString(text):
		return Release{}, fmt.Errorf("%s has %q, want a version such as v0.1.0 or v0.1.0-rc.1, or %q", Variable, text, none)
	default:
		return Release{Version: text}, nil
	}
}

// Render gives the text of each of Files for a release.
func Render(root fs.FS, r Release) (map[string]string, error) {
	rendered := map[string]string{}
	var used []string
	for _, name := range Files() {
		raw, err := fs.ReadFile(root, name)
		if err != nil {
			return nil, fmt.Errorf("read a page: %w", err)
		}
		text, names, err := fill(string(raw), r)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if slices.Contains(versioned(), name) {
			text = setVersion(name, text, r)
		} else if len(names) == 0 {
			return nil, fmt.Errorf("%s: there is nothing to render in it", name)
		}
		rendered[name] = text
		used = append(used, names...)
	}
	return rendered, unused(used)
}

// unused tells of a template that no page has.
func unused(used []string) error {
	all, err := fs.ReadDir(blocks, "blocks")
	if err != nil {
		return err
	}
	var problems []error
	for _, one := range all {
		if name := strings.TrimSuffix(one.Name(), ".txt"); !slices.Contains(used, name) {
			problems = append(problems, fmt.Errorf("hack/pages/blocks/%s is in no page", one.Name()))
		}
	}
	return errors.Join(problems...)
}

var (
	begin = regexp.MustCompile(`^(?:<!-- |# |\{\{- /\* )rendered: ([a-z-]+), by make generate from hack/pages/blocks(?: -->| \*/\}\})?$`)
	end   = regexp.MustCompile(`^(?:<!-- |# |\{\{- /\* )end of ([a-z-]+)(?: -->| \*/\}\})?$`)
)

// fill writes what is between marks anew, and returns the names of the blocks.
func fill(text string, r Release) (string, []string, error) {
	var out strings.Builder
	var names []string
	within := ""
	for line := range strings.Lines(text) {
		mark := strings.TrimSpace(line)
		switch started, ended := begin.FindStringSubmatch(mark), end.FindStringSubmatch(mark); {
		case started != nil && within != "":
			return "", nil, fmt.Errorf("the block %s begins within %s", started[1], within)
		case started != nil:
			within = started[1]
			names = append(names, within)
			block, err := render(within, r)
			if err != nil {
				return "", nil, err
			}
			out.WriteString(line + block)
		case ended != nil && ended[1] != within:
			return "", nil, fmt.Errorf("the block %s ends where %q is open", ended[1], within)
		case ended != nil:
			within = ""
			out.WriteString(line)
		case within == "":
			out.WriteString(line)
		}
	}
	if within != "" {
		return "", nil, fmt.Errorf("the block %s does not end", within)
	}
	return out.String(), names, nil
}

// render fills in a template, whose actions have brackets of their own: pages and the chart's notes have the usual ones.
func render(name string, r Release) (string, error) {
	raw, err := blocks.ReadFile(path.Join("blocks", name+".txt"))
	if err != nil {
		return "", fmt.Errorf("there is no block %s: %w", name, err)
	}
	parsed, err := template.New(name).Delims("[[", "]]").Option("missingkey=error").Parse(string(raw))
	if err != nil {
		return "", fmt.Errorf("read a block: %w", err)
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, r); err != nil {
		return "", fmt.Errorf("fill in a block: %w", err)
	}
	return strings.Trim(out.String(), "\n") + "\n", nil
}

var (
	ourImage   = regexp.MustCompile(`(image: ghcr\.io/cloudinary-operator/[a-z-]+:)\S+`)
	chartLine  = regexp.MustCompile(`(?m)^version: .*$`)
	appVersion = regexp.MustCompile(`(?m)^appVersion: .*$`)
)

// setVersion has a file name the release. Without one it names the version that comes next, which nobody can pull yet.
func setVersion(name, text string, r Release) string {
	switch {
	case r.Version == "":
		return text
	case name == chartFile:
		return appVersion.ReplaceAllString(chartLine.ReplaceAllString(text, "version: "+r.ChartVersion()), "appVersion: "+r.Version)
	default:
		return ourImage.ReplaceAllString(text, "${1}"+r.Version)
	}
}
