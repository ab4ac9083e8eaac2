// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// bundle has the certificates of the images: no program links it, so no program names it.
const bundle = "golang.org/x/crypto/x509roots/fallback"

// contents is what was found in one platform's edition of an image, or of the plugin.
type contents struct {
	platform string
	files    []entry
}

const pluginName = "kubectl-cloudinary"

// writeSBOMs writes a list of parts for each image and for the plugin. It is read out of what is published, not out of go.mod: the programs
// say which modules they are made of.
func (r release) writeSBOMs() error {
	known, err := newIdentifier()
	if err != nil {
		return err
	}
	err = r.images(func(all []image) error {
		for _, i := range all {
			found, err := imageContents(i.index)
			if err != nil {
				return fmt.Errorf("image %s: %w", i.name, err)
			}
			subject := cdx.Component{
				Type: cdx.ComponentTypeContainer, Name: r.registry + "/" + i.name, Version: r.version,
				PackageURL: "pkg:oci/" + i.name + "@" + url.QueryEscape(i.digest.String()) +
					"?repository_url=" + url.QueryEscape(r.registry+"/"+i.name) + "&tag=" + url.QueryEscape(r.version),
				Hashes: &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: i.digest.Hex}},
			}
			if err := r.writeSBOM("image-"+i.name, subject, found, known); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return r.writePluginSBOM(known)
}

func (r release) writePluginSBOM(known *identifier) error {
	archives, err := filepath.Glob(filepath.Join(r.dist, pluginName+"_*.tar.gz"))
	if err != nil {
		return fmt.Errorf("look for the plugin's archives: %w", err)
	}
	var found []contents
	for _, archive := range archives {
		files, err := readArchive(archive)
		if err != nil {
			return err
		}
		platform := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(archive), pluginName+"_"), ".tar.gz")
		found = append(found, contents{platform: strings.Replace(platform, "_", "/", 1), files: files})
	}
	subject := cdx.Component{
		Type: cdx.ComponentTypeApplication, Name: pluginName, Version: r.version,
		PackageURL: "pkg:golang/github.com/cloudinary-operator/cloudinary-operator@" + r.version + "#cmd/" + pluginName,
	}
	return r.writeSBOM(pluginName, subject, found, known)
}

func (r release) writeSBOM(name string, subject cdx.Component, found []contents, known *identifier) error {
	bom, err := list(subject, found, known, r.created)
	if err != nil {
		return fmt.Errorf("list what is in %s: %w", name, err)
	}
	var out bytes.Buffer
	if err := cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cdx.SpecVersion1_6); err != nil {
		return fmt.Errorf("write the SBOM of %s: %w", name, err)
	}
	return r.write(name+"-"+r.version+".cdx.json", out.Bytes())
}

func imageContents(index v1.ImageIndex) ([]contents, error) {
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, fmt.Errorf("read the index: %w", err)
	}
	var found []contents
	for _, m := range manifest.Manifests {
		one, err := index.Image(m.Digest)
		if err != nil {
			return nil, fmt.Errorf("read an image: %w", err)
		}
		reader := mutate.Extract(one)
		files, err := readTar(reader)
		reader.Close()
		if err != nil {
			return nil, err
		}
		found = append(found, contents{platform: m.Platform.String(), files: files})
	}
	return found, nil
}

// list is an SBOM. Two lists of the same contents are equal: the number is made of them, and the time is the commit's.
func list(subject cdx.Component, found []contents, known *identifier, created time.Time) (*cdx.BOM, error) {
	subject.BOMRef = subject.PackageURL
	parts := map[string]cdx.Component{}
	needs := map[string][]string{}
	for _, c := range found {
		for _, f := range c.files {
			needs[subject.BOMRef] = append(needs[subject.BOMRef], addFile(parts, needs, c.platform, f)...)
		}
	}
	if len(parts) == 0 {
		return nil, errors.New("there is no Go program in it")
	}
	addLicenses(parts, found, known)
	bom := cdx.NewBOM()
	bom.SerialNumber = number(subject, parts)
	bom.Metadata = &cdx.Metadata{
		Timestamp: created.Format(time.RFC3339), Component: &subject,
		Tools: &cdx.ToolsChoice{Components: &[]cdx.Component{{Type: cdx.ComponentTypeApplication, Name: "hack/release", Group: "cloudinary-operator"}}},
	}
	components, dependencies := []cdx.Component{}, []cdx.Dependency{}
	for _, ref := range slices.Sorted(maps.Keys(parts)) {
		components = append(components, parts[ref])
	}
	for _, ref := range slices.Sorted(maps.Keys(needs)) {
		slices.Sort(needs[ref])
		unique := slices.Compact(needs[ref])
		dependencies = append(dependencies, cdx.Dependency{Ref: ref, Dependencies: &unique})
	}
	bom.Components, bom.Dependencies = &components, &dependencies
	return bom, nil
}

// addFile adds a program and its modules, or the certificates and the module that they come from, and returns what the subject holds by it.
func addFile(parts map[string]cdx.Component, needs map[string][]string, platform string, f entry) []string {
	if c, ok := licensed(f.path); ok && c.Name == bundle {
		parts[c.BOMRef] = c
		return []string{c.BOMRef}
	}
	if f.mode&0o100 == 0 {
		return nil
	}
	info, err := buildinfo.Read(bytes.NewReader(f.content))
	if err != nil {
		return nil // A script: what is no Go program has no parts.
	}
	program := cdx.Component{
		BOMRef: "file:" + platform + "/" + f.path, Type: cdx.ComponentTypeApplication, Name: path.Base(f.path),
		Hashes:     &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: sum(f.content)}},
		Properties: &[]cdx.Property{{Name: "cloudinary-operator:platform", Value: platform}, {Name: "cloudinary-operator:package", Value: info.Path}},
	}
	parts[program.BOMRef] = program
	for _, c := range modules(info) {
		parts[c.BOMRef] = c
		needs[program.BOMRef] = append(needs[program.BOMRef], c.BOMRef)
	}
	return []string{program.BOMRef}
}

// modules are what a program is linked of: Go's own library first.
func modules(info *debug.BuildInfo) []cdx.Component {
	found := []cdx.Component{standard(info.GoVersion)}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		c := library(m.Path, m.Version)
		if m.Sum != "" {
			c.Properties = &[]cdx.Property{{Name: "cloudinary-operator:go.sum", Value: m.Sum}}
		}
		found = append(found, c)
	}
	return found
}

func library(module, version string) cdx.Component {
	// Package URLs of Go are in lower case by their specification, whatever the module's name.
	purl := "pkg:golang/" + strings.ToLower(module) + "@" + strings.ReplaceAll(version, "+", "%2B")
	return cdx.Component{BOMRef: purl, Type: cdx.ComponentTypeLibrary, Name: module, Version: version, PackageURL: purl}
}

// number is a UUID of version 8, which is free to be made of a hash.
func number(subject cdx.Component, parts map[string]cdx.Component) string {
	hash := sha256.New()
	fmt.Fprintln(hash, subject.PackageURL)
	for _, ref := range slices.Sorted(maps.Keys(parts)) {
		fmt.Fprintln(hash, ref)
		if hashes := parts[ref].Hashes; hashes != nil {
			fmt.Fprintln(hash, (*hashes)[0].Value)
		}
	}
	id := hash.Sum(nil)[:16]
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
