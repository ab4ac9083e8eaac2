// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const glossary = "../docs/glossary.md"

// glossaryRows are the rows of both tables: word, meaning, place, identifier.
func glossaryRows(t *testing.T) [][]string {
	t.Helper()
	text, err := os.ReadFile(glossary)
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]string
	for line := range strings.SplitSeq(string(text), "\n") {
		if strings.HasPrefix(line, "| **") {
			rows = append(rows, strings.Split(strings.Trim(line, "| "), " | "))
		}
	}
	return rows
}

// TestIdentifiersAreWhereThePagesSay finds out whether the identifiers exist.
func TestEachWordHasItsMeaningPlaceAndIdentifier(t *testing.T) {
	t.Parallel()
	identifier := regexp.MustCompile("`\\w+` in `[\\w/]+\\.go`")
	seen := map[string]bool{}
	for _, row := range glossaryRows(t) {
		if len(row) != 4 || slices.Contains(row, "") {
			t.Errorf("%q has not four columns", row)
			continue
		}
		if seen[row[0]] {
			t.Errorf("%s has two meanings", row[0])
		}
		seen[row[0]] = true
		if !identifier.MatchString(row[3]) {
			t.Errorf("%s names no identifier with its file: %s", row[0], row[3])
		}
	}
	for _, word := range []string{
		"product environment", "endpoint", "trigger", "target", "notification", "adopt", "hand over", "release", "redrive", "dead letter",
		"hold", "judge", "note", "pass", "plan", "settle time", "taken",
	} {
		if !slices.ContainsFunc(glossaryRows(t), func(row []string) bool { return strings.HasPrefix(row[0], "**"+word+"**") }) {
			t.Errorf("the glossary lacks %q", word)
		}
	}
}

// managerSide are the folders whose code keeps to the glossary.
func managerSide() []string {
	folders := []string{"../api/v1alpha1", "../cmd/manager", "../cmd/kubectl-cloudinary"}
	for _, name := range []string{
		"check", "cloudinary", "eventbody", "forecast", "lease", "manager", "memory", "plan", "plugin", "resolve", "statusapply", "verdict", "verification",
	} {
		folders = append(folders, "../internal/"+name)
	}
	return folders
}

// A word that had several meanings may be in identifiers of the packages that have its one meaning.
func TestIdentifiersKeepToTheGlossary(t *testing.T) {
	t.Parallel()
	allowed := map[string]struct{ forms, packages, names []string }{
		"hold":   {[]string{"hold", "holds", "held", "holder", "holders", "holding"}, []string{"plan", "plugin"}, []string{"holds"}},
		"judge":  {[]string{"judge", "judged", "judges", "judgment"}, []string{"plan"}, nil},
		"note":   {[]string{"note", "notes", "noted"}, []string{"check", "resolve", "verdict", "forecast", "plugin"}, nil},
		"pass":   {[]string{"pass", "passes", "passing"}, nil, []string{"NextPass"}},
		"plan":   {[]string{"plan", "planned", "plans"}, []string{"plan", "forecast", "plugin"}, nil},
		"settle": {[]string{"settle", "settled", "settles"}, []string{"plan", "memory", "forecast"}, nil},
		"take":   {[]string{"take", "takes", "taken", "took", "taking"}, nil, []string{"PlaceTaken", "placeTaken", "ReasonPlaceTaken"}},
	}
	parts := regexp.MustCompile(`[A-Z]?[a-z]+|[A-Z]+`)
	count := 0
	for _, folder := range managerSide() {
		for _, name := range declaredIn(t, folder) {
			count++
			for _, part := range parts.FindAllString(name, -1) {
				for word, may := range allowed {
					if slices.Contains(may.forms, strings.ToLower(part)) && !slices.Contains(may.packages, filepath.Base(folder)) && !slices.Contains(may.names, name) {
						t.Errorf("%s: %s has the word %q, which means something else: see %s", folder, name, word, glossary)
					}
				}
			}
		}
	}
	if count < 2000 {
		t.Errorf("there are %d identifiers", count)
	}
}

// declaredIn are the names that the product's files of a folder declare: functions, types, fields,
// parameters, constants and variables.
func declaredIn(t *testing.T, folder string) []string {
	t.Helper()
	var names []string
	for name, file := range parsed(t, folder) {
		if strings.HasSuffix(name, "_test.go") || strings.HasPrefix(filepath.Base(name), "zz_") {
			continue
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				names = append(names, n.Name.Name)
			case *ast.TypeSpec:
				names = append(names, n.Name.Name)
			case *ast.Field:
				names = append(names, namesOfAll(n.Names)...)
			case *ast.ValueSpec:
				names = append(names, namesOfAll(n.Names)...)
			case *ast.AssignStmt:
				for _, left := range n.Lhs {
					if id, ok := left.(*ast.Ident); ok && n.Tok == token.DEFINE {
						names = append(names, id.Name)
					}
				}
			}
			return true
		})
	}
	return names
}

func namesOfAll(ids []*ast.Ident) []string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = id.Name
	}
	return names
}

func parsed(t *testing.T, folder string) map[string]*ast.File {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s has no Go files: %v", folder, err)
	}
	files := map[string]*ast.File{}
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files[path] = file
	}
	return files
}

// maxColumns is the width of a comment, where a tab counts as four. Tables may be wider.
const maxColumns = 100

// crookedComments are phrases that readers of comments have stumbled over, and what to write.
func crookedComments() map[string]string {
	return map[string]string{
		`says whether`:         `"reports whether"`,
		`for ever`:             `"endlessly"`,
		`has go`:               `"drops", "releases"`,
		`of which nothing`:     `"nothing … about it"`,
		`for want of`:          `"without"`,
		`(that|which) is none`: `"not a …"`,
		`to be had`:            `"available"`,
		`puts? up with`:        `"tolerates"`,
	}
}

func TestCommentsAreNarrowAndPlain(t *testing.T) {
	t.Parallel()
	for _, folder := range managerSide() {
		paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			if strings.HasPrefix(filepath.Base(path), "zz_") {
				continue
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, problem := range commentProblems(string(text)) {
				t.Errorf("%s:%s", path, problem)
			}
		}
	}
}

func TestCommentProblemsAreFound(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxColumns)
	text := "// ok\n\t// It says whether.\n//\ttable | " + long + "\n// " + long + "\n//nolint:x " + long + "\n// +marker " + long + "\ncode() // " + long + "\n"
	want := []string{
		`2: "says whether": write "reports whether"`,
		"4: a comment with 103 columns, and 100 are the most",
	}
	if got := commentProblems(text); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// commentProblems looks at lines that are comments and nothing else. Markers and tables are not prose.
func commentProblems(text string) []string {
	var problems []string
	for i, line := range strings.Split(text, "\n") {
		comment := strings.TrimLeft(line, "\t")
		if !strings.HasPrefix(comment, "// ") || strings.HasPrefix(comment, "// +") || strings.HasPrefix(comment, "//  ") {
			continue
		}
		if n := len([]rune(comment)) + 4*(len(line)-len(comment)); n > maxColumns {
			problems = append(problems, numbered(i, "a comment with %d columns, and %d are the most", n, maxColumns))
		}
		for _, phrase := range sortedKeys(crookedComments()) {
			if found := regexp.MustCompile(`\b(?:` + phrase + `)\b`).FindString(comment); found != "" {
				problems = append(problems, numbered(i, "%q: write %s", found, crookedComments()[phrase]))
			}
		}
	}
	return problems
}

func numbered(line int, format string, args ...any) string {
	return fmt.Sprintf("%d: "+format, append([]any{line + 1}, args...)...)
}
