// SPDX-License-Identifier: Apache-2.0

package main

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"

	"sigs.k8s.io/yaml"
)

// check finds what would otherwise show when half of a release is built, or never.
func (r release) check() error {
	changelog, err := os.ReadFile(filepath.Join(r.root, "CHANGELOG.md"))
	if err != nil {
		return fmt.Errorf("read the changelog: %w", err)
	}
	_, err = changes(string(changelog), r.version)
	problems := []error{err}
	// A version to try is told by its digest alone. Of one that people run, config/ is used by its tag, too.
	if !r.prerelease() {
		for _, folder := range []string{"manager", "receiver", "samples/listener"} {
			problems = append(problems, r.checkDeployment("config/"+folder+"/deployment.yaml"))
		}
		problems = append(problems, r.checkChart(), r.checkReleased())
	}
	return errors.Join(problems...)
}

// checkReleased is for the readers of the pages.
func (r release) checkReleased() error {
	const file = "hack/pages/released.txt"
	raw, err := os.ReadFile(filepath.Join(r.root, filepath.FromSlash(file)))
	if err != nil {
		return fmt.Errorf("read what the pages name: %w", err)
	}
	if named := strings.TrimSpace(string(raw)); named != r.version {
		return fmt.Errorf("%s has %q, want %s: change it, and run make generate, before the version is tagged", file, named, r.version)
	}
	return nil
}

func (r release) checkDeployment(file string) error {
	manifest, err := os.ReadFile(filepath.Join(r.root, filepath.FromSlash(file)))
	if err != nil {
		return fmt.Errorf("read a Deployment: %w", err)
	}
	found := regexp.MustCompile(`image: ghcr\.io/cloudinary-operator/[a-z-]+:(\S+)`).FindSubmatch(manifest)
	if found == nil {
		return fmt.Errorf("%s names no image of the project's by a version", file)
	}
	if string(found[1]) != r.version {
		return fmt.Errorf("%s names the image %s, not %s: write the version into hack/pages/released.txt, and run make generate, before it is tagged", file, found[1], r.version)
	}
	return nil
}

// checkChart is for those who install the chart from a checkout. In the packed one the versions are set.
func (r release) checkChart() error {
	raw, err := os.ReadFile(filepath.Join(r.chartFolder(), "Chart.yaml"))
	if err != nil {
		return fmt.Errorf("read the chart: %w", err)
	}
	var chart struct{ Version, AppVersion string }
	if err := yaml.Unmarshal(raw, &chart); err != nil {
		return fmt.Errorf("read the chart: %w", err)
	}
	if chart.Version != strings.TrimPrefix(r.version, "v") || chart.AppVersion != r.version {
		return fmt.Errorf("charts/%s/Chart.yaml has version %s and appVersion %s, want %s and %s",
			operatorImage, chart.Version, chart.AppVersion, strings.TrimPrefix(r.version, "v"), r.version)
	}
	return nil
}

func (r release) writeNotes() error {
	changelog, err := os.ReadFile(filepath.Join(r.root, "CHANGELOG.md"))
	if err != nil {
		return fmt.Errorf("read the changelog: %w", err)
	}
	text, err := r.notes(string(changelog))
	if err != nil {
		return err
	}
	return r.write("release-notes.md", []byte(text))
}

//go:embed notes.tmpl
var notesTemplate string

// notes are what somebody reads who has just found the release: what it is, how it is installed, and what is new. Of the first one all is,
// and the changelog tells of changes to what nobody could have.
func (r release) notes(changelog string) (string, error) {
	changes, err := changes(changelog, r.version)
	if err != nil {
		return "", err
	}
	parsed, err := template.New("notes").Delims("[[", "]]").Parse(notesTemplate)
	if err != nil {
		return "", fmt.Errorf("read the template of the notes: %w", err)
	}
	var text strings.Builder
	err = parsed.Execute(&text, struct {
		ChartVersion, Registry, Downloads, Changes string
		Candidate, First                           bool
	}{
		ChartVersion: strings.TrimPrefix(r.version, "v"), Registry: r.registry, Downloads: project + "/releases/download/" + r.version, Changes: strings.TrimSpace(changes),
		Candidate: r.prerelease(), First: !releasedBefore(changelog, r.version),
	})
	if err != nil {
		return "", fmt.Errorf("write the notes: %w", err)
	}
	return r.absolute(text.String()), nil
}

const project = "https://github.com/cloudinary-operator/cloudinary-operator"

var relativeLink = regexp.MustCompile(`\]\(([A-Za-z0-9][\w./-]*(?:#[\w-]+)?)\)`)

// absolute has links lead to the files of this version: the notes are shown where there are none beside them.
func (r release) absolute(text string) string {
	return relativeLink.ReplaceAllString(text, "]("+project+"/blob/"+r.version+"/${1})")
}

var releasedHeading = regexp.MustCompile(`(?m)^## \[?([0-9]+\.[0-9]+\.[0-9]+)\b`)

// releasedBefore reports whether the changelog has a version that people run, other than this one.
func releasedBefore(changelog, version string) bool {
	for _, heading := range releasedHeading.FindAllStringSubmatch(changelog, -1) {
		if "v"+heading[1] != version {
			return true
		}
	}
	return false
}

// changes are a version's section of a changelog as keepachangelog.com has it, without its heading. A version to try may have none of its own:
// what it has is not released yet.
func changes(changelog, version string) (string, error) {
	name := strings.TrimPrefix(version, "v")
	text, found := section(changelog, name)
	if !found && strings.Contains(name, "-") {
		name = "Unreleased"
		text, found = section(changelog, name)
	}
	if !found {
		return "", fmt.Errorf("CHANGELOG.md has no section [%s]: rename [Unreleased] to \"## [%[1]s] - YYYY-MM-DD\", and begin a new [Unreleased] above it", name)
	}
	if text == "" {
		return "", fmt.Errorf("the section [%s] of CHANGELOG.md is empty: say what changes for those who upgrade", name)
	}
	return text + "\n", nil
}

// section is what stands between a heading of the second level and the next, or the links at the end.
func section(changelog, name string) (text string, found bool) {
	var lines []string
	link := regexp.MustCompile(`^\[[^\]]+\]: `)
	for line := range strings.Lines(changelog) {
		line = strings.TrimRight(line, "\r\n")
		heading, isHeading := strings.CutPrefix(line, "## ")
		switch {
		case isHeading:
			heading = strings.TrimPrefix(strings.TrimSpace(heading), "[")
			if found {
				return strings.TrimSpace(strings.Join(lines, "\n")), true
			}
			found = heading == name || strings.HasPrefix(heading, name+"]") || strings.HasPrefix(heading, name+" ")
		case found && !link.MatchString(line):
			lines = append(lines, line)
		}
	}
	return strings.TrimSpace(strings.Join(lines, "\n")), found
}
