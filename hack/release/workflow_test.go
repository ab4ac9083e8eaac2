// SPDX-License-Identifier: Apache-2.0

package main

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

func workflowFile() string {
	return filepath.Join("..", "..", ".github", "workflows", "release.yaml")
}

// A tag of an action can be moved to other code, which would then run with the rights to publish.
func TestActionsAreNamedByCommit(t *testing.T) {
	pinned := regexp.MustCompile(`^\s*(- )?uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
	versions := map[string]string{}
	for line := range strings.Lines(read(t, workflowFile())) {
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
	var workflow struct {
		Permissions map[string]string
		Jobs        map[string]struct{ Permissions map[string]string }
	}
	if err := yaml.Unmarshal([]byte(read(t, workflowFile())), &workflow); err != nil {
		t.Fatal(err)
	}
	if workflow.Permissions == nil || len(workflow.Permissions) > 0 {
		t.Errorf("the workflow as a whole has %v, want none: {}", workflow.Permissions)
	}
	got := map[string]map[string]string{}
	for name, job := range workflow.Jobs {
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
