// SPDX-License-Identifier: Apache-2.0

package charts_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// value is one that can be set: the end of a path in values.yaml, as the schema has it.
type value struct {
	preset  any
	comment string
}

// schema is the part of JSON Schema that says what can be set.
type schema struct {
	Ref        string            `json:"$ref"`
	Properties map[string]schema `json:"properties"`
	// AdditionalProperties is false, or a schema.
	AdditionalProperties any               `json:"additionalProperties"`
	Definitions          map[string]schema `json:"definitions"`
}

// values are those of values.yaml by their paths, such as image.tag.
func values(t *testing.T) map[string]value {
	t.Helper()
	text := read(t, chart+"/values.yaml")
	var presets map[string]any
	if err := yaml.UnmarshalStrict([]byte(text), &presets); err != nil {
		t.Fatal(err)
	}
	comments := commentsOf(text)
	all := map[string]value{}
	for _, path := range settable(t) {
		var preset any = presets
		for name := range strings.SplitSeq(path, ".") {
			of, _ := preset.(map[string]any)
			if _, found := of[name]; !found {
				t.Errorf("values.yaml does not have %s, which the schema has", path)
			}
			preset = of[name]
		}
		all[path] = value{preset, comments[path]}
	}
	return all
}

// settable are the paths that the schema knows, without what Kubernetes knows better and what Helm itself adds.
func settable(t *testing.T) []string {
	t.Helper()
	var root schema
	if err := json.Unmarshal([]byte(read(t, chart+"/values.schema.json")), &root); err != nil {
		t.Fatal(err)
	}
	var paths []string
	var walk func(prefix string, s schema)
	walk = func(prefix string, s schema) {
		for name, property := range s.Properties {
			if ref, found := strings.CutPrefix(property.Ref, "#/definitions/"); found {
				property = root.Definitions[ref]
			}
			if path := prefix + name; len(property.Properties) > 0 && name != "resources" {
				if property.AdditionalProperties != false {
					t.Errorf("%s admits what nobody knows", path)
				}
				walk(path+".", property)
			} else if path != "global" {
				paths = append(paths, path)
			}
		}
	}
	walk("", root)
	return paths
}

