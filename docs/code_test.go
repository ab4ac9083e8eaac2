// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

func TestMakeTargetsExist(t *testing.T) {
	t.Parallel()
	targets := found(t, "../Makefile", `(?m)^([a-z][a-z0-9-]*):`)
	for page, text := range pages(t) {
		for _, match := range regexp.MustCompile("(?m)(?:^\\$ (?:sudo -E )?|`)make ([a-z][a-z0-9-]*)").FindAllStringSubmatch(text, -1) {
			if !slices.Contains(targets, match[1]) {
				t.Errorf("%s: make %s does not exist", page, match[1])
			}
		}
	}
}

// A path in code is one from the top of the repository.
func TestPathsExist(t *testing.T) {
	t.Parallel()
	paths := regexp.MustCompile("`((?:api|charts|cmd|config|controllers|docs|hack|internal|test|webhookreceiver)/[\\w./-]+)`")
	count := 0
	for page, text := range pages(t) {
		for _, match := range paths.FindAllStringSubmatch(text, -1) {
			count++
			name := strings.TrimSuffix(match[1], "...")
			if _, err := os.Stat(path.Join("..", name)); errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %s does not exist", page, name)
			}
		}
	}
	if count < 50 {
		t.Errorf("pages name %d paths", count)
	}
}

// Whether an API server takes them is tested for config/samples and the guide to GitOps.
func TestManifestsHaveNoUnknownField(t *testing.T) {
	t.Parallel()
	kinds := map[string]func() any{
		"CloudinaryTrigger":    func() any { return &v1alpha1.CloudinaryTrigger{} },
		"NotificationEndpoint": func() any { return &v1alpha1.NotificationEndpoint{} },
	}
	count := 0
	for page, text := range pages(t) {
		for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(text, -1) {
			for document := range strings.SplitSeq(block[1], "\n---\n") {
				kind := regexp.MustCompile(`(?m)^kind: (\w+)$`).FindStringSubmatch(document)
				if kind == nil || kinds[kind[1]] == nil {
					continue
				}
				count++
				if err := yaml.UnmarshalStrict([]byte(document), kinds[kind[1]]()); err != nil {
					t.Errorf("%s: %v in\n%s", page, err, document)
				}
			}
		}
	}
	if count < 8 {
		t.Errorf("pages have %d manifests", count)
	}
}

// The block of a diagram that does not parse is shown as an error. There is no parser to be had in Go, so this looks for what goes wrong
// most: an unknown kind, a block that is not ended, and brackets in a text that is not quoted.
func TestDiagramsAreWellFormed(t *testing.T) {
	t.Parallel()
	count := 0
	for page, text := range pages(t) {
		for _, block := range regexp.MustCompile("(?s)```mermaid\n(.*?)```").FindAllStringSubmatch(text, -1) {
			count++
			for _, problem := range malformed(block[1]) {
				t.Errorf("%s: %s in\n%s", page, problem, block[1])
			}
		}
	}
	if count < 3 {
		t.Errorf("pages have %d diagrams", count)
	}
	for broken, diagram := range map[string]string{
		"an unknown kind":     "flowchar LR\n  a --> b\n",
		"a block without end": "flowchart LR\n  subgraph a\n  b --> c\n",
		"brackets in a text":  "flowchart LR\n  a[text (more)] --> b\n",
		"a semicolon":         "sequenceDiagram\n  a->>b: this; that\n",
	} {
		if len(malformed(diagram)) != 1 {
			t.Errorf("%s: %v", broken, malformed(diagram))
		}
	}
}

func malformed(diagram string) []string {
	var problems []string
	kind, _, _ := strings.Cut(strings.TrimSpace(strings.SplitN(diagram, "\n", 2)[0]), " ")
	if !slices.Contains([]string{"flowchart", "sequenceDiagram"}, kind) {
		problems = append(problems, "unknown kind "+kind)
	}
	begins := regexp.MustCompile(`(?m)^ *(subgraph|alt|opt|loop|par|critical|break|rect|box)\b`).FindAllString(diagram, -1)
	if ends := regexp.MustCompile(`(?m)^ *end *$`).FindAllString(diagram, -1); len(begins) != len(ends) {
		problems = append(problems, "a block that is not ended, or an end too many")
	}
	if kind == "flowchart" && regexp.MustCompile(`\w\[[^\[("\]][^"\]]*[(){}]`).MatchString(diagram) {
		problems = append(problems, "brackets in a text without quotes")
	}
	if kind == "sequenceDiagram" && strings.Contains(diagram, ";") {
		problems = append(problems, "a semicolon, which ends a statement")
	}
	return problems
}

func pages(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range markdown(t, os.DirFS("..")) {
		raw, err := os.ReadFile(path.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		all[name] = string(raw)
	}
	return all
}
