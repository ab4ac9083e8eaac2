// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A defense that nothing tests is a hope. Each threat on the page names tests that exist.
func TestEachThreatNamesATestOfItsDefense(t *testing.T) {
	t.Parallel()
	tests := testNames(t)
	text := pages(t)["docs/security.md"]
	_, text, found := strings.Cut(text, "\n## Threats\n")
	if !found {
		t.Fatal("the page has no list of threats")
	}
	text, _, _ = strings.Cut(text, "\n## ")
	rows, named := 0, regexp.MustCompile("`((?:Test|Fuzz)\\w+)`")
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "| ") || len(cells) < 2 || strings.Contains(line, "| defense |") {
			continue
		}
		const columns = 4
		if len(cells) != columns {
			t.Errorf("%d columns, want %d: %s", len(cells), columns, line)
			continue
		}
		if strings.TrimSpace(cells[1]+cells[2]+cells[3]) == "" {
			continue // a heading
		}
		rows++
		names := named.FindAllStringSubmatch(cells[2], -1)
		if len(names) == 0 {
			t.Errorf("no test is named for %q", strings.TrimSpace(cells[0]))
		}
		for _, name := range names {
			if !tests[name[1]] {
				t.Errorf("%s does not exist, which is named for %q", name[1], strings.TrimSpace(cells[0]))
			}
		}
	}
	if rows < 30 {
		t.Errorf("the page lists %d threats", rows)
	}
}

// testNames are those of all tests and fuzz targets of the repository.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names, function := map[string]bool{}, regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, match := range function.FindAllSubmatch(text, -1) {
			names[string(match[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
