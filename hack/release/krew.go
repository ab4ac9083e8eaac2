// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

func sum(content []byte) string {
	hash := sha256.Sum256(content)
	return hex.EncodeToString(hash[:])
}

// writeKrew fills in the template as krew-release-bot does, but with the checksums of archives that are here, not downloaded.
func (r release) writeKrew() error {
	raw, err := os.ReadFile(filepath.Join(r.root, "hack", "krew", "cloudinary.yaml"))
	if err != nil {
		return fmt.Errorf("read the template for krew: %w", err)
	}
	values := struct{ TagName string }{r.version}
	used := map[string]bool{}
	outer, err := template.New("manifest").Funcs(template.FuncMap{"addURIAndSha": func(url, _ string) (string, error) {
		inner, err := template.New("url").Parse(url)
		if err != nil {
			return "", err
		}
		var uri strings.Builder
		if err := inner.Execute(&uri, values); err != nil {
			return "", err
		}
		name := uri.String()[strings.LastIndex(uri.String(), "/")+1:]
		content, err := os.ReadFile(filepath.Join(r.dist, name))
		if err != nil {
			return "", fmt.Errorf("read the archive that the template names: %w", err)
		}
		used[name] = true
		return fmt.Sprintf("uri: %s\n    sha256: %s", uri.String(), sum(content)), nil
	}}).Parse(string(raw))
	if err != nil {
		return fmt.Errorf("read the template for krew: %w", err)
	}
	var out bytes.Buffer
	if err := outer.Execute(&out, values); err != nil {
		return fmt.Errorf("fill in the template for krew: %w", err)
	}
	archives, err := filepath.Glob(filepath.Join(r.dist, pluginName+"_*.tar.gz"))
	if err != nil {
		return fmt.Errorf("look for the plugin's archives: %w", err)
	}
	for _, archive := range archives {
		if !used[filepath.Base(archive)] {
			return fmt.Errorf("hack/krew/cloudinary.yaml has no platform for %s", filepath.Base(archive))
		}
	}
	// What the template says of itself is not for krew's index.
	manifest := out.Bytes()
	for bytes.HasPrefix(manifest, []byte("#")) {
		_, manifest, _ = bytes.Cut(manifest, []byte("\n"))
	}
	return r.write("krew-cloudinary.yaml", manifest)
}
