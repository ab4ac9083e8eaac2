// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// stage is what a stage of the Dockerfile makes of an image, the stages before it included.
type stage struct {
	From       string
	User       string
	Entrypoint []string
	Labels     map[string]string
	Copies     []string
	Others     []string // instructions that an image of hack/image knows nothing of
}

// stagesOf reads a Dockerfile as far as the project's uses the language.
func stagesOf(t *testing.T, arguments map[string]string) (stages map[string]*stage, last string) {
	t.Helper()
	raw := string(read(t, filepath.Join("..", "..", "Dockerfile")))
	raw = regexp.MustCompile(`(?m)^\s*#.*\n`).ReplaceAllString(raw, "")
	raw = strings.ReplaceAll(raw, "\\\n", " ")
	stages = map[string]*stage{}
	for line := range strings.SplitSeq(raw, "\n") {
		instruction, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch instruction {
		case "":
		case "FROM":
			words := strings.Fields(rest)
			if len(words) < 3 || words[len(words)-2] != "AS" {
				t.Fatalf("a stage without a name: %s", line)
			}
			last = words[len(words)-1]
			stages[last] = derived(stages, words[len(words)-3])
		default:
			stages[last].take(t, instruction, rest, arguments)
		}
	}
	return stages, last
}

func derived(stages map[string]*stage, from string) *stage {
	s := &stage{From: from, Labels: map[string]string{}}
	if base, ok := stages[from]; ok {
		*s = *base
		s.Labels = maps.Clone(base.Labels)
	}
	return s
}

func (s *stage) take(t *testing.T, instruction, rest string, arguments map[string]string) {
	t.Helper()
	switch instruction {
	case "ARG":
	case "USER":
		s.User = rest
	case "ENTRYPOINT":
		if err := json.Unmarshal([]byte(rest), &s.Entrypoint); err != nil {
			t.Fatalf("ENTRYPOINT %s: %v", rest, err)
		}
	case "COPY":
		s.Copies = append(s.Copies, rest)
	case "LABEL":
		for _, pair := range regexp.MustCompile(`(\S+?)="([^"]*)"`).FindAllStringSubmatch(rest, -1) {
			s.Labels[pair[1]] = os.Expand(pair[2], func(name string) string { return arguments[name] })
		}
	default:
		s.Others = append(s.Others, instruction+" "+rest)
	}
}

// What make image builds and what docker build does must not drift apart.
func TestTheDockerfileMakesTheSameImages(t *testing.T) {
	e := sampleEdition()
	stages, last := stagesOf(t, map[string]string{"VERSION": e.version, "COMMIT": e.commit})
	stageOf := map[string]string{"cloudinary-operator": last, "cloudinary-sim": "simulator", "sample-listener": "sample-listener"}
	for _, d := range descriptions() {
		image, err := assemble(d, e, v1.Platform{OS: "linux", Architecture: "amd64"}, sampleFiles())
		if err != nil {
			t.Fatal(err)
		}
		config, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		want := &stage{
			From: "scratch", User: config.Config.User, Entrypoint: config.Config.Entrypoint, Labels: config.Config.Labels,
			Copies: []string{"--from=build /out/" + d.name + "/ /"},
		}
		if diff := cmp.Diff(want, stages[stageOf[d.name]]); diff != "" {
			t.Errorf("%s (-make image +docker build):\n%s", d.name, diff)
		}
	}
	if len(stages) != len(descriptions())+2 {
		t.Errorf("%d stages, want build, base and one for each of %d images", len(stages), len(descriptions()))
	}
}

// The files come from the same code only as long as the Dockerfile calls it, with flags that it has.
func TestTheDockerfileCallsThisProgram(t *testing.T) {
	stages, _ := stagesOf(t, nil)
	call := regexp.MustCompile(`go -C hack/image run \. rootfs (.*)$`).FindStringSubmatch(strings.Join(stages["build"].Others, "\n"))
	if call == nil {
		t.Fatal("the stage build does not call rootfs")
	}
	want := `--platform "$TARGETOS/$TARGETARCH" --version "$VERSION" --commit "$COMMIT" --output /out`
	if diff := cmp.Diff(want, call[1]); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
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
