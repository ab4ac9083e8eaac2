// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"slices"
	"strings"
	"testing"

	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// A trigger that somebody made without auth_scheme, on an account where that means legacy_hmac, and
// with a filter.
func TestPlanSaysWhatAnAdoptionChangesUnasked(t *testing.T) {
	f := newFixture(t, simulator.Options{UnsetAuthScheme: simulator.UnsetLegacy})
	f.have(`{"uri":"https://desk.example.com/hook?token=s3cr3t","event_type":"upload","filter":{"==":[{"var":"type"},"upload"]}}`)
	f.create(f.secret())
	manifests, _, _ := strings.Cut(planned, "---\napiVersion: v1\n")
	report := f.plan(manifests, "-f", "-")
	steps := report.Environments[0].Steps
	i := slices.IndexFunc(steps, func(s stepPlan) bool { return s.Action == "update" && s.Cause == "adoption" })
	if i < 0 || !slices.Equal(steps[i].Silent, []string{"filter", "authScheme"}) {
		t.Fatalf("the adoption is not said to change filter and authScheme unasked: %+v", steps)
	}
	r := f.callWith(manifests, "plan", "-f", "-", "--allow-insecure-api-base")
	for _, part := range []string{
		"authScheme legacy_hmac, which the manifest does not set: it changes to Cloudinary's default. To keep it, set spec.authScheme.",
		`filter {"==":[{"var":"type"},"upload"]}, which`,
	} {
		if !strings.Contains(r.out, part) {
			t.Errorf("the plan lacks %q:\n%s", part, r.out)
		}
	}
	asked := strings.Replace(manifests, "eventTypes: [upload, delete]", "eventTypes: [upload, delete], authScheme: legacy_hmac, filter: {\"==\": [{var: type}, upload]}", 1)
	if r := f.callWith(asked, "plan", "-f", "-", "--allow-insecure-api-base"); strings.Contains(r.out, "says nothing") {
		t.Errorf("the manifest says it:\n%s", r.out)
	}
}
