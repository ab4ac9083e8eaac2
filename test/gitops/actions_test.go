// SPDX-License-Identifier: Apache-2.0

package gitops

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	lua "github.com/yuin/gopher-lua"
	"sigs.k8s.io/yaml"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

// kindsWithActions are those that somebody can do something with from Argo CD.
var kindsWithActions = []string{"NotificationEndpoint"}

// action is one in Argo CD's words, as its own tests spell it.
type action struct {
	Name        string `json:"name"`
	Disabled    bool   `json:"disabled"`
	DisplayName string `json:"displayName"`
	IconClass   string `json:"iconClass"`
}

// actionSuite is an action_test.yaml, as Argo CD's own tests read it.
type actionSuite struct {
	DiscoveryTests []struct {
		InputPath string   `json:"inputPath"`
		Result    []action `json:"result"`
	} `json:"discoveryTests"`
	ActionTests []struct {
		Action             string `json:"action"`
		InputPath          string `json:"inputPath"`
		ExpectedOutputPath string `json:"expectedOutputPath"`
	} `json:"actionTests"`
}

func TestArgoCDActions(t *testing.T) {
	for _, kind := range kindsWithActions {
		folder := actionsFolder(kind)
		var suite actionSuite
		if err := yaml.UnmarshalStrict([]byte(readText(t, filepath.Join(folder, "action_test.yaml"))), &suite); err != nil {
			t.Fatal(err)
		}
		for _, c := range suite.DiscoveryTests {
			t.Run(kind+"/discovery/"+filepath.Base(c.InputPath), func(t *testing.T) {
				got, err := discoverActions(readText(t, filepath.Join(folder, "discovery.lua")), readObject(t, filepath.Join(folder, c.InputPath)))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(c.Result, got); diff != "" {
					t.Errorf("actions (-want +got):\n%s", diff)
				}
			})
		}
		for _, c := range suite.ActionTests {
			t.Run(kind+"/"+c.Action+"/"+filepath.Base(c.InputPath), func(t *testing.T) {
				script := readText(t, filepath.Join(folder, c.Action, "action.lua"))
				got, err := runAction(script, readObject(t, filepath.Join(folder, c.InputPath)))
				if err != nil {
					t.Fatal(err)
				}
				raw, err := yaml.Marshal(got)
				if err != nil {
					t.Fatal(err)
				}
				golden(t, filepath.Join(folder, c.ExpectedOutputPath), anInstant.ReplaceAll(raw, []byte("2026-01-01T00:00:00Z")))
			})
		}
	}
}

func TestADiscoveryOfActionsBearsAnObjectWithoutStatus(t *testing.T) {
	for _, kind := range kindsWithActions {
		for name, status := range map[string]any{"none": nil, "empty": map[string]any{}, "no targets": map[string]any{"receiver": map[string]any{}}} {
			object := map[string]any{"metadata": map[string]any{}, "spec": map[string]any{}, "status": status}
			got, err := discoverActions(readText(t, filepath.Join(actionsFolder(kind), "discovery.lua")), object)
			if err != nil || len(got) == 0 || !got[0].Disabled {
				t.Errorf("%s with status %s: %+v, %v, want its actions, disabled", kind, name, got, err)
			}
		}
	}
}

