// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// That each right is used, and no other is needed, is what test/rights holds. This holds that the page tells what each is for.
func TestEachRightIsExplained(t *testing.T) {
	t.Parallel()
	want := granted(t, "../config/rbac", "../config/receiver/rbac")
	if len(want) < 30 {
		t.Fatalf("config/ grants %d rights", len(want))
	}
	if diff := cmp.Diff(want, explained(section(t, "security.md")["What each right is for"])); diff != "" {
		t.Errorf("rights (-config +docs/security.md):\n%s", diff)
	}
}

// explained reads rows such as: | manager | cluster | `secrets` named `a`, `leases` | get, list | why |.
func explained(text string) []string {
	var rights []string
	row := regexp.MustCompile(`(?m)^\| (\w+) \| (cluster|own namespace) \| ([^|]+) \| ([^|]+) \| [^|]+ \|$`)
	for _, match := range row.FindAllStringSubmatch(text, -1) {
		for resource := range strings.SplitSeq(strings.ReplaceAll(match[3], "`", ""), ", ") {
			for verb := range strings.SplitSeq(match[4], ", ") {
				rights = append(rights, strings.Join([]string{match[1], match[2], resource, verb}, " | "))
			}
		}
	}
	slices.Sort(rights)
	return rights
}

// role is either kind of role or of binding: their fields have the same names.
type role struct {
	metav1.TypeMeta `json:",inline"`
	Metadata        metav1.ObjectMeta   `json:"metadata"`
	Rules           []rbacv1.PolicyRule `json:"rules"`
	RoleRef         rbacv1.RoleRef      `json:"roleRef"`
	Subjects        []rbacv1.Subject    `json:"subjects"`
}

// granted are the rights of the programs' service accounts, each as explained has it.
func granted(t *testing.T, folders ...string) []string {
	t.Helper()
	roles, bindings := map[string]role{}, []role{}
	for _, folder := range folders {
		for _, r := range rolesIn(t, folder) {
			if len(r.Subjects) > 0 {
				bindings = append(bindings, r)
			} else {
				roles[r.Kind+" "+r.Metadata.Name] = r
			}
		}
	}
	where := map[string]string{"ClusterRoleBinding": "cluster", "RoleBinding": "own namespace"}
	var rights []string
	for _, binding := range bindings {
		bound, found := roles[binding.RoleRef.Kind+" "+binding.RoleRef.Name]
		if !found {
			t.Fatalf("%s %s binds a role that is not there", binding.Kind, binding.Metadata.Name)
		}
		for _, subject := range binding.Subjects {
			for _, right := range rightsOf(bound.Rules) {
				rights = append(rights, subject.Name+" | "+where[binding.Kind]+" | "+right)
			}
		}
	}
	slices.Sort(rights)
	return rights
}

func rightsOf(rules []rbacv1.PolicyRule) []string {
	var rights []string
	for _, rule := range rules {
		for _, resource := range rule.Resources {
			if len(rule.ResourceNames) > 0 {
				resource += " named " + strings.Join(rule.ResourceNames, " or ")
			}
			for _, verb := range rule.Verbs {
				rights = append(rights, resource+" | "+verb)
			}
		}
	}
	return rights
}

func rolesIn(t *testing.T, folder string) []role {
	t.Helper()
	files, err := filepath.Glob(folder + "/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var roles []role
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for document := range strings.SplitSeq(string(raw), "\n---\n") {
			var r role
			if err := yaml.Unmarshal([]byte(document), &r); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if strings.HasSuffix(r.Kind, "Role") || strings.HasSuffix(r.Kind, "RoleBinding") {
				roles = append(roles, r)
			}
		}
	}
	return roles
}
