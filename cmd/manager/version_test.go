// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/release"
)

func TestVersion(t *testing.T) {
	var text, raw bytes.Buffer
	if err := run(t.Context(), "manager", []string{"version"}, &text); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(text.String(), "version   "+version+"\ncommit ") {
		t.Errorf("as text: %q", text.String())
	}
	if err := run(t.Context(), "manager", []string{"version", "-o", "json"}, &raw); err != nil {
		t.Fatal(err)
	}
	var got release.Info
	if err := json.Unmarshal(raw.Bytes(), &got); err != nil {
		t.Fatalf("as JSON: %v in %q", err, raw.String())
	}
	if diff := cmp.Diff(release.Of(version, commit), got); diff != "" {
		t.Errorf("as JSON (-want +got):\n%s", diff)
	}
	if err := run(t.Context(), "manager", []string{"version", "-o", "yaml"}, &raw); err == nil {
		t.Error("an unknown format is taken")
	}
}
