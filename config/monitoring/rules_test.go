// SPDX-License-Identifier: Apache-2.0

// Package monitoring_test holds the alerts and the dashboard to the metrics that the programs really have, and to the pages that
// say what to do.
package monitoring_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"sigs.k8s.io/yaml"
)

// rule is an alert, with the group that it is in.
type rule struct {
	Group       string            `json:"-"`
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	For         string            `json:"for,omitempty"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

type group struct {
	Name  string `json:"name"`
	Rules []rule `json:"rules"`
}

type groups struct {
	Groups []group `json:"groups"`
}

// ruleGroups reads the PrometheusRule, and refuses fields that this test would overlook.
func ruleGroups(t *testing.T) groups {
	t.Helper()
	var file struct {
		APIVersion string         `json:"apiVersion"`
		Kind       string         `json:"kind"`
		Metadata   map[string]any `json:"metadata"`
		Spec       groups         `json:"spec"`
	}
	if err := yaml.UnmarshalStrict(read(t, "rules.yaml"), &file); err != nil {
		t.Fatal(err)
	}
	return file.Spec
}

func rules(t *testing.T) []rule {
	t.Helper()
	var all []rule
	for _, g := range ruleGroups(t).Groups {
		for _, r := range g.Rules {
			r.Group = g.Name
			all = append(all, r)
		}
	}
	if len(all) == 0 {
		t.Fatal("rules.yaml has no alerts")
	}
	return all
}

func TestPromtoolFindsNothingWrongWithTheRules(t *testing.T) {
	t.Parallel()
	spec, err := yaml.Marshal(ruleGroups(t))
	if err != nil {
		t.Fatal(err)
	}
	promtool(t, map[string][]byte{"rules.yaml": spec}, "check", "rules", "--lint=all", "--lint-fatal", "rules.yaml")
}

func TestAlertsFireWhenTheyShouldAndNotOtherwise(t *testing.T) {
	t.Parallel()
	// promtool compares annotations whole. The summary shows that the labels are there; the rest would be written twice.
	stripped := ruleGroups(t)
	for _, g := range stripped.Groups {
		for i := range g.Rules {
			g.Rules[i].Annotations = map[string]string{"summary": g.Rules[i].Annotations["summary"]}
		}
	}
	spec, err := yaml.Marshal(stripped)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range scenarioFiles(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			promtool(t, map[string][]byte{"rules.yaml": spec, name: read(t, name)}, "test", "rules", name)
		})
	}
}

// expected is the part of promtool's test files that says what is asked of which alert.
type expected struct {
	Tests []struct {
		Name           string `json:"name"`
		AlertRuleTests []struct {
			Alert    string `json:"alertname"`
			Expected []struct {
				Labels map[string]string `json:"exp_labels"`
			} `json:"exp_alerts"`
		} `json:"alert_rule_test"`
	} `json:"tests"`
}

func TestEachAlertIsSeenToFireAndToBeSilent(t *testing.T) {
	t.Parallel()
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, name := range scenarioFiles(t) {
		var file expected
		if err := yaml.Unmarshal(read(t, name), &file); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, test := range file.Tests {
			for _, asked := range test.AlertRuleTests {
				silent[asked.Alert] = silent[asked.Alert] || len(asked.Expected) == 0
				for _, alert := range asked.Expected {
					fires[asked.Alert+" "+alert.Labels["severity"]] = true
				}
			}
		}
	}
	for _, r := range rules(t) {
		if key := r.Alert + " " + r.Labels["severity"]; !fires[key] {
			t.Errorf("no test has %s fire as %s", r.Alert, r.Labels["severity"])
		}
		if !silent[r.Alert] {
			t.Errorf("no test has %s silent", r.Alert)
		}
	}
}

var templatedLabel = regexp.MustCompile(`\$labels\.([a-z_]+)`)

func TestAlertsSayHowBadItIsAndWhatToDo(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, r := range rules(t) {
		severity := r.Labels["severity"]
		if !slices.Contains([]string{"critical", "warning", "info"}, severity) || len(r.Labels) != 1 {
			t.Errorf("%s has the labels %v, want a severity of critical, warning or info, and nothing else", r.Alert, r.Labels)
		}
		if seen[r.Alert+severity] {
			t.Errorf("%s is there twice as %s", r.Alert, severity)
		}
		seen[r.Alert+severity] = true
		if !strings.HasPrefix(r.Alert, "Cloudinary") {
			t.Errorf("%s does not begin with Cloudinary, and may be somebody else's name", r.Alert)
		}
		for _, annotation := range []string{"summary", "description"} {
			if !strings.HasSuffix(r.Annotations[annotation], ".") {
				t.Errorf("%s: the %s is no sentence: %q", r.Alert, annotation, r.Annotations[annotation])
			}
		}
		// What promtool renders in the tests is the summary. A label that is there is so in the description, too.
		for _, label := range templatedLabel.FindAllString(r.Annotations["description"], -1) {
			if !strings.Contains(r.Annotations["summary"], label) {
				t.Errorf("%s: the description uses %s, the summary does not, so no test shows that it is there", r.Alert, label)
			}
		}
	}
}

const (
	runbooks   = "https://github.com/cloudinary-operator/cloudinary-operator/blob/main/docs/runbooks/"
	runbookDir = "../../docs/runbooks"
)

func TestEachAlertHasARunbookAndEachRunbookAnAlert(t *testing.T) {
	t.Parallel()
	linked := map[string]bool{}
	for _, r := range rules(t) {
		page, anchor, _ := strings.Cut(strings.TrimPrefix(r.Annotations["runbook_url"], runbooks), "#")
		if anchor != strings.ToLower(r.Alert) {
			t.Errorf("%s: runbook_url is %q, want %s<page>#%s", r.Alert, r.Annotations["runbook_url"], runbooks, strings.ToLower(r.Alert))
			continue
		}
		if !slices.Contains(headings(t, page), r.Alert) {
			t.Errorf("%s: docs/runbooks/%s has no heading %q", r.Alert, page, "## "+r.Alert)
		}
		linked[page+" "+r.Alert] = true
	}
	pages, err := filepath.Glob(filepath.Join(runbookDir, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range pages {
		for _, heading := range headings(t, filepath.Base(path)) {
			if !linked[filepath.Base(path)+" "+heading] {
				t.Errorf("%s: no alert leads to %q", path, heading)
			}
		}
	}
}

var heading = regexp.MustCompile(`(?m)^## (Cloudinary\S+)$`)

func headings(t *testing.T, page string) []string {
	t.Helper()
	var names []string
	for _, match := range heading.FindAllStringSubmatch(string(read(t, filepath.Join(runbookDir, page))), -1) {
		names = append(names, match[1])
	}
	return names
}

// The page's table is where people choose what to be woken by.
func TestThePageListsTheAlerts(t *testing.T) {
	t.Parallel()
	page := string(read(t, "../../docs/monitoring.md"))
	listed := 0
	for _, r := range rules(t) {
		severity := r.Labels["severity"]
		row := regexp.MustCompile(`(?m)^\| \[` + r.Alert + `\]\(runbooks/[a-z]+\.md#` + strings.ToLower(r.Alert) + `\) \| ` + severity + ` \|`)
		if !row.MatchString(page) {
			t.Errorf("docs/monitoring.md has no row for %s as %s", r.Alert, severity)
		}
		listed++
	}
	if rows := strings.Count(page, "\n| [Cloudinary"); rows != listed {
		t.Errorf("docs/monitoring.md has %d rows of alerts, want %d", rows, listed)
	}
}

var link = regexp.MustCompile(`\]\(([^)#:]*)(?:#([^)]*))?\)`)

func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	for _, page := range []string{"../../docs/monitoring.md", runbookDir + "/manager.md", runbookDir + "/receiver.md"} {
		for _, match := range link.FindAllStringSubmatch(string(read(t, page)), -1) {
			to := page
			if match[1] != "" {
				to = filepath.Join(filepath.Dir(page), match[1])
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s: %s leads nowhere", page, match[0])
				continue
			}
			if match[2] != "" && !slices.Contains(anchors(t, to), match[2]) {
				t.Errorf("%s: %s: there is no such heading", page, match[0])
			}
		}
	}
}

