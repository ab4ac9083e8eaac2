// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

func TestCompletion(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	kept := f.endpoint("kept", "")
	kept.Spec.Receiver = &v1alpha1.ReceiverSpec{BaseURL: "https://hooks.example.com", DeliverTo: []v1alpha1.DeliveryTarget{
		{Name: "catalog", Service: &v1alpha1.ServiceTarget{Name: "catalog", Port: intstr.FromInt32(80)}},
	}}
	other := newFixture(t, simulator.Options{})
	other.create(other.endpoint("same", mediaURL), other.trigger("same", "same", "upload"), other.trigger("one", "same", "delete"))
	other.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "second", Namespace: other.namespace}})
	f.create(kept, f.endpoint("media", mediaURL), f.endpoint("desk", "https://desk.example.com/"), f.trigger("uploads", "media", "upload"))
	flags := []string{"--kubeconfig", f.kubeconfig, "--namespace", f.namespace}
	cases := map[string]struct {
		args []string
		want []string
	}{
		"commands":                       {[]string{"re"}, []string{"release\tRelease objects whose manager or credentials are gone"}},
		"endpoints":                      {slices.Concat([]string{"send"}, flags, []string{""}), []string{"desk", "kept", "media"}},
		"endpoints by their beginning":   {slices.Concat([]string{"deadletters", "redrive"}, flags, []string{"m"}), []string{"media"}},
		"no second endpoint":             {slices.Concat([]string{"send", "media"}, flags, []string{""}), nil},
		"what can be released":           {slices.Concat([]string{"release"}, flags, []string{""}), []string{"cldt/uploads", "nep/desk", "nep/kept", "nep/media", "secret/cloudinary"}},
		"Secrets that an endpoint names": {slices.Concat([]string{"export"}, flags, []string{"--secret", ""}), []string{"cloudinary"}},
		"Secrets that no endpoint names": {slices.Concat([]string{"export", "--kubeconfig", f.kubeconfig, "--namespace", other.namespace}, []string{"--secret", ""}), []string{"cloudinary", "second"}},
		"targets":                        {slices.Concat([]string{"deadletters", "redrive", "kept"}, flags, []string{"--target", ""}), []string{"catalog"}},
		"targets of another endpoint":    {slices.Concat([]string{"deadletters", "redrive", "desk"}, flags, []string{"--target", ""}), nil},
		"what has a status":              {[]string{"status", "--kubeconfig", f.kubeconfig, "--namespace", other.namespace, ""}, []string{"endpoint/same", "trigger/same", "one"}},
		"namespaces":                     {slices.Concat([]string{"status"}, flags[:2], []string{"--namespace", f.namespace[:len(f.namespace)-1]}), []string{f.namespace}},
		"ways to sign":                   {[]string{"send", "media", "--algorithm", ""}, []string{"sha1", "sha256"}},
		"outputs":                        {[]string{"plan", "-o", ""}, []string{"wide", "json", "yaml"}},
		"a cluster that is not there":    {[]string{"send", "--kubeconfig", "/nonexistent", ""}, nil},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			r := runWith(t.Context(), noon, nil, "", append([]string{"__complete"}, test.args...)...)
			var got []string
			for line := range strings.SplitSeq(strings.TrimSpace(r.out), "\n") {
				if !strings.HasPrefix(line, ":") { // the directive
					got = append(got, line)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" || r.code != 0 {
				t.Errorf("code %d (-want +got):\n%s", r.code, diff)
			}
		})
	}
}
