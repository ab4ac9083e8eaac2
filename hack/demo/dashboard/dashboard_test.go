// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const theDashboard, thePicture = "../../../config/grafana/cloudinary-operator.json", "../../../docs/images/dashboard.svg"

// The picture in the docs is of the dashboard that there is.
func TestThePictureIsOfTheDashboard(t *testing.T) {
	d, err := readDashboard(theDashboard)
	if err != nil {
		t.Fatal(err)
	}
	svg, err := os.ReadFile(thePicture)
	if err != nil {
		t.Fatal(err)
	}
	if err := check(svg, d.firstRowTitle(), d.firstRow()); err != nil {
		t.Errorf("docs/images/dashboard.svg is not of config/grafana any more: make dashboard-picture draws it anew\n%v", err)
	}
}

// What a run is known to leave empty is among the panels.
func TestPanelsWithoutDataExist(t *testing.T) {
	d, err := readDashboard(theDashboard)
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, p := range d.Panels {
		there[p.Title] = true
	}
	for title := range without() {
		if !there[title] {
			t.Errorf("there is no panel %q", title)
		}
	}
}

const small = `{"panels":[
 {"type":"row","title":"Is all well?"},
 {"type":"stat","title":"Dead letters","gridPos":{"x":0,"y":1,"w":12,"h":5},
  "fieldConfig":{"defaults":{"unit":"short","noValue":"no receiver",
   "mappings":[{"type":"value","options":{"0":{"text":"none","color":"green"}}}],
   "thresholds":{"steps":[{"color":"green","value":null},{"color":"orange","value":1}]}}},
  "targets":[{"expr":"sum(dead{a=~\"$namespace\"})"}]},
 {"type":"timeseries","title":"By type & target","gridPos":{"x":12,"y":1,"w":12,"h":8},
  "fieldConfig":{"defaults":{"unit":"cps","custom":{"stacking":{"mode":"normal"}}}},
  "targets":[{"expr":"rate(n[$__rate_interval])","legendFormat":"{{type}} of {{ of }}"}]},
 {"type":"row","title":"More"},
 {"type":"timeseries","title":"Another","gridPos":{"x":0,"y":9,"w":24,"h":8},"targets":[{"expr":"another"}]}]}`

// prometheusWith answers queries by what it has for them.
func prometheusWith(t *testing.T, results map[string]string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		result, known := results[r.FormValue("query")]
		if !known {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"status":"error","error":"who is %s?"}`, r.FormValue("start"))
			return
		}
		fmt.Fprintf(w, `{"status":"success","data":{"result":[%s]}}`, result)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestRun(t *testing.T) {
	const dead, rate, another = `sum(dead{a=~".*"})`, `rate(n[60s])`, `another`
	const some = `{"metric":{},"values":[[1782900000,"0"],[1782900036,"3"]]}`
	typed := `{"metric":{"type":"upload","of":"shop"},"values":[[1782900000,"1"],[1782900036,"2"]]},` +
		`{"metric":{"type":"delete","of":"shop"},"values":[[1782900000,"NaN"],[1782900036,"4"]]}`
	for name, c := range map[string]struct {
		results map[string]string
		wants   []string
		wrong   string
	}{
		"all is drawn": {
			map[string]string{dead: some, rate: typed, another: some},
			[]string{`class="value orange"`, ">3<", ">By type &amp; target<", ">upload of shop<", ">delete of shop<", ">6 c/s<"},
			"",
		},
		"a mapped value":           {map[string]string{dead: `{"metric":{},"values":[[1782900036,"0"]]}`, rate: typed, another: some}, []string{`class="value green"`, ">none<"}, ""},
		"one is known to be empty": {map[string]string{dead: "", rate: typed, another: some}, []string{`class="value red"`, ">no receiver<"}, ""},
		"one is empty":             {map[string]string{dead: some, rate: typed, another: ""}, nil, "no data in the panels: Another"},
		"one has no number":        {map[string]string{dead: some, rate: `{"metric":{},"values":[[1782900036,"NaN"]]}`, another: some}, nil, "By type & target"},
		"one is refused":           {map[string]string{dead: some, rate: typed}, nil, `the panel "Another": refused another: who is`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			o := options{
				dashboard: filepath.Join(dir, "dashboard.json"), out: filepath.Join(dir, "dashboard.svg"),
				prometheus: prometheusWith(t, c.results), span: time.Hour, rateInterval: time.Minute,
			}
			if err := os.WriteFile(o.dashboard, []byte(small), 0o600); err != nil {
				t.Fatal(err)
			}
			err := run(t.Context(), o, time.Unix(1782900060, 0), io.Discard)
			svg, unwritten := os.ReadFile(o.out)
			if c.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), c.wrong) || unwritten == nil {
					t.Errorf("got %v and a picture of %d bytes, want an error with %q and none", err, len(svg), c.wrong)
				}
				return
			}
			if err != nil || unwritten != nil {
				t.Fatal(err, unwritten)
			}
			for _, want := range c.wants {
				if !strings.Contains(string(svg), want) {
					t.Errorf("the picture lacks %s:\n%s", want, svg)
				}
			}
			d, err := readDashboard(o.dashboard)
			if err != nil {
				t.Fatal(err)
			}
			if err := check(svg, d.firstRowTitle(), d.firstRow()); err != nil {
				t.Error(err)
			}
			if err := check(svg, d.firstRowTitle(), d.firstRow()[:1]); err == nil {
				t.Error("a picture with a panel too many passes")
			}
		})
	}
}

func TestValuesAreWrittenAsGrafanaDoes(t *testing.T) {
	two := 2
	for want, c := range map[string]struct {
		d     defaults
		value float64
	}{
		"12.3 %":   {defaults{Unit: "percentunit"}, 0.1234},
		"12.34 %":  {defaults{Unit: "percentunit", Decimals: &two}, 0.1234},
		"0 s":      {defaults{Unit: "s"}, 0},
		"250 ms":   {defaults{Unit: "s"}, 0.25},
		"42 s":     {defaults{Unit: "s"}, 42},
		"1.5 min":  {defaults{Unit: "s"}, 90},
		"6 h":      {defaults{Unit: "s"}, 21600},
		"0.25 c/s": {defaults{Unit: "cps"}, 0.25},
		"7":        {defaults{Unit: "short"}, 7},
	} {
		if got := c.d.format(c.value); got != want {
			t.Errorf("%v is written %q, want %q", c.value, got, want)
		}
	}
}
