// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/go-cmp/cmp"
	"github.com/xeipuuv/gojsonschema"
)

const bundleLicense = "licenses/third_party/golang.org/x/crypto/x509roots/fallback@v0.0.0-20261030153154-30a33513ff6d/LICENSE"

const bsd = `Redistribution and use in source and binary forms, with or without
modification, are permitted provided that the following conditions are
met:

   * Redistributions of source code must retain the above copyright
notice, this list of conditions and the following disclaimer.
   * Redistributions in binary form must reproduce the above
copyright notice, this list of conditions and the following disclaimer
in the documentation and/or other materials provided with the
distribution.
   * Neither the name of Google LLC nor the names of its
contributors may be used to endorse or promote products derived from
this software without specific prior written permission.

THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS
"AS IS" AND ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT NOT
LIMITED TO, THE IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR
A PARTICULAR PURPOSE ARE DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT
OWNER OR CONTRIBUTORS BE LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL,
SPECIAL, EXEMPLARY, OR CONSEQUENTIAL DAMAGES (INCLUDING, BUT NOT
LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES; LOSS OF USE,
DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON ANY
THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY, OR TORT
(INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE
OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.
`

// samplePrograms is what is in each platform's edition of an image.
func samplePrograms(t *testing.T) []entry {
	t.Helper()
	return []entry{
		{path: "manager", mode: 0o755, content: thisProgram(t)},
		{path: "etc/passwd", mode: 0o644, content: []byte("nonroot")},
		{path: bundleLicense, mode: 0o644, content: []byte("BSD")},
		{path: "licenses/third_party/github.com/google/go-containerregistry@v0.22.1/LICENSE", mode: 0o644, content: []byte(read(t, filepath.Join("..", "..", "LICENSE")))},
		{path: "licenses/third_party/go@" + runtime.Version() + "/LICENSE", mode: 0o644, content: []byte(bsd)},
		{path: "licenses/third_party/go@" + runtime.Version() + "/PATENTS", mode: 0o644, content: []byte(read(t, filepath.Join("..", "..", "LICENSE")))},
		{path: "script", mode: 0o755, content: []byte("#!/bin/sh\n")},
	}
}

