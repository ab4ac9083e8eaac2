// SPDX-License-Identifier: Apache-2.0

package monitoring_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/events"
)

// query is an expression, and where it stands.
type query struct{ where, text string }

// parsed is what hack/promql/selectors says of an expression.
type parsed struct {
	Error     string     `json:"error"`
	Selectors []selector `json:"selectors"`
	Groupings []struct {
		Labels  []string `json:"labels"`
		Metrics []string `json:"metrics"`
	} `json:"groupings"`
}

type selector struct {
	Metric   string `json:"metric"`
	Matchers []struct {
		Label string `json:"label"`
		Type  string `json:"type"`
		Value string `json:"value"`
	} `json:"matchers"`
	Function string `json:"function"`
}

// targetLabels are put on each series by a scrape through the Prometheus operator. So is "endpoint", the name of a port, but not
// over a label of that name, where the scrape honors labels: see docs/monitoring.md.
var targetLabels = []string{"job", "instance", "namespace", "pod"}

func TestAlertsAndDashboardNameWhatExists(t *testing.T) {
	t.Parallel()
	known := allMetrics(t)
	var queries []query
	for _, r := range rules(t) {
		queries = append(queries, query{"the alert " + r.Alert, r.Expr})
	}
	queries = append(queries, dashboardQueries(t)...)
	for i, p := range parse(t, queries) {
		for _, problem := range problems(known, p) {
			t.Errorf("%s: %s\n%s", queries[i].where, problem, queries[i].text)
		}
	}
}

// The check above is worth nothing if it passes everything.
func TestWhatDoesNotExistIsFound(t *testing.T) {
	t.Parallel()
	known := allMetrics(t)
	for text, want := range map[string]string{
		`sum(rate(cloudinary_receiver_responses_total[5m])`:                                      "unclosed left parenthesis",
		`cloudinary_receiver_response_total`:                                                     "there is no metric cloudinary_receiver_response_total",
		`rate(cloudinary_receiver_queue_commit_operations_buckets[5m])`:                          "there is no metric cloudinary_receiver_queue_commit_operations_buckets",
		`cloudinary_manager_triggers_bucket`:                                                     "there is no metric cloudinary_manager_triggers_bucket",
		`cloudinary_receiver_target_waiting{tenant="a"}`:                                         "cloudinary_receiver_target_waiting has no label tenant",
		`sum by (target) (cloudinary_receiver_queue_pending)`:                                    "cloudinary_receiver_queue_pending has no label target",
		`cloudinary_manager_triggers / on (environment) cloudinary_manager_triggers`:             "cloudinary_manager_triggers has no label environment",
		`cloudinary_receiver_requests_rejected_total{reason=~"bad_signature|forged"}`:            `reason of cloudinary_receiver_requests_rejected_total is never "forged"`,
		`cloudinary_manager_changes_total{cause="drifted"}`:                                      `cause of cloudinary_manager_changes_total is never "drifted"`,
		`rate(cloudinary_receiver_queue_pending[5m])`:                                            "rate of cloudinary_receiver_queue_pending, which is a gauge",
		`max_over_time(cloudinary_receiver_queue_damaged_total[5m])`:                             "max_over_time of cloudinary_receiver_queue_damaged_total, which is a counter",
		`present_over_time(cloudinary_receiver_queue_damaged_total[5m])`:                         "",
		`present_over_time(cloudinary_receiver_queue_damage_total[5m])`:                          "there is no metric cloudinary_receiver_queue_damage_total",
		`histogram_quantile(0.9, cloudinary_receiver_delivery_latency_seconds_bucket{kind="x"})`: "",
		`sum by (namespace) (leader_election_master_status and on (job) up)`:                     "there is no metric up",
	} {
		found := strings.Join(problems(known, parse(t, []query{{text: text}})[0]), "; ")
		if (want == "") != (found == "") || !strings.Contains(found, want) {
			t.Errorf("%s: found %q, want %q", text, found, want)
		}
	}
}

func allMetrics(t *testing.T) metricSet {
	t.Helper()
	known := metricSet{}
	for _, set := range []metricSet{frameworkMetrics(t), ownMetrics(t), objectMetrics(t), clusterMetrics()} {
		maps.Copy(known, set)
	}
	return known
}

