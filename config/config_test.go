// SPDX-License-Identifier: Apache-2.0

// Package config_test holds what config/ installs to what a real API server accepts from a user's kubectl, and
// the rights it grants to the least.
package config_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
)

func TestAnAPIServerAcceptsTheManifestsWithoutAWarning(t *testing.T) {
	env := testenv.Start(t) // With the CRDs, without which a dry run knows none of our kinds.
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(kubeconfig, env.Kubeconfig, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"crd", "default", "trial", "namespaced", "samples", "samples/listener"} {
		t.Run(folder, func(t *testing.T) {
			// A dry run creates nothing, so what lives in a namespace needs it before. Ours must be the
			// one with the pod-security labels, which make the server warn of what they forbid.
			namespaces := map[string]map[string]string{}
			for _, object := range render(t, folder) {
				if name := object.GetNamespace(); name != "" && name != "default" && namespaces[name] == nil {
					namespaces[name] = map[string]string{}
				}
				if object.GetKind() == "Namespace" {
					namespaces[object.GetName()] = object.GetLabels()
				}
			}
			for name, labels := range namespaces {
				namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
				if err := env.Client.Create(t.Context(), namespace); client.IgnoreAlreadyExists(err) != nil {
					t.Fatalf("create namespace %s: %v", name, err)
				}
			}
			kubectl(t, "apply", "--kubeconfig", kubeconfig, "--server-side", "--dry-run=server", "-k", folder)
		})
	}
}

// What the receiver may write of it is bounded by a policy: see TestTheReceiverMayWriteItsPartOfAStatusAlone.
func TestOnlyManagerAndReceiverMayWriteStatus(t *testing.T) {
	writes := func(verb string) bool { return !slices.Contains([]string{"get", "list", "watch"}, verb) }
	ofStatus := func(resource string) bool { return strings.HasSuffix(resource, "/status") }
	var writers []string
	for _, role := range clusterRoles(t) {
		for _, rule := range role.Rules {
			if slices.ContainsFunc(rule.Resources, ofStatus) && slices.ContainsFunc(rule.Verbs, writes) {
				writers = append(writers, role.Name)
			}
		}
	}
	if want := []string{manager, receiver}; !slices.Equal(writers, want) {
		t.Errorf("status may be written by %q, want %q: a trigger whose id stands in a status is taken for the operator's own", writers, want)
	}
}

func TestNoRoleHasAWildcard(t *testing.T) {
	for _, role := range clusterRoles(t) {
		for _, rule := range role.Rules {
			if slices.Contains(slices.Concat(rule.APIGroups, rule.Resources, rule.Verbs, rule.NonResourceURLs), "*") {
				t.Errorf("%s grants %v", role.Name, rule)
			}
		}
	}
}

func clusterRoles(t *testing.T) []rbacv1.ClusterRole {
	t.Helper()
	var roles []rbacv1.ClusterRole
	for _, object := range render(t, "default") {
		if object.GetKind() != "ClusterRole" {
			continue
		}
		var role rbacv1.ClusterRole
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &role); err != nil {
			t.Fatal(err)
		}
		roles = append(roles, role)
	}
	if len(roles) == 0 {
		t.Fatal("there is no ClusterRole")
	}
	return roles
}

func render(t *testing.T, folder string) []unstructured.Unstructured {
	t.Helper()
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(kubectl(t, "kustomize", folder)), 4096)
	var objects []unstructured.Unstructured
	for {
		var object unstructured.Unstructured
		err := decoder.Decode(&object)
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			t.Fatalf("read what config/%s renders to: %v", folder, err)
		}
		objects = append(objects, object)
	}
}

// kubectl returns what kubectl prints. Anything on its standard error, a warning of the server's for one, fails the test.
func kubectl(t *testing.T, args ...string) []byte {
	t.Helper()
	command := exec.CommandContext(t.Context(), filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl"), args...)
	command.Env = append(os.Environ(), "HOME="+t.TempDir())
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil || stderr.Len() > 0 {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout.Bytes()
}