var (
	anyHeading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	notAnchor  = regexp.MustCompile(`[^a-z0-9 _-]`)
)

// anchors are what GitHub makes of a page's headings.
func anchors(t *testing.T, page string) []string {
	t.Helper()
	var names []string
	for _, match := range anyHeading.FindAllStringSubmatch(string(read(t, page)), -1) {
		names = append(names, strings.ReplaceAll(notAnchor.ReplaceAllString(strings.ToLower(match[1]), ""), " ", "-"))
	}
	return names
}

func scenarioFiles(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("*.promtool.yaml")
	if err != nil || len(names) == 0 {
		t.Fatalf("no scenarios for promtool: %v", err)
	}
	return names
}

// A tool is built where it is missing, by the first test that asks; so the context is not that test's.
var (
	promtoolPath  = sync.OnceValues(func() (string, error) { return tool("promtool") })
	selectorsPath = sync.OnceValues(func() (string, error) { return tool("selectors") })
)

// tool is the path of one of hack/promql's programs.
func tool(name string) (string, error) {
	command := exec.CommandContext(context.Background(), "../../hack/promql/build.sh", name)
	command.Stderr = os.Stderr // It says what it builds, and how long that took.
	path, err := command.Output()
	return strings.TrimSpace(string(path)), err
}

// promtool runs promtool in a folder of these files.
func promtool(t *testing.T, files map[string][]byte, args ...string) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path, err := promtoolPath()
	if err != nil {
		t.Fatalf("build promtool: %v", err)
	}
	command := exec.CommandContext(t.Context(), path, args...)
	command.Dir = dir
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
