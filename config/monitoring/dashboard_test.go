// SPDX-License-Identifier: Apache-2.0

package monitoring_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const dashboardPath = "../grafana/cloudinary-operator.json"

// dashboard is the part of Grafana's format that is checked.
type dashboard struct {
	UID           string  `json:"uid"`
	Title         string  `json:"title"`
	Description   string  `json:"description"`
	ID            *int    `json:"id"`
	SchemaVersion int     `json:"schemaVersion"`
	Panels        []panel `json:"panels"`
	Templating    struct {
		List []variable `json:"list"`
	} `json:"templating"`
}

type panel struct {
	ID          int        `json:"id"`
	Type        string     `json:"type"`
	Title       string     `json:"title"`
	Description string     `json:"description"`
	Datasource  datasource `json:"datasource"`
	Collapsed   bool       `json:"collapsed"`
	Panels      []panel    `json:"panels"`
	GridPos     struct {
		X int `json:"x"`
		Y int `json:"y"`
		W int `json:"w"`
		H int `json:"h"`
	} `json:"gridPos"`
	FieldConfig struct {
		Defaults struct {
			Unit string `json:"unit"`
		} `json:"defaults"`
	} `json:"fieldConfig"`
	Links []struct {
		URL string `json:"url"`
	} `json:"links"`
	Targets []struct {
		RefID      string     `json:"refId"`
		Expr       string     `json:"expr"`
		Datasource datasource `json:"datasource"`
	} `json:"targets"`
}

type datasource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

type variable struct {
	Name       string     `json:"name"`
	Type       string     `json:"type"`
	Definition string     `json:"definition"`
	Datasource datasource `json:"datasource"`
	Query      any        `json:"query"`
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	var d dashboard
	if err := json.Unmarshal(read(t, dashboardPath), &d); err != nil {
		t.Fatalf("%s: %v", dashboardPath, err)
	}
	return d
}

func TestTheDashboardCanBeImported(t *testing.T) {
	t.Parallel()
	d := readDashboard(t)
	if d.UID == "" || len(d.UID) > 40 || d.Title == "" || d.Description == "" {
		t.Errorf("uid %q, title %q, description %q: none may be empty, and Grafana allows a uid 40 characters", d.UID, d.Title, d.Description)
	}
	if d.ID != nil {
		t.Errorf("id is %d, which another dashboard may have: it must be null", *d.ID)
	}
	if d.SchemaVersion < 39 || d.SchemaVersion > 41 {
		t.Errorf("schemaVersion is %d, Grafana 11 writes 39 to 41", d.SchemaVersion)
	}
	ids := map[int]bool{}
	for _, p := range d.Panels {
		if p.ID == 0 || ids[p.ID] {
			t.Errorf("%q: the id %d is not unique, or 0", p.Title, p.ID)
		}
		ids[p.ID] = true
		if p.Collapsed || len(p.Panels) > 0 {
			t.Errorf("%q hides panels: the tests here read those of the dashboard alone", p.Title)
		}
	}
	overlaps(t, d.Panels)
}