// commentsOf are the comments before the keys of values.yaml, by their paths.
func commentsOf(text string) map[string]string {
	comments := map[string]string{}
	keyLine := regexp.MustCompile(`^( *)([A-Za-z]+):`)
	var path, comment []string
	for line := range strings.SplitSeq(text, "\n") {
		if words, found := strings.CutPrefix(strings.TrimSpace(line), "# "); found {
			comment = append(comment, words)
			continue
		}
		if match := keyLine.FindStringSubmatch(line); match != nil {
			path = append(path[:min(len(path), len(match[1])/2)], match[2])
			comments[strings.Join(path, ".")] = strings.Join(comment, " ")
		}
		comment = nil
	}
	return comments
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheTableOfValuesIsThatOfTheChart(t *testing.T) {
	var want []string
	all := values(t)
	for _, path := range inOrder(t, all) {
		preset, err := json.Marshal(all[path].preset)
		if err != nil {
			t.Fatal(err)
		}
		shown := "`" + string(preset) + "`"
		if len(shown) > 50 {
			shown = "see `values.yaml`"
		}
		if all[path].comment == "" {
			t.Errorf("values.yaml does not say what %s is", path)
		}
		want = append(want, fmt.Sprintf("| `%s` | %s | %s |", path, shown, all[path].comment))
	}
	var got []string
	for line := range strings.SplitSeq(read(t, chart+"/README.md"), "\n") {
		if name, found := strings.CutPrefix(line, "| `"); found && !strings.HasPrefix(name, "config/") {
			got = append(got, line)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the chart's README has other values than values.yaml (-want +got):\n%s", diff)
	}
}

// inOrder are the paths in the order of values.yaml.
func inOrder(t *testing.T, all map[string]value) []string {
	t.Helper()
	at := map[string]int{}
	keyLine := regexp.MustCompile(`^( *)([A-Za-z]+):`)
	var path []string
	for i, line := range strings.Split(read(t, chart+"/values.yaml"), "\n") {
		if match := keyLine.FindStringSubmatch(line); match != nil {
			path = append(path[:min(len(path), len(match[1])/2)], match[2])
			at[strings.Join(path, ".")] = i
		}
	}
	return slices.SortedFunc(maps.Keys(all), func(a, b string) int { return at[a] - at[b] })
}

func TestWrongValuesAreRefusedByName(t *testing.T) {
	for name, test := range map[string]struct{ values, want string }{
		"a name that nobody knows":         {"replicas: 2", "'replicas'"},
		"a name that no program knows":     {"receiver: {replicas: 2}", "at '/receiver': additional properties 'replicas'"},
		"a number as a text":               {"manager: {replicas: two}", "at '/manager/replicas': got string, want integer"},
		"less than none":                   {"manager: {replicas: -1}", "at '/manager/replicas'"},
		"a switch as a text":               {`crds: {keep: "no"}`, "at '/crds/keep': got string, want boolean"},
		"a log level of another program's": {"manager: {logLevel: verbose}", "at '/manager/logLevel'"},
		"a log level that ends programs":   {"manager: {logLevel: \"0\"}", "at '/manager/logLevel'"},
		"the same as a number":             {"receiver: {logLevel: 0}", "at '/receiver/logLevel'"},
		"a log level below none":           {"receiver: {logLevel: -1}", "at '/receiver/logLevel'"},
		"a log level with a zero before":   {"receiver: {logLevel: \"01\"}", "at '/receiver/logLevel'"},
		"a log level that wraps around":    {"manager: {logLevel: 200}", "at '/manager/logLevel'"}, // Eight bits: it would hide everything.
		"a flag without dashes":            {"manager: {extraArgs: [sync-interval=5m]}", "at '/manager/extraArgs/0'"},
		"flags as a text":                  {"receiver: {extraArgs: --max-body-bytes=1}", "at '/receiver/extraArgs': got string, want array"},
		"a base URL without a scheme":      {"receiver: {baseURL: hooks.example.com}", "at '/receiver/baseURL'"},
		"a base URL with a query":          {"receiver: {baseURL: 'https://hooks.example.com?a=b'}", "at '/receiver/baseURL'"},
		"a base URL with credentials":      {"receiver: {baseURL: 'https://a:b@hooks.example.com'}", "at '/receiver/baseURL'"},
		"half a digest":                    {"image: {digest: 'sha256:abc'}", "at '/image/digest'"},
		"a pull policy that is none":       {"image: {pullPolicy: Sometimes}", "at '/image/pullPolicy'"},
		"a Secret's name alone":            {"imagePullSecrets: [registry]", "at '/imagePullSecrets/0': got string, want object"},
		"a unit that nobody knows":         {"receiver: {persistence: {size: 5GB}}", "at '/receiver/persistence/size'"},
		"a volume for many readers":        {"receiver: {persistence: {accessModes: [ReadOnlyMany]}}", "at '/receiver/persistence/accessModes/0'"},
		"a Service that leads elsewhere":   {"receiver: {service: {type: ExternalName}}", "at '/receiver/service/type'"},
		"a port that is none":              {"receiver: {service: {port: 70000}}", "at '/receiver/service/port'"},
		"an Ingress for no host":           {"receiver: {ingress: {enabled: true}}", "at '/receiver/ingress/hosts': minItems"},
		"an Ingress for a URL":             {"receiver: {ingress: {enabled: true, hosts: ['https://a.example']}}", "at '/receiver/ingress/hosts/0'"},
		"a route without a Gateway":        {"receiver: {httpRoute: {enabled: true, hostnames: [a.example]}}", "at '/receiver/httpRoute/parentRefs': minItems"},
		"a route for no host":              {"receiver: {httpRoute: {enabled: true, parentRefs: [{name: a}]}}", "at '/receiver/httpRoute/hostnames': minItems"},
		"one namespace and others":         {"{namespaced: true, watchNamespaces: [a]}", "at '/watchNamespaces': maxItems"},
		"namespaces as a text":             {"watchNamespaces: team-a", "at '/watchNamespaces': got string, want array"},
		"a namespace that cannot be":       {"watchNamespaces: [Team_A]", "at '/watchNamespaces/0'"},
		"an interval without a unit":       {`metrics: {serviceMonitor: {interval: "30"}}`, "at '/metrics/serviceMonitor/interval'"},
		"Prometheus' own account":          {"metrics: {serviceMonitor: {serviceAccount: {name: prometheus-k8s}}}", "metrics.serviceMonitor.serviceAccount is no value any more: take it out."},
		"a label that is a number":         {"commonLabels: {a: 1}", "at '/commonLabels/a': got number, want string"},
		"resources that are misspelled":    {"receiver: {resources: {limit: {memory: 1Gi}}}", "at '/receiver/resources': additional properties 'limit'"},
		"everybody's service account":      {"manager: {serviceAccount: {name: default}}", "manager.serviceAccount.name: the policy for Secrets goes by this name"},
		"a label by which Pods are found":  {"receiver: {podLabels: {app.kubernetes.io/component: web}}", "at '/receiver/podLabels/app.kubernetes.io~1component'"},
		"an alert that nobody knows":       {"prometheusRule: {enabled: true, disabled: [CloudinaryDeadLetter]}", "prometheusRule.disabled: there is no alert CloudinaryDeadLetter"},
		"alerts as a text":                 {"prometheusRule: {disabled: CloudinaryDeadLetters}", "at '/prometheusRule/disabled': got string, want array"},
		"no port of the API server":        {"networkPolicy: {apiServerPorts: []}", "at '/networkPolicy/apiServerPorts': minItems"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := helm(t, release{name: chart, namespace: system, values: test.values}.args(t, "template")...)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the answer to %s does not say %q: %v", test.values, test.want, err)
			}
		})
	}
}

func TestTheExamplesOfTheDocumentationAreValues(t *testing.T) {
	before := byKey(t, release{name: chart, namespace: system}.render(t))
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(read(t, "../docs/helm.md"), -1)
	examples = append(examples, regexp.MustCompile("(?s)```yaml\n(receiver:.*?)```").FindAllStringSubmatch(read(t, "../docs/ingress.md"), -1)...)
	if len(examples) < 8 {
		t.Fatalf("docs/helm.md and docs/ingress.md have %d examples", len(examples))
	}
	for i, example := range examples {
		t.Run(fmt.Sprintf("number %d", i+1), func(t *testing.T) {
			if cmp.Equal(before, byKey(t, release{name: chart, namespace: system, values: example[1]}.render(t))) {
				t.Errorf("it changes nothing:\n%s", example[1])
			}
		})
	}
}

func TestTheChartPassesHelmsOwnChecks(t *testing.T) {
	if out, err := helm(t, "lint", "--strict", chart); err != nil {
		t.Errorf("%v%s", err, out)
	}
}
