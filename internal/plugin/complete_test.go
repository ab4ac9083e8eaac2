// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

func TestCompletion(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.create(f.endpoint("media", mediaURL), f.endpoint("desk", "https://desk.example.com/"), f.trigger("uploads", "media", "upload"))
	flags := []string{"--kubeconfig", f.kubeconfig, "--namespace", f.namespace}
	cases := map[string]struct {
		args []string
		want []string
	}{
		"commands":                       {[]string{"re"}, []string{"release\tRelease objects whose manager or credentials are gone"}},
		"endpoints":                      {slices.Concat([]string{"send"}, flags, []string{""}), []string{"desk", "media"}},
		"endpoints by their beginning":   {slices.Concat([]string{"deadletters", "redrive"}, flags, []string{"m"}), []string{"media"}},
		"no second endpoint":             {slices.Concat([]string{"send", "media"}, flags, []string{""}), nil},
		"what can be released":           {slices.Concat([]string{"release"}, flags, []string{""}), []string{"cldt/uploads", "nep/desk", "nep/media", "secret/cloudinary"}},
		"Secrets that an endpoint names": {slices.Concat([]string{"export"}, flags, []string{"--secret", ""}), []string{"cloudinary"}},
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