// parse has hack/promql/selectors read all expressions at once.
func parse(t *testing.T, queries []query) []parsed {
	t.Helper()
	path, err := selectorsPath()
	if err != nil {
		t.Fatalf("build hack/promql/selectors: %v", err)
	}
	var texts []string
	for _, q := range queries {
		texts = append(texts, q.text)
	}
	in, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), path)
	command.Stdin = bytes.NewReader(in)
	out, err := command.Output()
	if err != nil {
		t.Fatalf("run hack/promql/selectors: %v", err)
	}
	var all []parsed
	if err := json.Unmarshal(out, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != len(queries) {
		t.Fatalf("%d answers to %d expressions", len(all), len(queries))
	}
	return all
}

// problems are what is wrong with an expression.
func problems(known metricSet, p parsed) []string {
	if p.Error != "" {
		return []string{p.Error}
	}
	var found []string
	for _, s := range p.Selectors {
		name, m, ok := known.find(s.Metric)
		if !ok {
			found = append(found, "there is no metric "+s.Metric)
			continue
		}
		found = append(found, m.misread(s)...)
		for _, matcher := range s.Matchers {
			if !m.has(matcher.Label) {
				found = append(found, fmt.Sprintf("%s has no label %s", s.Metric, matcher.Label))
				continue
			}
			for _, value := range neverThere(name, matcher.Label, matcher.Type, matcher.Value) {
				found = append(found, fmt.Sprintf("%s of %s is never %q", matcher.Label, s.Metric, value))
			}
		}
	}
	for _, g := range p.Groupings {
		for _, name := range g.Metrics {
			_, m, _ := known.find(name)
			for _, label := range g.Labels {
				if !m.has(label) {
					found = append(found, fmt.Sprintf("%s has no label %s", name, label))
				}
			}
		}
	}
	return found
}

// find knows a histogram by its series, too. The name is that of the whole.
func (s metricSet) find(name string) (string, metric, bool) {
	if m, ok := s[name]; ok && m.kind != "histogram" {
		return name, m, true
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		base, cut := strings.CutSuffix(name, suffix)
		if m, ok := s[base]; cut && ok && m.kind == "histogram" {
			if suffix == "_bucket" {
				m.labels = append(slices.Clone(m.labels), "le")
			}
			return base, m, true
		}
	}
	return name, metric{}, false
}

func (m metric) has(label string) bool {
	return slices.Contains(m.labels, label) || slices.Contains(targetLabels, label)
}

// misread tells of a rate of what is no counter, and of the like.
func (m metric) misread(s selector) []string {
	counts := m.kind == "counter" || m.kind == "histogram"
	ofCounters := slices.Contains([]string{"rate", "irate", "increase", "resets"}, s.Function)
	// Whether something is there may be asked of any metric.
	if m.kind == "" || s.Function == "" || s.Function == "present_over_time" || counts == ofCounters {
		return nil
	}
	return []string{fmt.Sprintf("%s of %s, which is a %s", s.Function, s.Metric, m.kind)}
}

// neverThere are the alternatives of a matcher that match nothing of a closed set of values.
func neverThere(metric, label, operator, value string) []string {
	values := closedSet(metric, label)
	if values == nil || value == "" {
		return nil
	}
	alternatives := []string{regexp.QuoteMeta(value)}
	if operator == "=~" || operator == "!~" {
		alternatives = strings.Split(value, "|")
	}
	var never []string
	for _, alternative := range alternatives {
		if !slices.ContainsFunc(values, regexp.MustCompile("^(?:"+alternative+")$").MatchString) {
			never = append(never, alternative)
		}
	}
	return never
}

// closedSet are a label's values, where the code lists them; nil: it does not.
func closedSet(metric, label string) []string {
	var values []string
	switch metric + " " + label {
	case "cloudinary_receiver_requests_rejected_total reason":
		for _, r := range webhookreceiver.Reasons() {
			values = append(values, string(r))
		}
	case "cloudinary_receiver_events_suppressed_total reason":
		for _, s := range events.Suppressions() {
			values = append(values, string(s))
		}
	case "cloudinary_manager_changes_total cause":
		for _, c := range []plan.Cause{plan.CauseSpec, plan.CauseAdoption, plan.CauseDrift, plan.CauseIgnored, plan.CauseReleased} {
			values = append(values, string(c))
		}
	}
	return values
}
