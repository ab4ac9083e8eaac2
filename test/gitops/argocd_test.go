// SPDX-License-Identifier: Apache-2.0

package gitops

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

// health is a verdict in Argo CD's words.
type health struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

// kinds are those that have a health check.
var kinds = []string{"CloudinaryTrigger", "NotificationEndpoint"}

func TestArgoCDHealthChecks(t *testing.T) {
	for _, kind := range kinds {
		folder := filepath.Join(customizations, v1alpha1.GroupVersion.Group, kind)
		var suite struct {
			Tests []struct {
				InputPath    string `json:"inputPath"`
				HealthStatus health `json:"healthStatus"`
			} `json:"tests"`
		}
		raw, err := os.ReadFile(filepath.Join(folder, "health_test.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.UnmarshalStrict(raw, &suite); err != nil {
			t.Fatal(err)
		}
		var covered []string
		for _, c := range suite.Tests {
			covered = append(covered, filepath.Join(folder, c.InputPath))
			t.Run(kind+"/"+filepath.Base(c.InputPath), func(t *testing.T) {
				object := readObject(t, filepath.Join(folder, c.InputPath))
				for _, libraries := range []bool{false, true} {
					got, err := runHealthCheck(healthScript(t, kind), object, libraries)
					if err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(c.HealthStatus, got); diff != "" {
						t.Errorf("with all libraries: %t (-want +got):\n%s", libraries, diff)
					}
				}
			})
		}
		files, err := filepath.Glob(filepath.Join(folder, "testdata", "*.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(covered)
		if diff := cmp.Diff(files, covered); diff != "" {
			t.Errorf("%s: each file of testdata is to be in health_test.yaml once (-files +tests):\n%s", kind, diff)
		}
	}
}

func TestAHealthCheckBearsAnObjectWithoutStatus(t *testing.T) {
	for _, kind := range kinds {
		for name, status := range map[string]any{"none": nil, "empty": map[string]any{}, "no conditions": map[string]any{"observedGeneration": int64(1)}} {
			object := map[string]any{"metadata": map[string]any{"generation": int64(1)}, "spec": map[string]any{}, "status": status}
			got, err := runHealthCheck(healthScript(t, kind), object, false)
			if err != nil || got.Status != "Progressing" {
				t.Errorf("%s with status %s: %v, %v, want Progressing", kind, name, got, err)
			}
		}
	}
}

// argocdConfigMap has the health checks and actions as Argo CD reads them.
const argocdConfigMap = "../../config/argocd/argocd-cm.yaml"

func TestTheConfigMapHasTheHealthChecksAndActions(t *testing.T) {
	data := map[string]any{}
	for key, actions := range actionKeys(t) {
		data[key] = actions
	}
	for _, kind := range kinds {
		data["resource.customizations.health."+v1alpha1.GroupVersion.Group+"_"+kind] = healthScript(t, kind)
	}
	raw, err := yaml.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "data": data,
		// Argo CD reads no ConfigMap without this label.
		"metadata": map[string]any{"name": "argocd-cm", "labels": map[string]any{"app.kubernetes.io/part-of": "argocd"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, argocdConfigMap, append([]byte("# Written by go test ./test/gitops -update, from resource_customizations.\n"), raw...))
}

func TestTheComponentAddsTheHealthChecksToAnArgoCDThatKustomizeInstalls(t *testing.T) {
	for name, c := range map[string]struct{ metadata, namespace string }{
		"the namespace is the overlay's":    {"{name: argocd-cm}", "namespace: argocd\n"},
		"the namespace is in the ConfigMap": {"{name: argocd-cm, namespace: argocd}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			component, err := filepath.Abs("../../config/argocd")
			if err != nil {
				t.Fatal(err)
			}
			folder := t.TempDir()
			if component, err = filepath.Rel(folder, component); err != nil {
				t.Fatal(err)
			}
			for file, content := range map[string]string{
				"kustomization.yaml": c.namespace + "resources: [install.yaml]\ncomponents: [" + component + "]\n",
				"install.yaml":       "apiVersion: v1\nkind: ConfigMap\nmetadata: " + c.metadata + "\ndata: {url: https://argocd.example.com}\n",
			} {
				if err := os.WriteFile(filepath.Join(folder, file), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var got struct {
				Metadata struct{ Namespace string }
				Data     map[string]string
			}
			if err := yaml.Unmarshal(kubectl(t, "kustomize", folder), &got); err != nil {
				t.Fatal(err)
			}
			if got.Metadata.Namespace != "argocd" || got.Data["url"] != "https://argocd.example.com" {
				t.Errorf("got %+v: what was there is to stay", got)
			}
			for key, value := range ourKeys(t) {
				if got.Data[key] != value {
					t.Errorf("%s is not there", key)
				}
			}
		})
	}
}

func healthScript(t *testing.T, kind string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(customizations, v1alpha1.GroupVersion.Group, kind, "health.lua"))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func readObject(t *testing.T, path string) map[string]any {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	object := &unstructured.Unstructured{}
	if raw, err = yaml.YAMLToJSON(raw); err != nil {
		t.Fatal(err)
	}
	if err := object.UnmarshalJSON(raw); err != nil {
		t.Fatal(err)
	}
	return object.Object
}

// luaPatience is how long Argo CD lets a health check run.
const luaPatience = time.Second

// runHealthCheck runs a script as Argo CD does. One in argocd-cm gets the libraries package, base and table alone, no string and no os to
// speak of; one that Argo CD brings along gets all.
func runHealthCheck(script string, object map[string]any, libraries bool) (health, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: !libraries})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{
		lua.LoadLibName: lua.OpenPackage, lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable,
	} {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			return health{}, err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), luaPatience)
	defer cancel()
	state.SetContext(ctx)
	state.SetGlobal("obj", luaValue(state, object))
	if err := state.DoString(script); err != nil {
		return health{}, err
	}
	answer, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return health{}, fmt.Errorf("the script returns a %s, want a table", state.Get(-1).Type())
	}
	return healthOf(answer)
}

func healthOf(answer *lua.LTable) (health, error) {
	var h health
	var errs []error
	answer.ForEach(func(key, value lua.LValue) {
		text, ok := value.(lua.LString)
		switch {
		case !ok:
			errs = append(errs, fmt.Errorf("%s is a %s, want a string", key, value.Type()))
		case key.String() == "status":
			h.Status = string(text)
		case key.String() == "message":
			h.Message = string(text)
		default:
			errs = append(errs, fmt.Errorf("the script returns %s, which Argo CD does not know", key))
		}
	})
	if !slices.Contains([]string{"Healthy", "Progressing", "Degraded", "Suspended", "Missing", "Unknown"}, h.Status) {
		errs = append(errs, fmt.Errorf("the script returns the status %q", h.Status))
	}
	return h, errors.Join(errs...)
}

func luaValue(state *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case bool:
		return lua.LBool(value)
	case string:
		return lua.LString(value)
	case float64:
		return lua.LNumber(value)
	case int64:
		return lua.LNumber(value)
	case []any:
		list := state.NewTable()
		for _, item := range value {
			list.Append(luaValue(state, item))
		}
		return list
	case map[string]any:
		table := state.NewTable()
		for key, item := range value {
			table.RawSetString(key, luaValue(state, item))
		}
		return table
	default:
		return lua.LNil
	}
}

// argoHealth is what Argo CD says of a live object of ours.
func argoHealth(t *testing.T, object *unstructured.Unstructured) health {
	t.Helper()
	if object.GetDeletionTimestamp() != nil { // Then Argo CD asks no script.
		return health{"Progressing", "Pending deletion"}
	}
	h, err := runHealthCheck(healthScript(t, object.GetKind()), object.Object, false)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func kubectl(t *testing.T, args ...string) []byte {
	t.Helper()
	return kubectlWith(t, "", args...)
}

func kubectlWith(t *testing.T, stdin string, args ...string) []byte {
	t.Helper()
	command := exec.CommandContext(t.Context(), filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl"), args...)
	command.Env = append(os.Environ(), "HOME="+t.TempDir())
	command.Stdin = strings.NewReader(stdin)
	var stderr strings.Builder
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return out
}
