// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"strings"
	"testing"

	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// Whoever wrote a Secret has chosen the server in it, and the plugin runs on somebody else's
// machine.
func TestOnlyServersThatAreAllowedAreCalled(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.create(f.secret())
	const insecure, none = "--allow-insecure-api-base", "--allowed-api-bases="
	f.fails([]string{"export", "--secret", "cloudinary", insecure, none}, "the host of upload_prefix, "+strings.TrimPrefix(f.url, "http://"), "--allowed-api-bases="+f.url)
	f.fails([]string{"export", "--secret", "cloudinary", insecure, none + "ftp://x"}, `--allowed-api-bases: "ftp://x"`)
	f.fails([]string{"plan", insecure, none + "ftp://x"}, `--allowed-api-bases: "ftp://x"`)
	if r := f.callWith(desk, "plan", "-f", "-", insecure, none, "--exit-code"); r.code != 1 || !strings.Contains(r.out, "APIBaseNotAllowed") ||
		!strings.Contains(r.err, "warning: plan calls other Admin APIs than Cloudinary's only where it is told to") {
		t.Errorf("plan: %+v, want code 1, APIBaseNotAllowed, and which flags to give", r)
	}
	if calls := f.sim.Calls().Calls; len(calls) != 0 {
		t.Errorf("it was called: %+v", calls)
	}
	if r := f.call("export", "--secret", "cloudinary", insecure, none+f.url); r.code != 0 {
		t.Errorf("one that is allowed: %+v", r)
	}
	f.env["CLOUDINARY_URL"] = f.secretURL
	if r := f.call("export", insecure, none); r.code != 0 {
		t.Errorf("one of the user's own choice: %+v", r)
	}
}
