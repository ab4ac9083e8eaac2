// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

func (f *fixture) deployment(component, image string) *appsv1.Deployment {
	pod := map[string]string{labelComponent: component}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: component, Namespace: f.namespace, Labels: map[string]string{labelPartOf: partOf, labelComponent: component}},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: pod},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: pod},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "proxy", Image: "proxy:v9"}, {Name: component, Image: image}}},
			},
		},
	}
}

func TestVersion(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.env[envOperatorNamespace] = f.namespace
	if got, want := f.succeeds("version", "--client"), "plugin     v1.2.3\n"; got != want {
		t.Errorf("the plugin's alone: %q, want %q", got, want)
	}
	none := "not found in namespace " + f.namespace + "; see --operator-namespace\n"
	if got, want := f.succeeds("version"), "plugin     v1.2.3\nmanager    "+none+"receiver   "+none; got != want {
		t.Errorf("without an operator: %q, want %q", got, want)
	}
	f.create(f.deployment("manager", "registry.example.com:5000/operator:v1.2.4@sha256:"+strings.Repeat("0", 64)), f.deployment("receiver", "registry.example.com:5000/operator"))
	if got, want := f.succeeds("version"), "plugin     v1.2.3\nmanager    v1.2.4\nreceiver   not known: its image has no tag, and the Deployment no label app.kubernetes.io/version\n"; got != want {
		t.Errorf("with an operator: %q, want %q", got, want)
	}
	var report versionReport
	f.must(json.Unmarshal([]byte(f.succeeds("version", "-o", "json")), &report))
	if report.Plugin.Version != "v1.2.3" || report.Manager.Version != "v1.2.4" || report.Manager.Deployment != "manager" || report.Receiver.Problem == "" {
		t.Errorf("as JSON: %+v", report)
	}
	if got, want := f.succeeds("version", "--as", "nobody"), "not permitted: to list deployments in namespace "+f.namespace; strings.Count(got, want) != 2 {
		t.Errorf("without the right: %q, want %q in it twice", got, want)
	}
	if r := runWith(t.Context(), time.Time{}, nil, "", "version", "--kubeconfig", "/nonexistent"); r.code != 0 || !strings.Contains(r.out, "manager    not known: read the kubeconfig") {
		t.Errorf("without a cluster: %+v", r)
	}
}
