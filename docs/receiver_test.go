// SPDX-License-Identifier: Apache-2.0

// Package docs_test holds pages for users equal to the code that they speak of.
package docs_test

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver"
)

func TestFlagsAreDocumented(t *testing.T) {
	t.Parallel()
	for program, page := range map[string]string{"manager": "operations.md", "receiver": "receiver.md"} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			flags := found(t, "../cmd/"+program+"/flags.go", `flags\.[A-Za-z0-9]+Var\(&[^,]+, "([a-z-]+)"`)
			if diff := cmp.Diff(flags, found(t, page, "(?m)^\\| `--([a-z-]+)` \\|")); diff != "" {
				t.Errorf("flags (-cmd/%s +docs/%s):\n%s", program, page, diff)
			}
		})
	}
}

func TestTheReceiversAnswersAreDocumented(t *testing.T) {
	t.Parallel()
	var want []string
	for _, reason := range webhookreceiver.Reasons() {
		want = append(want, string(reason))
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, found(t, "receiver.md", "(?m)^\\| [45][0-9]{2} \\| `([a-z0-9_]+)` \\|")); diff != "" {
		t.Errorf("reasons (-webhookreceiver +docs/receiver.md):\n%s", diff)
	}
}

// found are the first groups of all matches in a file, sorted.
func found(t *testing.T, path, pattern string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1) {
		names = append(names, match[1])
	}
	if len(names) == 0 {
		t.Fatalf("%s has nothing like %s", path, pattern)
	}
	slices.Sort(names)
	return names
}