// schema is CycloneDX's own, from the module that writes the lists.
func schema(t *testing.T) *gojsonschema.Schema {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(strings.TrimSpace(string(out)), "schema")
	loader := gojsonschema.NewSchemaLoader()
	for name, file := range map[string]string{"spdx.schema.json": "spdx.schema.json", "jsf-0.82.schema.json": "jsf-0.82.schemax.json"} {
		if err := loader.AddSchema("http://cyclonedx.org/schema/"+name, gojsonschema.NewStringLoader(read(t, filepath.Join(folder, file)))); err != nil {
			t.Fatal(err)
		}
	}
	compiled, err := loader.Compile(gojsonschema.NewStringLoader(read(t, filepath.Join(folder, "bom-1.6.schema.json"))))
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

func checkSchema(t *testing.T, text string) {
	t.Helper()
	result, err := schema(t).Validate(gojsonschema.NewStringLoader(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range result.Errors() {
		t.Errorf("not as CycloneDX 1.6 has it: %s", problem)
	}
}

func decode(t *testing.T, text string) *cdx.BOM {
	t.Helper()
	bom := &cdx.BOM{}
	if err := cdx.NewBOMDecoder(bytes.NewReader([]byte(text)), cdx.BOMFileFormatJSON).Decode(bom); err != nil {
		t.Fatal(err)
	}
	return bom
}

func TestTheListOfAnImage(t *testing.T) {
	r := sample(t)
	digest := putImage(t, r, samplePrograms(t)...)
	putPlugin(t, r, thisProgram(t), "linux_amd64")
	if err := r.writeSBOMs(); err != nil {
		t.Fatal(err)
	}
	text := read(t, filepath.Join(r.dist, "image-cloudinary-operator-v1.2.3.cdx.json"))
	checkSchema(t, text)
	checkSchema(t, read(t, filepath.Join(r.dist, "kubectl-cloudinary-v1.2.3.cdx.json")))

	bom := decode(t, text)
	subject := bom.Metadata.Component
	got := []string{bom.Metadata.Timestamp, subject.Name, subject.Version, "sha256:" + (*subject.Hashes)[0].Value}
	if diff := cmp.Diff([]string{"2026-11-22T10:00:00Z", "registry.example.com/mirror/cloudinary-operator", "v1.2.3", digest}, got); diff != "" {
		t.Errorf("what it is a list of (-want +got):\n%s", diff)
	}
	parts := map[string]cdx.Component{}
	for _, c := range *bom.Components {
		parts[c.BOMRef] = c
	}
	standard := "pkg:golang/stdlib@" + strings.TrimPrefix(runtime.Version(), "go")
	for _, ref := range []string{
		"file:linux/amd64/manager", "file:linux/arm64/manager", standard, "pkg:golang/github.com/google/go-containerregistry@v0.22.1",
		"pkg:golang/github.com/cyclonedx/cyclonedx-go@v0.12.0", "pkg:golang/golang.org/x/crypto/x509roots/fallback@v0.0.0-20261030153154-30a33513ff6d",
	} {
		if _, ok := parts[ref]; !ok {
			t.Errorf("%s is missing", ref)
		}
	}
	if _, ok := parts["file:linux/amd64/script"]; ok {
		t.Error("a script is listed as a program of Go's")
	}
	if got := parts["pkg:golang/github.com/cyclonedx/cyclonedx-go@v0.12.0"].Name; got != "github.com/CycloneDX/cyclonedx-go" {
		t.Errorf("a module is named %s, not as Go names it", got)
	}
	if got, want := (*parts["file:linux/amd64/manager"].Hashes)[0].Value, sum(thisProgram(t)); got != want {
		t.Errorf("the program's SHA-256 is %s, want %s", got, want)
	}
	checkDependencies(t, bom, subject.BOMRef, standard)
	for ref, want := range map[string]string{"pkg:golang/github.com/google/go-containerregistry@v0.22.1": "Apache-2.0", standard: "BSD-3-Clause"} {
		licenses := parts[ref].Licenses
		if licenses == nil || len(*licenses) != 1 || (*licenses)[0].License.ID != want {
			t.Errorf("%s has the licenses %+v, want %s", ref, licenses, want)
		}
	}
}

// checkDependencies follows what leads from the image to Go's library, and that nothing leads nowhere.
func checkDependencies(t *testing.T, bom *cdx.BOM, subject, standard string) {
	t.Helper()
	known := map[string]bool{subject: true}
	for _, c := range *bom.Components {
		known[c.BOMRef] = true
	}
	needs := map[string][]string{}
	for _, d := range *bom.Dependencies {
		needs[d.Ref] = *d.Dependencies
		for _, ref := range append([]string{d.Ref}, *d.Dependencies...) {
			if !known[ref] {
				t.Errorf("%s is needed, and not listed", ref)
			}
		}
	}
	want := []string{"file:linux/amd64/manager", "file:linux/arm64/manager", "pkg:golang/golang.org/x/crypto/x509roots/fallback@v0.0.0-20261030153154-30a33513ff6d"}
	if diff := cmp.Diff(want, needs[subject]); diff != "" {
		t.Errorf("what the image has (-want +got):\n%s", diff)
	}
	if !strings.Contains(strings.Join(needs["file:linux/arm64/manager"], " "), standard) {
		t.Errorf("the program does not need Go's library: %v", needs["file:linux/arm64/manager"])
	}
}

func TestListsOfTheSameAreEqual(t *testing.T) {
	known, err := newIdentifier()
	if err != nil {
		t.Fatal(err)
	}
	programs := samplePrograms(t)
	texts := map[string]string{}
	for name, found := range map[string][]contents{
		"once":        {{platform: "linux/amd64", files: programs}, {platform: "linux/arm64", files: programs}},
		"other order": {{platform: "linux/arm64", files: []entry{programs[2], programs[3], programs[0]}}, {platform: "linux/amd64", files: programs}},
		"less":        {{platform: "linux/amd64", files: programs}},
	} {
		bom, err := list(cdx.Component{PackageURL: "pkg:oci/x"}, found, known, time.Unix(0, 0).UTC())
		if err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(bom)
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = string(raw)
	}
	if diff := cmp.Diff(texts["once"], texts["other order"]); diff != "" {
		t.Errorf("the list depends on the order in which files were found (-want +got):\n%s", diff)
	}
	if texts["once"] == texts["less"] {
		t.Error("lists of different things are equal")
	}
}

func TestAListOfNothingIsAnError(t *testing.T) {
	_, err := list(cdx.Component{}, []contents{{platform: "linux/amd64", files: samplePrograms(t)[1:2]}}, nil, time.Unix(0, 0))
	if err == nil || !strings.Contains(err.Error(), "no Go program") {
		t.Errorf("got %v, want it to say that there is no Go program", err)
	}
}
