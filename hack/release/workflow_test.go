// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

func workflowFile(name string) string {
	return filepath.Join("..", "..", ".github", "workflows", name)
}

// workflow is as much of one as the tests look at.
type workflow struct {
	Permissions map[string]string
	Jobs        map[string]struct {
		Permissions map[string]string
		Strategy    struct{ Matrix map[string][]string }
		Steps       []struct{ Run string }
	}
}

func readWorkflow(t *testing.T, name string) workflow {
	t.Helper()
	var w workflow
	if err := yaml.Unmarshal([]byte(read(t, workflowFile(name))), &w); err != nil {
		t.Fatal(err)
	}
	return w
}

// A tag of an action can be moved to other code, which would then run with the rights of the job.
func TestActionsAreNamedByCommit(t *testing.T) {
	pinned := regexp.MustCompile(`^\s*(- )?uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
	versions := map[string]string{}
	files, err := filepath.Glob(workflowFile("*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no workflow was found: %v", err)
	}
	var lines []string
	for _, file := range files {
		lines = append(lines, slices.Collect(strings.Lines(read(t, file)))...)
	}
	for _, line := range lines {
		line = strings.TrimRight(line, "\n")
		_, action, found := strings.Cut(line, "uses: ")
		if !found {
			continue
		}
		if !pinned.MatchString(line) {
			t.Errorf("%q is not of the form uses: owner/action@COMMIT # vX.Y.Z", line)
		}
		name, version, _ := strings.Cut(action, "@")
		if before, ok := versions[name]; ok && before != version {
			t.Errorf("%s is used as %s and as %s", name, before, version)
		}
		versions[name] = version
	}
	if len(versions) == 0 {
		t.Error("no action was found")
	}
}

// What may publish builds nothing, and what builds, or runs tests, may publish nothing.
func TestRightsOfTheWorkflow(t *testing.T) {
	release := readWorkflow(t, "release.yaml")
	if release.Permissions == nil || len(release.Permissions) > 0 {
		t.Errorf("the workflow as a whole has %v, want none: {}", release.Permissions)
	}
	got := map[string]map[string]string{}
	for name, job := range release.Jobs {
		got[name] = job.Permissions
	}
	want := map[string]map[string]string{
		"verify":  {"contents": "read"},
		"build":   {"contents": "read"},
		"push":    {"contents": "read", "packages": "write", "id-token": "write"},
		"sign":    {"contents": "read", "packages": "write", "id-token": "write", "attestations": "write"},
		"release": {"contents": "write", "id-token": "write", "attestations": "write"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The workflows that look for faults run what pull requests bring. They may report, and write nothing else.
func TestRightsOfTheChecks(t *testing.T) {
	for name, want := range map[string]map[string]string{
		"ci.yaml":        nil,
		"nightly.yaml":   nil,
		"codeql.yaml":    {"contents": "read", "security-events": "write"},
		"scorecard.yaml": {"contents": "read", "security-events": "write", "id-token": "write"},
	} {
		w := readWorkflow(t, name)
		if diff := cmp.Diff(map[string]string{"contents": "read"}, w.Permissions); diff != "" {
			t.Errorf("%s as a whole (-want +got):\n%s", name, diff)
		}
		for job, j := range w.Jobs {
			if diff := cmp.Diff(want, j.Permissions); diff != "" {
				t.Errorf("the job %s of %s (-want +got):\n%s", job, name, diff)
			}
		}
	}
}

// What lands is what .ci/run has passed, so the workflow must not leave a step of it out. Known vulnerabilities are on the internet,
// where .ci/run need not get.
func TestTheWorkflowRunsWhatCIRuns(t *testing.T) {
	var want []string
	for line := range strings.Lines(read(t, filepath.Join("..", "..", ".ci", "run"))) {
		if target, found := strings.CutPrefix(strings.TrimSpace(line), "step "); found {
			want = append(want, target)
		}
	}
	want = append(want, "vulncheck")
	if diff := cmp.Diff(want, readWorkflow(t, "ci.yaml").Jobs["make"].Strategy.Matrix["target"]); diff != "" {
		t.Errorf("targets (-.ci/run +workflow):\n%s", diff)
	}
}

// Dependabot looks where it is told to: a module that nobody names grows old in silence.
func TestEachModuleIsKeptUpToDate(t *testing.T) {
	var config struct {
		Updates []struct {
			Ecosystem   string   `json:"package-ecosystem"`
			Directories []string `json:"directories"`
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, filepath.Join("..", "..", ".github", "dependabot.yml"))), &config); err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, u := range config.Updates {
		got[u.Ecosystem] = append(got[u.Ecosystem], u.Directories...)
	}
	out, err := exec.CommandContext(t.Context(), "git", "-C", filepath.Join("..", ".."), "ls-files", "go.mod", "*/go.mod").Output()
	if err != nil {
		t.Fatal(err)
	}
	var modules []string
	for file := range strings.FieldsSeq(string(out)) {
		modules = append(modules, strings.TrimSuffix("/"+strings.TrimSuffix(file, "go.mod"), "/"))
	}
	for i, m := range modules {
		if m == "" {
			modules[i] = "/"
		}
	}
	slices.Sort(modules)
	slices.Sort(got["gomod"])
	want := map[string][]string{"gomod": modules, "github-actions": {"/"}, "docker": {"/"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