// actionKeys are the actions as argocd-cm has them.
func actionKeys(t *testing.T) map[string]string {
	t.Helper()
	keys := map[string]string{}
	for _, kind := range kindsWithActions {
		type definition struct {
			Name   string `json:"name"`
			Action string `json:"action.lua"`
		}
		var all struct {
			Discovery   string       `json:"discovery.lua"`
			Definitions []definition `json:"definitions"`
		}
		all.Discovery = readText(t, filepath.Join(actionsFolder(kind), "discovery.lua"))
		files, err := filepath.Glob(filepath.Join(actionsFolder(kind), "*", "action.lua"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s has no actions: %v", kind, err)
		}
		for _, file := range files {
			all.Definitions = append(all.Definitions, definition{filepath.Base(filepath.Dir(file)), readText(t, file)})
		}
		raw, err := yaml.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		keys["resource.customizations.actions."+v1alpha1.GroupVersion.Group+"_"+kind] = string(raw)
	}
	return keys
}

func actionsFolder(kind string) string {
	return filepath.Join(customizations, v1alpha1.GroupVersion.Group, kind, "actions")
}

func readText(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// newActionState is what Argo CD runs scripts of argocd-cm in: of the library os there is no more than time and date.
func newActionState(ctx context.Context, object map[string]any) (*lua.LState, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	for name, open := range map[string]lua.LGFunction{
		lua.LoadLibName: lua.OpenPackage, lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable,
	} {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			return nil, err
		}
	}
	state.PreloadModule(lua.OsLibName, func(state *lua.LState) int {
		whole := lua.NewState()
		state.Push(state.SetFuncs(state.NewTable(), map[string]lua.LGFunction{
			"time": whole.GetField(whole.GetGlobal(lua.OsLibName), "time").(*lua.LFunction).GFunction,
			"date": whole.GetField(whole.GetGlobal(lua.OsLibName), "date").(*lua.LFunction).GFunction,
		}))
		return 1
	})
	state.SetContext(ctx)
	state.SetGlobal("obj", luaValue(state, object))
	return state, nil
}

// runScript returns the table that a script returns.
func runScript(script string, object map[string]any) (*lua.LTable, error) {
	ctx, cancel := context.WithTimeout(context.Background(), luaPatience)
	defer cancel()
	state, err := newActionState(ctx, object)
	if err != nil {
		return nil, err
	}
	defer state.Close()
	if err := state.DoString(script); err != nil {
		return nil, err
	}
	answer, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return nil, fmt.Errorf("the script returns a %s, want a table", state.Get(-1).Type())
	}
	return answer, nil
}

func discoverActions(script string, object map[string]any) ([]action, error) {
	answer, err := runScript(script, object)
	if err != nil {
		return nil, err
	}
	var all []action
	var errs []error
	answer.ForEach(func(name, value lua.LValue) {
		raw, err := yaml.Marshal(goValue(value))
		if err != nil {
			errs = append(errs, err)
			return
		}
		a := action{Name: name.String()}
		errs = append(errs, yaml.UnmarshalStrict(raw, &a))
		all = append(all, a)
	})
	return all, errors.Join(errs...)
}

// runAction returns the object that Argo CD then writes.
func runAction(script string, object map[string]any) (map[string]any, error) {
	answer, err := runScript(script, object)
	if err != nil {
		return nil, err
	}
	result, ok := goValue(answer).(map[string]any)
	if !ok {
		return nil, errors.New("the script returns a list, want an object")
	}
	restoreEmpty(object, result)
	return result, nil
}

// restoreEmpty makes lists and objects without elements again what they were: in Lua they are the same. Argo CD does so, too.
func restoreEmpty(before, after map[string]any) {
	for name, value := range before {
		switch value := value.(type) {
		case map[string]any:
			if below, ok := after[name].(map[string]any); ok {
				restoreEmpty(value, below)
			}
		case []any:
			if len(value) == 0 {
				after[name] = value
			}
		}
	}
}

func goValue(value lua.LValue) any {
	switch value := value.(type) {
	case lua.LBool:
		return bool(value)
	case lua.LNumber:
		return float64(value)
	case lua.LString:
		return string(value)
	case *lua.LTable:
		if value.Len() > 0 {
			var list []any
			value.ForEach(func(_, item lua.LValue) { list = append(list, goValue(item)) })
			return list
		}
		object := map[string]any{}
		value.ForEach(func(key, item lua.LValue) { object[key.String()] = goValue(item) })
		return object
	default:
		return nil
	}
}

// The annotation that the action sets is the one that the receiver goes by.
func TestTheActionSetsTheReceiversAnnotation(t *testing.T) {
	script := readText(t, filepath.Join(actionsFolder("NotificationEndpoint"), "redrive", "action.lua"))
	if !strings.Contains(script, `"`+v1alpha1.AnnotationRedrive+`"`) {
		t.Errorf("redrive/action.lua does not set %s", v1alpha1.AnnotationRedrive)
	}
}
