// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"sigs.k8s.io/yaml"
)

// check finds what would otherwise show when half of a release is built, or never.
func (r release) check() error {
	changelog, err := os.ReadFile(filepath.Join(r.root, "CHANGELOG.md"))
	if err != nil {
		return fmt.Errorf("read the changelog: %w", err)
	}
	_, err = notes(string(changelog), r.version)
	problems := []error{err}
	// A version to try is told by its digest alone. Of one that people run, config/ is used by its tag, too.
	if !r.prerelease() {
		for _, folder := range []string{"manager", "receiver", "samples/listener"} {
			problems = append(problems, r.checkDeployment("config/"+folder+"/deployment.yaml"))
		}
		problems = append(problems, r.checkChart())
	}
	return errors.Join(problems...)
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
		return fmt.Errorf("%s names the image %s, not %s: change it there, and in whatever is generated from it, before the version is tagged", file, found[1], r.version)
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
	text, err := notes(string(changelog), r.version)
	if err != nil {
		return err
	}
	return r.write("release-notes.md", []byte(text))
}

// notes is a version's section of a changelog as keepachangelog.com has it, without its heading. A version to try may have none of its own:
// what it has is not released yet.
func notes(changelog, version string) (string, error) {
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
