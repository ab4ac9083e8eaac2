// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The comment of a condition lists its reasons by status, and so does the page. Both lists are held to the constants, so that a
// new reason cannot be forgotten in either.
func TestTroubleshootingHasEachConditionAndReason(t *testing.T) {
	t.Parallel()
	conditions, reasons := constants(t)
	want, listed := map[string][]string{}, map[string]bool{}
	for condition, comment := range conditions {
		for status, names := range reasonsOf(t, condition, comment, reasons) {
			want[condition+" is "+status] = names
			for _, name := range names {
				listed[name] = true
			}
		}
	}
	for name := range reasons {
		// That of Ready is said in its own comment, in words.
		if !listed[name] && name != "Ready" {
			t.Errorf("api/v1alpha1: the reason %s stands in the comment of no condition", name)
		}
	}
	want["Ready is True"] = []string{"Ready"}
	page := section(t, "troubleshooting.md")
	got := map[string][]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| `(\\w+)` \\|").FindAllStringSubmatch(page["When all is well"], -1) {
		got[row[1]+" is True"] = append(got[row[1]+" is True"], row[2])
	}
	for heading, text := range page {
		if regexp.MustCompile(`^\w+ is (False|Unknown)$`).MatchString(heading) {
			got[heading] = firstColumn(text)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reasons (-api/v1alpha1 +docs/troubleshooting.md):\n%s", diff)
	}
	described := firstColumn(page["The conditions"])
	if diff := cmp.Diff(slices.Sorted(maps.Keys(conditions)), described); diff != "" {
		t.Errorf("conditions (-api/v1alpha1 +docs/troubleshooting.md):\n%s", diff)
	}
}

// The manager decides which reasons need a person, and the page says so for the same ones.
func TestTroubleshootingSaysWhatStalls(t *testing.T) {
	t.Parallel()
	_, reasons := constants(t)
	file, err := parser.ParseFile(token.NewFileSet(), "../internal/resolve/reasons.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	ast.Inspect(file, func(node ast.Node) bool {
		if f, ok := node.(*ast.FuncDecl); ok {
			return f.Name.Name == "NeedsPerson"
		}
		if selector, ok := node.(*ast.SelectorExpr); ok {
			if name, ok := strings.CutPrefix(selector.Sel.Name, "Reason"); ok && reasons[name] {
				want = append(want, name)
			}
		}
		return true
	})
	slices.Sort(want)
	var got []string
	for heading, text := range section(t, "troubleshooting.md") {
		if !strings.HasPrefix(heading, "Accepted is") && !strings.HasPrefix(heading, "Synced is") {
			continue
		}
		for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\|.*\\bStalled\\b").FindAllStringSubmatch(text, -1) {
			got = append(got, row[1])
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); len(want) < 10 || diff != "" {
		t.Errorf("what stalls, %d reasons (-internal/resolve +docs/troubleshooting.md):\n%s", len(want), diff)
	}
}

// constants are the values of the constants that are named after conditions, with their comments, and of those named after reasons.
func constants(t *testing.T) (conditions map[string]string, reasons map[string]bool) {
	t.Helper()
	conditions, reasons = map[string]string{}, map[string]bool{}
	files, err := os.ReadDir("../api/v1alpha1")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), ".go") || strings.HasSuffix(file.Name(), "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), "../api/v1alpha1/"+file.Name(), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(node ast.Node) bool {
			if spec, ok := node.(*ast.ValueSpec); ok && len(spec.Values) == 1 {
				switch name, value := spec.Names[0].Name, text(spec.Values[0]); {
				case strings.HasPrefix(name, "Condition"):
					conditions[value] = spec.Doc.Text()
				case strings.HasPrefix(name, "Reason"):
					reasons[value] = true
				}
			}
			return true
		})
	}
	if len(conditions) < 5 || len(reasons) < 20 {
		t.Fatalf("api/v1alpha1 has %d conditions and %d reasons", len(conditions), len(reasons))
	}
	return conditions, reasons
}

func text(e ast.Expr) string {
	literal, ok := e.(*ast.BasicLit)
	if !ok {
		return ""
	}
	value, err := strconv.Unquote(literal.Value)
	if err != nil {
		return ""
	}
	return value
}

// reasonsOf reads "Reasons with status True: A. With status False: B, C." Words that are no reasons are passed over.
func reasonsOf(t *testing.T, condition, comment string, reasons map[string]bool) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	parts := regexp.MustCompile(`[Ww]ith status (True|False|Unknown)`).FindAllStringSubmatchIndex(comment, -1)
	for i, part := range parts {
		end := len(comment)
		if i+1 < len(parts) {
			end = parts[i+1][0]
		}
		status := comment[part[2]:part[3]]
		for _, word := range regexp.MustCompile(`\w+`).FindAllString(comment[part[1]:end], -1) {
			if reasons[word] {
				all[status] = append(all[status], word)
			}
		}
		if len(all[status]) == 0 {
			t.Errorf("api/v1alpha1: the comment of %s names no reason with status %s", condition, status)
		}
		slices.Sort(all[status])
	}
	return all
}

// section are the texts of a page by the headings of the second level.
func section(t *testing.T, page string) map[string]string {
	t.Helper()
	raw, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, part := range strings.Split(string(raw), "\n## ")[1:] {
		heading, body, _ := strings.Cut(part, "\n")
		if _, twice := all[heading]; twice {
			t.Fatal(fmt.Errorf("%s: two headings are %q", page, heading))
		}
		all[heading] = body
	}
	return all
}

func firstColumn(text string) []string {
	var names []string
	for _, match := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\|").FindAllStringSubmatch(text, -1) {
		names = append(names, match[1])
	}
	slices.Sort(names)
	return names
}
