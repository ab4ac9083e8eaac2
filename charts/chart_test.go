// SPDX-License-Identifier: Apache-2.0

// Package charts_test holds the Helm chart to what config/ installs, and to what it says of its values.
package charts_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
)

const (
	chart  = "cloudinary-operator"
	name   = "cloudinary-operator"
	system = "cloudinary-operator-system"
)

// helmPath is where Helm is; it is built where it is missing.
var helmPath = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("../hack/helm/build.sh").Output()
	return strings.TrimSpace(string(out)), errors.Join(err, noteFiles(chart, "../config", "../hack/helm"))
})

// noteFiles reads what the programs that are run here read, or go test would not know that it has changed, and answer from its cache.
func noteFiles(folders ...string) error {
	for _, folder := range folders {
		err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() {
				_, err = os.ReadFile(path)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// helm returns what Helm prints, and its standard error as an error where it fails.
func helm(t *testing.T, args ...string) (string, error) {
	t.Helper()
	path, err := helmPath()
	if err != nil {
		t.Fatalf("build Helm with hack/helm/build.sh: %v", err)
	}
	return run(t, path, args...)
}

func run(t *testing.T, program string, args ...string) (string, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), program, args...)
	command.Env = append(os.Environ(), "HOME="+t.TempDir())
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", filepath.Base(program), strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), nil
}

// mustRun is run for what has to succeed.
func mustRun(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, err := run(t, program, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	return mustRun(t, filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl"), args...)
}

// release is what a release is called, where it goes, and what is set in it.
type release struct {
	name, namespace string
	values          string
}

// render returns the objects of a release.
func (r release) render(t *testing.T) []unstructured.Unstructured {
	t.Helper()
	out, err := helm(t, r.args(t, "template")...)
	if err != nil {
		t.Fatal(err)
	}
	return objects(t, out)
}

// args are the arguments of a command of Helm's about the release.
func (r release) args(t *testing.T, command string) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(file, []byte(r.values), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{command, r.name, chart, "--namespace", r.namespace, "--values", file}
}

func objects(t *testing.T, text string) []unstructured.Unstructured {
	t.Helper()
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096)
	var all []unstructured.Unstructured
	for {
		var object unstructured.Unstructured
		err := decoder.Decode(&object)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("read what was rendered: %v", err)
		}
		if len(object.Object) > 0 {
			all = append(all, object)
		}
	}
}

// key says which object of a cluster it is.
func key(o unstructured.Unstructured) string {
	return fmt.Sprintf("%s %s/%s", o.GetKind(), o.GetNamespace(), o.GetName())
}

// each are the objects of a kind, as what they are.
func each[T any](t *testing.T, objects []unstructured.Unstructured, kind string) []T {
	t.Helper()
	var all []T
	for _, object := range objects {
		if object.GetKind() != kind {
			continue
		}
		var one T
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}
