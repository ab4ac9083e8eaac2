// SPDX-License-Identifier: Apache-2.0

package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheDockerfileIsWrittenFromTheDescriptions(t *testing.T) {
	own := string(read(t, filepath.Join("..", "..", "Dockerfile")))
	want, err := withStages(own)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, own); diff != "" {
		t.Errorf("run make generate (-want +got):\n%s", diff)
	}
	if _, err := withStages("FROM golang AS build\n"); err == nil || !strings.Contains(err.Error(), "has no line") {
		t.Errorf("without the line: got %v", err)
	}
}

// The files are this program's only as long as the Dockerfile runs it, with flags that it has.
func TestTheDockerfileRunsThisProgram(t *testing.T) {
	const call = `go -C hack/image run . layers --platform "$TARGETOS/$TARGETARCH" --version "$VERSION" --commit "$COMMIT" --output /out`
	if own := string(read(t, filepath.Join("..", "..", "Dockerfile"))); !strings.Contains(own, call) {
		t.Errorf("the Dockerfile does not run %s", call)
	}
}

// docker build sends what .dockerignore leaves: all that hack/image asks for must be among it.
func TestWhatTheDockerfileIsGiven(t *testing.T) {
	kept := map[string]bool{}
	for line := range strings.SplitSeq(string(read(t, filepath.Join("..", "..", ".dockerignore"))), "\n") {
		if name, ok := strings.CutPrefix(line, "!"); ok {
			kept[name] = true
		}
	}
	for _, needed := range []string{"go.mod", "go.sum", "LICENSE", "hack/image", "cmd", "config/samples/listener"} {
		if !kept[needed] {
			t.Errorf(".dockerignore keeps %s from the build", needed)
		}
	}
}
