// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"strings"
	"testing"

	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// Secrets as they are kept in repositories. What is not needed must not matter, and what is needed
// be named without what it holds.
func TestSecretsThatAreNotPlain(t *testing.T) {
	const head = "apiVersion: v1\nkind: Secret\nmetadata: {name: NAME}\n"
	forms := map[string]struct{ secret, want string }{
		"encrypted by SOPS":            {head + "stringData: {CLOUDINARY_URL: 'ENC[AES256_GCM,data:s3cr3t,type:str]'}\nsops: {mac: 'ENC[AES256_GCM,data:x]'}\n", "is encrypted"},
		"encrypted, without its stamp": {head + "data: {CLOUDINARY_URL: 'ENC[AES256_GCM,data:s3cr3t,type:str]'}\n", "is encrypted"},
		"with a placeholder":           {head + "data: {CLOUDINARY_URL: '<path:s3cr3t>'}\n", "is no valid Secret"},
		"with a number":                {head + "stringData: {CLOUDINARY_URL: 4711}\n", "is no valid Secret"},
		"with a list":                  {head + "data: [s3cr3t]\n", "is no valid Secret"},
	}
	f := newFixture(t, simulator.Options{})
	f.create(f.secret())
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			args := []string{"plan", "-f", "-", "--allow-insecure-api-base", "--exit-code"}
			other := strings.Replace(form.secret, "NAME", "other", 1) + "---\n" + desk
			if r := f.callWith(other, args...); r.code != 2 || r.err != "" {
				t.Errorf("one that nothing needs: %+v", r)
			}
			own := strings.Replace(form.secret, "NAME", "cloudinary", 1) + "---\n" + desk
			r := f.callWith(own, args...)
			want := "warning: Secret " + f.namespace + "/cloudinary of the manifests " + form.want
			if r.code != 1 || !strings.Contains(r.err, want) || !strings.Contains(r.err, "Missing inputs: Secret "+f.namespace+"/cloudinary\n") ||
				!strings.Contains(r.err, "--credentials-from-env") || strings.Contains(r.err+r.out, "s3cr3t") {
				t.Errorf("the one that is needed: %+v, want %q", r, want)
			}
			if r := f.callWith(own, "preview", "-f", "-"); r.code != 0 || r.err != "" {
				t.Errorf("preview, which needs none: %+v", r)
			}
		})
	}
	f.env["CLOUDINARY_URL"] = f.secretURL
	encrypted := strings.Replace(forms["encrypted by SOPS"].secret, "NAME", "cloudinary", 1) + "---\n" + desk
	if got := f.plan(encrypted, "-f", "-", "--credentials-from-env").Summary["create"]; got != 2 {
		t.Errorf("with credentials from the environment: %d to create, want 2", got)
	}
}
