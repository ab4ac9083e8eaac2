// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"
)

// runPrometheus runs a real Prometheus with the configuration that docs/monitoring.md tells people to use and the alerts of config/monitoring,
// and the right that docs/metrics.md tells them to grant.
func (c *cluster) runPrometheus() {
	c.Helper()
	c.applyText("{apiVersion: v1, kind: Namespace, metadata: {name: monitoring}}")
	c.applyText(c.prometheusFiles())
	c.kubectl("delete", "deployment", "-n", "monitoring", "prometheus", "--ignore-not-found") // with what it remembers of another story
	c.apply("prometheus.yaml", "PROMETHEUS", filepath.Join(nodeDir(), "prometheus"))
	binding := c.kubectl("create", "clusterrolebinding", "cloudinary-operator-scraper", "--clusterrole=cloudinary-operator-metrics-reader",
		"--serviceaccount=monitoring:prometheus", "--dry-run=client", "-o", "yaml")
	c.applyText(binding)
	c.rolledOut("prometheus", "monitoring")
	c.prometheus = c.serviceURL("monitoring", "prometheus", "9090")
}

// prometheusFiles is a ConfigMap.
func (c *cluster) prometheusFiles() string {
	c.Helper()
	config := "global: {scrape_interval: 2s, evaluation_interval: 2s}\nrule_files: [rules.yml]\n" +
		c.example("../../docs/monitoring.md", "For a Prometheus with a file:")
	alerts, err := yaml.Marshal(c.alertRules())
	if err != nil {
		c.Fatal(err)
	}
	text, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]string{"name": "prometheus", "namespace": "monitoring"},
		"data":     map[string]string{"prometheus.yml": config, "rules.yml": string(alerts)},
	})
	if err != nil {
		c.Fatal(err)
	}
	return string(text)
}

// example is the first YAML behind a sentence of a page.
func (c *cluster) example(page, sentence string) string {
	c.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		c.Fatal(err)
	}
	_, behind, found := strings.Cut(string(text), sentence+"\n\n```yaml\n")
	example, _, ends := strings.Cut(behind, "\n```\n")
	if !found || !ends {
		c.Fatalf("%s has no YAML behind %q", page, sentence)
	}
	return example + "\n"
}

// ruleFile is what Prometheus calls a file of rules, and a PrometheusRule its spec.
type ruleFile struct {
	Groups []struct {
		Name  string           `json:"name"`
		Rules []map[string]any `json:"rules"`
	} `json:"groups"`
}

func (c *cluster) alertRules() ruleFile {
	c.Helper()
	text, err := os.ReadFile("../../config/monitoring/rules.yaml")
	if err != nil {
		c.Fatal(err)
	}
	var object struct {
		Spec ruleFile `json:"spec"`
	}
	if err := yaml.Unmarshal(text, &object); err != nil {
		c.Fatal(err)
	}
	return object.Spec
}

// scrape looks at what Prometheus has of both programs, after the first notifications.
func (c *cluster) scrape() {
	c.eventually("both programs are scraped", c.scrapesBoth)
	c.upload(10)
	c.allAnswered()
	c.eventually("the target has them", c.hasReceived(11))
	media := `{namespace="shop", endpoint="media"}`
	toCatalog := `{namespace="shop", endpoint="media", target="catalog", outcome="delivered"}`
	for query, want := range map[string]float64{
		`cloudinary_receiver_notifications_received_total` + media:        11, // as many as were sent
		`cloudinary_receiver_deliveries_total` + toCatalog:                11,
		`cloudinary_receiver_store_durable`:                               1,
		`cloudinary_manager_triggers{cloud="demo"}`:                       6,
		`cloudinary_manager_notification_urls{cloud="demo"}`:              2,
		`leader_election_master_status`:                                   1,
		`cloudinary_manager_changes_total{action="create"}`:               6,
		`count(cloudinary_receiver_requests_rejected_total) or vector(0)`: 0,
	} {
		c.eventually(query, c.says(query, want))
	}
	c.eventually("the alerts are loaded and evaluated", c.rulesAreHealthy)
}

