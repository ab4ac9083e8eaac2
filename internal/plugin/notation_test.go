// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// kubectl runs the real program in the fixture's namespace.
func (f *fixture) kubectl(stdin string, args ...string) string {
	f.Helper()
	program := filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl")
	command := exec.CommandContext(context.WithoutCancel(f.Context()), program, append([]string{"--kubeconfig", f.kubeconfig, "--namespace", f.namespace}, args...)...)
	command.Stdin = strings.NewReader(stdin)
	out, err := command.CombinedOutput()
	if err != nil {
		f.Fatalf("kubectl %v: %v: %s; hack/kubernetes/build.sh builds it", args, err, out)
	}
	return string(out)
}

func TestDocumentsReadAsTheyWereWritten(t *testing.T) {
	alphabet := []string{
		" ", "\n", "\t", "\r", ":", "#", "-", "'", `"`, "{", "}", "[", "]", ",", "%", "a", "é", "😀", "\x00", "\x1b", "\x7f", "\u0085", "\u009b", "\u00a0",
		"\u2028", "\u202e", "\ufeff", "\ufffe", "\uffff", "|", ">", "!", "&", "*", "?", "0", "1e3", "~", "null", "yes", "=", "<<", `\`, `\u0041`, "@", "`", strings.Repeat("k", 1100),
	}
	for _, first := range alphabet {
		for _, second := range alphabet {
			text := first + second
			raw, err := encodeJSON(map[string]any{text: text, "list": []any{text, map[string]any{text: 1}}})
			if err != nil {
				t.Fatal(err)
			}
			document, err := document(raw)
			if err != nil {
				if len(text) < 1000 {
					t.Errorf("%q: %v", text, err)
				}
				continue
			}
			var back map[string]any
			decoder := utilyaml.NewYAMLOrJSONDecoder(strings.NewReader("# comment\n---\n"+document), 4096)
			for err == nil && back == nil { // the comment is a document, too
				err = decoder.Decode(&back)
			}
			if err != nil {
				t.Errorf("%q is written as %q: %v", text, document, err)
				continue
			}
			var want map[string]any
			if err := json.Unmarshal(raw, &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, back); diff != "" {
				t.Errorf("%q is written as %q (-want +got):\n%s", text, document, diff)
			}
		}
	}
}

// What YAML has no notation for, or reads as something else, must not keep the other triggers from
// being exported.
func TestExportOfStrangeCharacters(t *testing.T) {
	for _, format := range []string{outputYAML, outputJSON} {
		t.Run(format, func(t *testing.T) {
			f := newFixture(t, simulator.Options{})
			f.create(f.secret())
			for _, body := range []string{
				`{"uri":"https://hooks.example.com/plain","event_type":"upload"}`,
				`{"uri":"https://hooks.example.com/control","event_type":"upload","payload_template":{"a":"x\u007fy\u009bz\u0085\u0000\u2028\ufeff😀<b>&"}}`,
				`{"uri":"https://hooks.example.com/merge","event_type":"upload","payload_template":{"<<":"{{event.type}}","y":"n","=":"~","n":1.50}}`,
				`{"uri":"https://hooks.example.com/filter","event_type":"upload","filter":{"==":[{"var":"public_id"},"\u009b31m"]}}`,
			} {
				f.have(body)
			}
			calls := f.writes()
			exported := f.succeeds("export", "--secret", "cloudinary", "--allow-insecure-api-base", "-o", format)
			if strings.Contains(exported, `\u003c`) || strings.Contains(exported, "\u009b") {
				t.Errorf("an escape that nothing needs, or none where one is needed:\n%s", exported)
			}
			planned := f.callWith(exported, "plan", "-f", "-", "--exit-code", "--allow-insecure-api-base")
			if planned.code != 0 || planned.err != "" {
				t.Errorf("plan of what was exported: %+v", planned)
			}
			if got := strings.Count(f.kubectl(exported, "apply", "-f", "-"), " created"); got != 4+4 {
				t.Errorf("%d objects, want 4 endpoints and 4 triggers:\n%s", got, exported)
			}
			f.startManager()
			f.ready()
			if diff := cmp.Diff(calls, f.writes()); diff != "" {
				t.Errorf("writes at Cloudinary (-before +after):\n%s", diff)
			}
		})
	}
}

func TestWhatNoFileCanHoldIsLeftOut(t *testing.T) {
	trigger := at("1", "https://example.com/")
	// YAML has no merge key in quotes but in its JSON form, and there no key of more than 1024
	// characters.
	trigger.PayloadTemplate = json.RawMessage(`{"<<":"x","` + strings.Repeat("k", 2000) + `":"y"}`)
	e := export([]cloudinary.Trigger{trigger, at("2", "https://example.com/other")}, target{namespace: "shop", secret: "cloudinary"})
	if len(e.triggers) != 1 || len(e.skipped) != 1 || !strings.Contains(e.skipped[0].reason, "cannot be written as YAML") {
		t.Errorf("%d exported, left out: %+v", len(e.triggers), e.skipped)
	}
}

func TestExportOfAnEmptyEnvironmentIsAList(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.create(f.secret())
	got := f.succeeds("export", "--secret", "cloudinary", "--allow-insecure-api-base", "-o", "json")
	canonical, err := plan.CanonicalJSON([]byte(got))
	f.must(err)
	if diff := cmp.Diff(`{"apiVersion":"v1","items":[],"kind":"List"}`, canonical); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
