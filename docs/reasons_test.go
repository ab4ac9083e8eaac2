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
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

// The table of reasons has them by condition and status, and so does the page.
func TestTroubleshootingHasEachConditionAndReason(t *testing.T) {
	t.Parallel()
	conditions, reasons := constants(t)
	want, found := map[string][]string{}, map[string]bool{}
	for _, condition := range conditions {
		for _, status := range []metav1.ConditionStatus{metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionUnknown} {
			if names := v1alpha1.ReasonsOf(condition, status); len(names) > 0 {
				want[condition+" is "+string(status)] = names
				for _, name := range names {
					found[name] = true
				}
			}
		}
	}
	if diff := cmp.Diff(reasons, slices.Sorted(maps.Keys(found))); diff != "" {
		t.Errorf("api/v1alpha1: reasons (-constants +table):\n%s", diff)
	}
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
	if diff := cmp.Diff(conditions, described); diff != "" {
		t.Errorf("conditions (-api/v1alpha1 +docs/troubleshooting.md):\n%s", diff)
	}
}

// The table of reasons has which of them need a person, and the page says so for the same ones.
func TestTroubleshootingSaysWhatStalls(t *testing.T) {
	t.Parallel()
	for heading, condition := range map[string]string{
		"Accepted is False": v1alpha1.ConditionAccepted, "Synced is False": v1alpha1.ConditionSynced,
	} {
		want := slices.DeleteFunc(v1alpha1.ReasonsOf(condition, metav1.ConditionFalse),
			func(reason string) bool { return !v1alpha1.NeedsPerson(reason) })
		var got []string
		for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\|.*\\bStalled\\b").FindAllStringSubmatch(section(t, "troubleshooting.md")[heading], -1) {
			got = append(got, row[1])
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); len(want) < 5 || diff != "" {
			t.Errorf("%s: what stalls, %d reasons (-api/v1alpha1 +docs/troubleshooting.md):\n%s", heading, len(want), diff)
		}
	}
}

// constants are the values of the constants that are named after conditions and after reasons, sorted. Go cannot list them at run time.
func constants(t *testing.T) (conditions, reasons []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), "../api/v1alpha1/conditions.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(parsed, func(node ast.Node) bool {
		if spec, ok := node.(*ast.ValueSpec); ok && len(spec.Values) == 1 {
			switch name, value := spec.Names[0].Name, text(spec.Values[0]); {
			case strings.HasPrefix(name, "Condition"):
				conditions = append(conditions, value)
			case strings.HasPrefix(name, "Reason"):
				reasons = append(reasons, value)
			}
		}
		return true
	})
	if len(conditions) < 5 || len(reasons) < 20 {
		t.Fatalf("api/v1alpha1 has %d conditions and %d reasons", len(conditions), len(reasons))
	}
	slices.Sort(conditions)
	slices.Sort(reasons)
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