func overlaps(t *testing.T, panels []panel) {
	t.Helper()
	taken := map[[2]int]string{}
	for _, p := range panels {
		at := p.GridPos
		if at.W < 1 || at.H < 1 || at.X < 0 || at.X+at.W > 24 {
			t.Errorf("%q is no rectangle on a grid of 24 columns: %+v", p.Title, at)
			continue
		}
		for x := at.X; x < at.X+at.W; x++ {
			for y := at.Y; y < at.Y+at.H; y++ {
				if other, ok := taken[[2]int{x, y}]; ok {
					t.Errorf("%q lies over %q", p.Title, other)
					return
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}

func TestEachPanelSaysWhatItShows(t *testing.T) {
	t.Parallel()
	d := readDashboard(t)
	want := datasource{"prometheus", "${datasource}"}
	for _, p := range d.Panels {
		if p.Type == "row" {
			if p.Title == "" {
				t.Errorf("row %d has no title", p.ID)
			}
			continue
		}
		if p.Title == "" || p.Description == "" || p.FieldConfig.Defaults.Unit == "" {
			t.Errorf("panel %d: title %q, description %q, unit %q: none may be empty", p.ID, p.Title, p.Description, p.FieldConfig.Defaults.Unit)
		}
		if p.Datasource != want || len(p.Targets) == 0 {
			t.Errorf("%q asks %d queries of %v, want some, of %v", p.Title, len(p.Targets), p.Datasource, want)
		}
		refs := map[string]bool{}
		for _, target := range p.Targets {
			if target.Datasource != want || target.RefID == "" || refs[target.RefID] {
				t.Errorf("%q: refId %q is empty or not unique, or the datasource %v is not %v", p.Title, target.RefID, target.Datasource, want)
			}
			refs[target.RefID] = true
		}
	}
}

// The questions that a dashboard of this operator is for, each a row, in the order in which one asks them.
func TestTheDashboardAnswersTheQuestions(t *testing.T) {
	t.Parallel()
	want := []string{
		"Is all well?", "Are we in sync?", "How full are limit and budget?", "What arrives?", "What is refused, and why?",
		"How far behind is each target?", "How full is the store?", "Are the programs well?",
	}
	var got []string
	for _, p := range readDashboard(t).Panels {
		if p.Type == "row" {
			got = append(got, p.Title)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("rows %q, want %q", got, want)
	}
}

// What the first row shows is green, or one click away from what to do.
func TestTheFirstRowLeadsToTheRunbooks(t *testing.T) {
	t.Parallel()
	const where = "https://github.com/cloudinary-operator/cloudinary-operator/blob/main/docs/runbooks/"
	headings := map[string]bool{}
	for _, page := range []string{"manager.md", "receiver.md"} {
		for _, found := range regexp.MustCompile(`(?m)^## (\S+)$`).FindAllSubmatch(read(t, "../../docs/runbooks/"+page), -1) {
			headings[where+page+"#"+strings.ToLower(string(found[1]))] = true
		}
	}
	stats := 0
	for _, p := range readDashboard(t).Panels[1:] {
		if p.Type == "row" {
			break
		}
		if p.Type != "stat" {
			continue
		}
		stats++
		if len(p.Links) != 1 || !headings[p.Links[0].URL] {
			t.Errorf("%q has the links %v, want one to an alert in the runbooks", p.Title, p.Links)
		}
	}
	if stats != 8 {
		t.Errorf("%d panels say whether all is well, want 8", stats)
	}
}

var (
	variableUse = regexp.MustCompile(`\$\{?([a-z_]+)\}?`)
	labelValues = regexp.MustCompile(`^label_values\((.+), ?([a-z_]+)\)$`)
)

func TestTheDashboardsVariablesAreDefinedAndUsed(t *testing.T) {
	t.Parallel()
	d := readDashboard(t)
	var defined, used []string
	for _, v := range d.Templating.List {
		defined = append(defined, v.Name)
	}
	text := string(read(t, dashboardPath))
	for _, use := range variableUse.FindAllStringSubmatch(text, -1) {
		if !strings.HasPrefix(use[1], "__") { // Grafana's own
			used = append(used, use[1])
		}
	}
	slices.Sort(used)
	used = slices.Compact(used)
	for _, required := range []string{"datasource", "namespace", "environment"} {
		if !slices.Contains(defined, required) {
			t.Errorf("there is no variable %s", required)
		}
	}
	slices.Sort(defined)
	if !slices.Equal(defined, used) {
		t.Errorf("variables %q are defined, and %q are used", defined, used)
	}
}

// dashboardQueries are all that the dashboard asks, with something in the place of each variable.
func dashboardQueries(t *testing.T) []query {
	t.Helper()
	d := readDashboard(t)
	fill := strings.NewReplacer("$__rate_interval", "5m", "$__range", "1h", "$__interval", "1m")
	var queries []query
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			text := variableUse.ReplaceAllString(fill.Replace(target.Expr), "any")
			queries = append(queries, query{fmt.Sprintf("the panel %q", p.Title), text})
		}
	}
	for _, v := range d.Templating.List {
		if v.Type != "query" {
			continue
		}
		match := labelValues.FindStringSubmatch(v.Definition)
		if match == nil {
			t.Errorf("the variable %s is not label_values(<selector>, <label>): %q", v.Name, v.Definition)
			continue
		}
		text := fmt.Sprintf("count by (%s) (%s)", match[2], variableUse.ReplaceAllString(match[1], "any"))
		queries = append(queries, query{fmt.Sprintf("the variable %q", v.Name), text})
	}
	return queries
}

// unused are metrics that no panel shows, and why.
var unused = map[string]string{}

func TestEachMetricOfOursIsShownOrLeftOutForAReason(t *testing.T) {
	t.Parallel()
	own := ownMetrics(t)
	shown := map[string]bool{}
	for _, p := range parse(t, dashboardQueries(t)) {
		for _, s := range p.Selectors {
			if name, _, ok := own.find(s.Metric); ok {
				shown[name] = true
			}
		}
	}
	for name := range own {
		if reason, left := unused[name]; shown[name] == left {
			t.Errorf("%s: shown %v, left out %v (%s)", name, shown[name], left, reason)
		}
	}
	for name := range unused {
		if _, there := own[name]; !there {
			t.Errorf("%s is left out, and there is no such metric", name)
		}
	}
}
