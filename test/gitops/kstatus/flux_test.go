// SPDX-License-Identifier: Apache-2.0

package kstatus

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/ext"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// guide is what people copy from.
const guide = "../../../docs/gitops.md"

// expressions are one of spec.healthCheckExprs of a Flux Kustomization.
type expressions struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	InProgress string `json:"inProgress"`
	Failed     string `json:"failed"`
	Current    string `json:"current"`
}

func TestTheGuidesFluxExpressionsTakeADifferenceThatIsOnlyObservedForReady(t *testing.T) {
	e := ofTheGuide(t)
	for name, c := range verdicts {
		want := c.status
		switch {
		case !strings.HasPrefix(name, e.Kind+"/"), want == status.TerminatingStatus: // Flux does not check what it has deleted.
			continue
		case strings.HasSuffix(name, "/suspended_drifted.yaml"):
			want = status.CurrentStatus
		}
		t.Run(name, func(t *testing.T) {
			object := read(t, name)
			if gvk := object.GroupVersionKind(); gvk.GroupVersion().String() != e.APIVersion || gvk.Kind != e.Kind {
				t.Fatalf("the expressions are for %s %s, and this is %s", e.APIVersion, e.Kind, gvk)
			}
			got, err := e.evaluate(object)
			if err != nil || got != want {
				t.Errorf("%s, %v, want %s", got, err, want)
			}
		})
	}
}

// ofTheGuide are the expressions in the guide's example.
func ofTheGuide(t *testing.T) expressions {
	t.Helper()
	raw, err := os.ReadFile(filepath.FromSlash(guide))
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range strings.Split(string(raw), "```yaml\n")[1:] {
		block, _, _ = strings.Cut(block, "```")
		for document := range strings.SplitSeq(block, "\n---\n") {
			var o struct {
				Kind string
				Spec struct {
					HealthCheckExprs []expressions `json:"healthCheckExprs"`
				}
			}
			if !strings.Contains(document, "healthCheckExprs:") {
				continue
			}
			if err := yaml.Unmarshal([]byte(document), &o); err != nil {
				t.Fatal(err)
			}
			if len(o.Spec.HealthCheckExprs) == 1 {
				return o.Spec.HealthCheckExprs[0]
			}
		}
	}
	t.Fatalf("%s has no Kustomization with one healthCheckExprs", guide)
	return expressions{}
}

// evaluate does as Flux does: the first expression that is true decides; its variables are the object's fields.
func (e expressions) evaluate(object *unstructured.Unstructured) (status.Status, error) {
	for _, step := range []struct {
		expression string
		status     status.Status
	}{{e.InProgress, status.InProgressStatus}, {e.Failed, status.FailedStatus}, {e.Current, status.CurrentStatus}} {
		holds, err := evaluate(step.expression, object.Object)
		if err != nil {
			return "", fmt.Errorf("%q: %w", step.expression, err)
		}
		if holds {
			return step.status, nil
		}
	}
	return status.InProgressStatus, nil
}

func evaluate(expression string, variables map[string]any) (bool, error) {
	environment, err := cel.NewEnv(cel.HomogeneousAggregateLiterals(), cel.EagerlyValidateDeclarations(true), cel.DefaultUTCTimeZone(true), ext.Strings())
	if err != nil {
		return false, err
	}
	parsed, issues := environment.Parse(expression)
	if issues.Err() != nil {
		return false, issues.Err()
	}
	program, err := environment.Program(parsed)
	if err != nil {
		return false, err
	}
	answer, _, err := program.Eval(variables)
	if err != nil {
		return false, err
	}
	holds, ok := answer.Value().(bool)
	if !ok {
		return false, fmt.Errorf("it is a %s, want a bool", answer.Type())
	}
	return holds, nil
}
