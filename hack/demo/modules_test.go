// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"encoding/json"
	"os/exec"
	"testing"
)

// Where the control plane and the product have a module in common, it is in one version: what is compiled for one of them serves the other, and
// the first make demo takes minutes less.
func TestOneVersionOfWhatControlPlaneAndProductShare(t *testing.T) {
	t.Parallel()
	theirs := versions(t, "../kubernetes/go.mod")
	shared := 0
	for path, version := range versions(t, "../../go.mod") {
		their, both := theirs[path]
		if !both {
			continue
		}
		shared++
		if their != version {
			t.Errorf("hack/kubernetes has %s %s, the product %s: go -C hack/kubernetes get %s@%s, or change the product's", path, their, version, path, version)
		}
	}
	if shared == 0 {
		t.Error("they share no module, so this test has read the wrong files")
	}
}

func versions(t *testing.T, file string) map[string]string {
	t.Helper()
	text, err := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	var module struct {
		Require []struct{ Path, Version string }
	}
	if err := json.Unmarshal(text, &module); err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, r := range module.Require {
		found[r.Path] = r.Version
	}
	return found
}
