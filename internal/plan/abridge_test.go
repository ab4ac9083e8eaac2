// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/cloudinary-operator/cloudinary-operator/internal/bound"
)

// The manager's cache keeps what Abridge leaves, and the plugin reads the object itself: both must
// say the same of it.
func TestWhatIsAbridgedIsJudgedAsBefore(t *testing.T) {
	const longest = 1 << 10
	for name, raw := range map[string]string{
		"nothing":           "",
		"null":              "null",
		"a filter":          `{"==":[{"var":"resource_type"},"image"]}`,
		"a wrong filter":    `{"regex":1}`,
		"as long as may be": `{"!":"` + strings.Repeat("x", bound.MaxBytes-8) + `"}`,
		"one byte longer":   `{"!":"` + strings.Repeat("x", bound.MaxBytes-7) + `"}`,
		"a megabyte":        `{"!":"` + strings.Repeat("x", 1<<20) + `"}`,
		"all escaped":       `{"!":"` + strings.Repeat(`\u0078`, bound.MaxBytes) + `"}`,
		"as deep as may be": nested(`{"!":`, `1`, `}`, bound.MaxLevels),
		"one level deeper":  nested(`{"!":`, `1`, `}`, bound.MaxLevels+1),
		"far too deep":      nested(`{"!":`, `1`, `}`, 100000),
		"a text":            `"beyond"`,
	} {
		t.Run(name, func(t *testing.T) {
			kept := Abridge([]byte(raw))
			if len(kept) > longest && bound.Check([]byte(raw)) != nil {
				t.Errorf("%d bytes are kept", len(kept))
			}
			if raw != "" && !json.Valid(kept) {
				t.Errorf("%s is no JSON, so that the object could not be written", kept)
			}
			if again := Abridge(kept); string(again) != string(kept) {
				t.Errorf("%s is abridged further, to %s", kept, again)
			}
			for check, judge := range map[string]func([]byte) error{"filter": CheckFilter, "template": CheckTemplate} {
				want, got := judge([]byte(raw)), judge(kept)
				if (want == nil) != (got == nil) || want != nil && want.Error() != got.Error() {
					t.Errorf("as a %s: %v, want %v", check, got, want)
				}
			}
		})
	}
}
