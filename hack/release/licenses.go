// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
	classifier "github.com/google/licenseclassifier/v2"
	"github.com/google/licenseclassifier/v2/assets"
)

// identifier finds the SPDX identifiers of licenses by their texts. Each text is looked at once: that takes a tenth of a second.
type identifier struct {
	classifier *classifier.Classifier
	known      map[string][]string
}

func newIdentifier() (*identifier, error) {
	c, err := assets.DefaultClassifier()
	if err != nil {
		return nil, fmt.Errorf("read the texts of known licenses: %w", err)
	}
	return &identifier{classifier: c, known: map[string][]string{}}, nil
}

// identify returns what a text grants: several, where a module has parts of others.
func (i *identifier) identify(text []byte) []string {
	key := sum(text)
	if found, ok := i.known[key]; ok {
		return found
	}
	var found []string
	for _, match := range i.classifier.Match(i.classifier.Normalize(text)).Matches {
		if match.MatchType == "License" {
			found = append(found, match.Name)
		}
	}
	slices.Sort(found)
	i.known[key] = slices.Compact(found)
	return i.known[key]
}

// licensed is the module of which a file beside the programs is the license. Notices and patents go with one, and are none.
func licensed(file string) (part cdx.Component, found bool) {
	match := regexp.MustCompile(`^licenses/third_party/([^@]+)@([^/]+)/.+$`).FindStringSubmatch(file)
	if match == nil || !regexp.MustCompile(`(?i)^(licen[cs]e|copying|unlicense)`).MatchString(path.Base(file)) {
		return part, false
	}
	if match[1] == "go" {
		return standard(match[2]), true
	}
	return library(match[1], match[2]), true
}

// addLicenses writes the licenses into the parts, as the files that go out with them say.
func addLicenses(parts map[string]cdx.Component, found []contents, known *identifier) {
	ids := map[string][]string{}
	for _, c := range found {
		for _, f := range c.files {
			if about, ok := licensed(f.path); ok {
				ids[about.BOMRef] = append(ids[about.BOMRef], known.identify(f.content)...)
			}
		}
	}
	for ref, all := range ids {
		part, listed := parts[ref]
		if !listed || len(all) == 0 {
			continue
		}
		slices.Sort(all)
		var choices cdx.Licenses
		for _, id := range slices.Compact(all) {
			choices = append(choices, cdx.LicenseChoice{License: &cdx.License{ID: id}})
		}
		part.Licenses = &choices
		parts[ref] = part
	}
}

// standard is Go's own library, which is linked into every program.
func standard(version string) cdx.Component {
	c := library("stdlib", strings.TrimPrefix(version, "go"))
	c.CPE = "cpe:2.3:a:golang:go:" + c.Version + ":*:*:*:*:*:*:*"
	return c
}