// scrapesBoth is an error unless there are two targets, which are up: a Pod of each program.
func (c *cluster) scrapesBoth() error {
	got, err := c.query(`up{job="cloudinary-operator"}`)
	if err != nil {
		return err
	}
	var pods []string
	for _, sample := range got {
		if sample.value != 1 || sample.labels["namespace"] != operatorNamespace {
			return fmt.Errorf("up is %v", got)
		}
		pods = append(pods, sample.labels["pod"])
	}
	want := []string{c.podOf("manager").name, c.podOf("receiver").name}
	slices.Sort(pods)
	if !slices.Equal(pods, want) {
		return fmt.Errorf("the Pods %v are scraped, want %v", pods, want)
	}
	return nil
}

type sample struct {
	labels map[string]string
	value  float64
}

// ask calls Prometheus' API.
func (c *cluster) ask(path string, data any) error {
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := c.get(c.prometheus+"/api/v1/"+path, &answer); err != nil {
		return err
	}
	if answer.Status != "success" {
		return fmt.Errorf("%s: %s", path, answer.Error)
	}
	return nil
}

func (c *cluster) query(expr string) ([]sample, error) {
	var data struct {
		Result []struct {
			Metric map[string]string
			Value  [2]any // an instant, and a number as text
		}
	}
	if err := c.ask("query?query="+url.QueryEscape(expr), &data); err != nil {
		return nil, err
	}
	var samples []sample
	for _, r := range data.Result {
		text, _ := r.Value[1].(string)
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", expr, err)
		}
		samples = append(samples, sample{labels: r.Metric, value: value})
	}
	return samples, nil
}

// says is an error unless a query has one answer, the wanted one.
func (c *cluster) says(expr string, want float64) func() error {
	return func() error {
		got, err := c.query(expr)
		if err != nil {
			return err
		}
		if len(got) != 1 || got[0].value != want {
			return fmt.Errorf("it is %v, want %v once", got, want)
		}
		return nil
	}
}

// rulesAreHealthy is an error unless Prometheus has evaluated each alert of config/monitoring.
func (c *cluster) rulesAreHealthy() error {
	var data struct {
		Groups []struct {
			Rules []struct{ Name, Health, LastError string }
		}
	}
	if err := c.ask("rules", &data); err != nil {
		return err
	}
	var got, want []string
	for _, group := range data.Groups {
		for _, r := range group.Rules {
			if r.Health != "ok" {
				return fmt.Errorf("%s is %s: %s", r.Name, r.Health, r.LastError)
			}
			got = append(got, r.Name)
		}
	}
	for _, group := range c.alertRules().Groups {
		for _, r := range group.Rules {
			want = append(want, fmt.Sprint(r["alert"]))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		return fmt.Errorf("Prometheus has the alerts %v, want %v", got, want)
	}
	return nil
}

type alert struct {
	Labels map[string]string
	State  string
}

func (c *cluster) alerts() ([]alert, error) {
	var data struct{ Alerts []alert }
	err := c.ask("alerts", &data)
	return data.Alerts, err
}

// alertIs is an error unless an alert with these labels among its own is in a state: pending, while its condition holds and has not held for
// long enough, or firing.
func (c *cluster) alertIs(name, state string, labels map[string]string) func() error {
	return func() error {
		all, err := c.alerts()
		if err != nil {
			return err
		}
		for _, a := range all {
			same := a.Labels["alertname"] == name && a.State == state
			for key, value := range labels {
				same = same && a.Labels[key] == value
			}
			if same {
				return nil
			}
		}
		return fmt.Errorf("no %s with %v is %s, there are %v", name, labels, state, all)
	}
}

// noAlertFires: what went wrong was over before anybody has to be told.
func (c *cluster) noAlertFires() {
	all, err := c.alerts()
	if err != nil {
		c.Fatal(err)
	}
	for _, a := range all {
		if a.State == "firing" {
			err = errors.Join(err, fmt.Errorf("%v", a.Labels))
		}
	}
	if err != nil {
		c.Errorf("alerts fire:\n%v", err)
	}
}
