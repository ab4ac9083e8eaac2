// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

func TestModuleLicenses(t *testing.T) {
	const british = "Licence.md" //nolint:misspell // so it is called in some modules
	root := t.TempDir()
	for _, name := range []string{
		"good/LICENSE", "good/NOTICE.txt", "good/license.go", "good/README.md", "good/used/doc.go", "good/used/LICENSE.third-party",
		"good/unused/LICENSE", "good/LICENSES/Apache-2.0.txt", "lower/" + british, "lower/a/b/c/c.go", "bare/bare.go", "noticed/NOTICE", "noticed/a.go",
		"nested/LICENSE", "nested/inner/inner.go",
	} {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pkg := func(module, folder string) goPackage {
		dir := filepath.Join(root, module)
		return goPackage{
			ImportPath: "example.com/" + module + "/" + folder, Dir: filepath.Join(dir, filepath.FromSlash(folder)),
			Module: &goModule{Path: "example.com/" + module, Version: "v1.0.0", Dir: dir},
		}
	}
	for name, tc := range map[string]struct {
		packages []goPackage
		want     []string // below licenses/third_party/example.com
		problem  string
	}{
		"a license, and what goes with it": {packages: []goPackage{pkg("good", "")}, want: []string{"good@v1.0.0/LICENSE", "good@v1.0.0/NOTICE.txt"}},
		"a folder's own, not that of one that is not linked": {
			packages: []goPackage{pkg("good", "used"), pkg("good", "")},
			want:     []string{"good@v1.0.0/used/LICENSE.third-party", "good@v1.0.0/LICENSE", "good@v1.0.0/NOTICE.txt"},
		},
		"a package far below, with a license in other spelling": {packages: []goPackage{pkg("lower", "a/b/c")}, want: []string{"lower@v1.0.0/" + british}},
		"a module once":              {packages: []goPackage{pkg("lower", "a/b/c"), pkg("lower", "a/b"), pkg("lower", "a/b/c")}, want: []string{"lower@v1.0.0/" + british}},
		"the standard library":       {packages: []goPackage{{ImportPath: "fmt", Standard: true, Dir: root}}},
		"the project itself":         {packages: []goPackage{{ImportPath: "self", Dir: root, Module: &goModule{Path: "self", Dir: root, Main: true}}}},
		"no license":                 {packages: []goPackage{pkg("bare", "")}, problem: "the module example.com/bare@v1.0.0 has no license file"},
		"a notice that allows none":  {packages: []goPackage{pkg("noticed", "")}, problem: "example.com/noticed@v1.0.0"},
		"every module without one":   {packages: []goPackage{pkg("bare", ""), pkg("noticed", "")}, problem: "noticed"},
		"not in its module's folder": {packages: []goPackage{{ImportPath: "x", Dir: root, Module: &goModule{Path: "x", Dir: filepath.Join(root, "bare")}}}, problem: "not in the folder of its module"},
	} {
		t.Run(name, func(t *testing.T) {
			files, err := moduleLicenses(tc.packages)
			if (err != nil) != (tc.problem != "") || err != nil && !strings.Contains(err.Error(), tc.problem) {
				t.Fatalf("error %v, want one that says %q", err, tc.problem)
			}
			if err != nil {
				return
			}
			var got []string
			for _, f := range files {
				inside := strings.TrimPrefix(f.path, "licenses/third_party/example.com/")
				got = append(got, inside)
				if want := strings.Replace(inside, "@v1.0.0", "", 1); string(f.content) != want {
					t.Errorf("%s has the content of %s", inside, f.content)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestCertificates(t *testing.T) {
	raw, err := certificates()
	if err != nil {
		t.Fatal(err)
	}
	inPEM := map[string]bool{}
	for block, rest := pem.Decode(raw); block != nil; block, rest = pem.Decode(rest) {
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if !c.IsCA {
			t.Errorf("%s is no authority", c.Subject)
		}
		inPEM[string(block.Bytes)] = true
	}
	restricted := 0
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			restricted++
		}
		if inPEM[string(root.Certificate)] == (root.Constraint != nil) {
			t.Errorf("a root is there without its restriction, or missing: restricted %v", root.Constraint != nil)
		}
	}
	if len(inPEM) < 100 {
		t.Errorf("%d roots, and %d left out: Mozilla trusts more than a hundred", len(inPEM), restricted)
	}
	// Those of Cloudinary's API, Amazon's and DigiCert's, and Let's Encrypt's, which many a cluster's ingress has.
	for _, want := range []string{"Amazon Root CA 1", "DigiCert Global Root G2", "ISRG Root X1"} {
		if !hasRoot(t, inPEM, want) {
			t.Errorf("%s is missing", want)
		}
	}
}

func hasRoot(t *testing.T, roots map[string]bool, commonName string) bool {
	t.Helper()
	for der := range roots {
		if c, err := x509.ParseCertificate([]byte(der)); err == nil && c.Subject.CommonName == commonName {
			return true
		}
	}
	return false
}
