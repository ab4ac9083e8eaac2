// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"sigs.k8s.io/yaml"

	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

// document writes a JSON object as a YAML document with the same meaning: in YAML's own notation,
// else as JSON, which is YAML too.
func document(raw json.RawMessage) (string, error) {
	if text, err := yaml.JSONToYAML(raw); err == nil && readsAs(text, raw) {
		return string(text), nil
	}
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		return "", fmt.Errorf("write JSON: %w", err)
	}
	text := append(escaped(b.Bytes(), breaksYAML), '\n')
	if !readsAs(text, raw) {
		return "", errors.New("cannot be written as YAML")
	}
	return string(text), nil
}

func readsAs(text []byte, raw json.RawMessage) bool {
	back, err := yaml.YAMLToJSON(text)
	if err != nil {
		return false
	}
	got, err := plan.CanonicalJSON(back)
	if err != nil {
		return false
	}
	want, err := plan.CanonicalJSON(raw)
	return err == nil && got == want
}

// escaped writes characters of a JSON text as \uXXXX. The characters must not be part of JSON's
// notation, so that they are in strings only.
func escaped(text []byte, which func(rune) bool) []byte {
	var b bytes.Buffer
	for _, r := range string(text) {
		if which(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.Bytes()
}

// breaksYAML reports whether YAML 1.1 forbids a character, or treats it as the end of a line.
func breaksYAML(r rune) bool {
	return r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == 0xfeff || r == 0xfffe || r == 0xffff
}

// encodeJSON does not escape <, > and &.
func encodeJSON(value any) (json.RawMessage, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, fmt.Errorf("encode JSON: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
