// SPDX-License-Identifier: Apache-2.0

package charts_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const (
	managers  = "Deployment cloudinary-operator-manager"
	receivers = "Deployment cloudinary-operator-receiver"
	claims    = "PersistentVolumeClaim cloudinary-operator-receiver"
	ingresses = "Ingress cloudinary-operator-receiver"
	routes    = "HTTPRoute cloudinary-operator-receiver"
	services  = "Service cloudinary-operator-receiver"
	monitors  = "ServiceMonitor cloudinary-operator-receiver"
	rules     = "PrometheusRule cloudinary-operator"
	dashboard = "ConfigMap cloudinary-operator-dashboard"
	firewall  = "NetworkPolicy cloudinary-operator-receiver"
	container = "spec.template.spec.containers.0."
	pod       = "spec.template.spec."

	withMonitor   = "metrics: {serviceMonitor: {enabled: true, "
	withRules     = "prometheusRule: {enabled: true, "
	withDashboard = "grafanaDashboard: {enabled: true, "
	withIngress   = "receiver: {ingress: {enabled: true, hosts: [hooks.example.org], "
	withRoute     = "receiver: {httpRoute: {enabled: true, hostnames: [hooks.example.org], parentRefs: [{name: public}], "
)

// effect is what an object has where a value is set, and had not before. Absent says that it has it no longer.
type effect struct {
	values       string
	object, path string
	want         string // as JSON; absent: that there is nothing
}

const absent = ""

// effectsOnAll are those of values that are for everything, or for none of the programs.
func effectsOnAll() map[string]effect {
	return map[string]effect{
		"nameOverride":     {"nameOverride: cld", "Deployment cloudinary-operator-cld-manager", `metadata.labels.app\.kubernetes\.io/name`, `"cld"`},
		"fullnameOverride": {"fullnameOverride: cld", "Service cld-receiver", "metadata.name", `"cld-receiver"`},
		"commonLabels":     {"commonLabels: {team: media}", managers, "spec.template.metadata.labels.team", `"media"`},

		"image.registry":   {"image: {registry: r.example, tag: dev}", managers, container + "image", `"r.example/cloudinary-operator/cloudinary-operator:dev"`},
		"image.repository": {"image: {repository: mine, tag: dev}", receivers, container + "image", `"ghcr.io/mine:dev"`},
		"image.tag":        {"image: {tag: dev}", receivers, container + "image", `"ghcr.io/cloudinary-operator/cloudinary-operator:dev"`},
		"image.digest": {
			"image: {tag: dev, digest: 'sha256:" + strings.Repeat("0a", 32) + "'}", managers, container + "image",
			`"ghcr.io/cloudinary-operator/cloudinary-operator@sha256:` + strings.Repeat("0a", 32) + `"`,
		},
		"image.pullPolicy": {"image: {pullPolicy: Always}", receivers, container + "imagePullPolicy", `"Always"`},
		"imagePullSecrets": {"imagePullSecrets: [{name: registry}]", managers, pod + "imagePullSecrets", `[{"name":"registry"}]`},

		"namespaced":                  {"namespaced: true", "ClusterRole cloudinary-operator-manager", "kind", absent},
		"watchNamespaces":             {"watchNamespaces: [a, b]", receivers, container + "args.4", `"--watch-namespaces=a,b"`},
		"crds.enabled":                {"crds: {enabled: false}", "CustomResourceDefinition cloudinarytriggers.notifications.cloudinary.dev", "kind", absent},
		"crds.keep":                   {"crds: {keep: false}", "CustomResourceDefinition cloudinarytriggers.notifications.cloudinary.dev", `metadata.annotations.helm\.sh/resource-policy`, absent},
		"rbac.create":                 {"rbac: {create: false}", "RoleBinding cloudinary-operator-leader-election", "kind", absent},
		"rbac.aggregateToUserRoles":   {"rbac: {aggregateToUserRoles: false}", "ClusterRole cloudinary-operator-view", "kind", absent},
		"admissionPolicies.enabled":   {"admissionPolicies: {enabled: false}", "ValidatingAdmissionPolicy cloudinary-operator-receiver-status", "kind", absent},
		"podDisruptionBudget.enabled": {"podDisruptionBudget: {enabled: false}", "PodDisruptionBudget cloudinary-operator-manager", "kind", absent},

		"networkPolicy.enabled":        {"networkPolicy: {enabled: false}", firewall, "kind", absent},
		"networkPolicy.metricsFrom":    {"networkPolicy: {metricsFrom: [{podSelector: {}}]}", firewall, "spec.ingress.0.from", `[{"podSelector":{}}]`},
		"networkPolicy.apiServerPorts": {"networkPolicy: {apiServerPorts: [16443]}", firewall, "spec.egress.1.ports", `[{"port":16443,"protocol":"TCP"}]`},

		"metrics.secure":                       {"metrics: {secure: false}", managers, container + "args.3", `"--metrics-secure=false"`},
		"metrics.serviceMonitor.enabled":       {withMonitor + "}}", monitors, "spec.endpoints.0.scheme", `"https"`},
		"metrics.serviceMonitor.labels":        {withMonitor + "labels: {release: kps}}}", monitors, "metadata.labels.release", `"kps"`},
		"metrics.serviceMonitor.interval":      {withMonitor + "interval: 1m30s}}", monitors, "spec.endpoints.0.interval", `"1m30s"`},
		"metrics.serviceMonitor.scrapeTimeout": {withMonitor + "scrapeTimeout: 5s}}", monitors, "spec.endpoints.0.scrapeTimeout", `"5s"`},

		"prometheusRule.enabled":       {withRules + "}", rules, "kind", `"PrometheusRule"`},
		"prometheusRule.labels":        {withRules + "labels: {release: kps}}", rules, "metadata.labels.release", `"kps"`},
		"prometheusRule.disabled":      {withRules + "disabled: [CloudinaryManagerAbsent]}", rules, "spec.groups.0.rules.0.alert", `"CloudinaryNoLeader"`},
		"grafanaDashboard.enabled":     {withDashboard + "}", dashboard, "kind", `"ConfigMap"`},
		"grafanaDashboard.labels":      {withDashboard + "labels: {dash: 'yes'}}", dashboard, "metadata.labels.dash", `"yes"`},
		"grafanaDashboard.annotations": {withDashboard + "annotations: {folder: cld}}", dashboard, "metadata.annotations.folder", `"cld"`},
	}
}

// effectsOnOne are those of values that one of the programs has.
func effectsOnOne() map[string]effect {
	return map[string]effect{
		"manager.replicas":     {"manager: {replicas: 2}", managers, "spec.replicas", "2"},
		"manager.extraEgress":  {"manager: {extraEgress: [{ports: [{port: 3128}]}]}", "NetworkPolicy cloudinary-operator-manager", "spec.egress.2", `{"ports":[{"port":3128}]}`},
		"receiver.extraEgress": {"receiver: {extraEgress: [{ports: [{port: 53}]}]}", firewall, "spec.egress.2", `{"ports":[{"port":53}]}`},
		"receiver.targets":     {"receiver: {targets: [{podSelector: {}}]}", firewall, "spec.egress.0.to", `[{"podSelector":{}}]`},
		"receiver.enabled":     {"receiver: {enabled: false}", receivers, "kind", absent},
		"receiver.baseURL":     {"receiver: {baseURL: 'https://a.example'}", managers, container + "args.3", `"--receiver-base-url=https://a.example"`},

		"receiver.persistence.enabled":       {"receiver: {persistence: {enabled: false}}", claims, "kind", absent},
		"receiver.persistence.size":          {"receiver: {persistence: {size: 20Gi}}", claims, "spec.resources.requests.storage", `"20Gi"`},
		"receiver.persistence.storageClass":  {"receiver: {persistence: {storageClass: '-'}}", claims, "spec.storageClassName", `""`},
		"receiver.persistence.accessModes":   {"receiver: {persistence: {accessModes: [ReadWriteOncePod]}}", claims, "spec.accessModes", `["ReadWriteOncePod"]`},
		"receiver.persistence.existingClaim": {"receiver: {persistence: {existingClaim: mine}}", receivers, pod + "volumes.0.persistentVolumeClaim.claimName", `"mine"`},
		"receiver.persistence.annotations":   {"receiver: {persistence: {annotations: {backup: 'no'}}}", claims, "metadata.annotations.backup", `"no"`},
		"receiver.persistence.keep":          {"receiver: {persistence: {keep: false}}", claims, "metadata.annotations", absent},

		"receiver.service.type":          {"receiver: {service: {type: NodePort}}", services, "spec.type", `"NodePort"`},
		"receiver.service.port":          {"receiver: {service: {port: 8000}}", services, "spec.ports.0.port", "8000"},
		"receiver.service.annotations":   {"receiver: {service: {annotations: {lb: tls}}}", services, "metadata.annotations.lb", `"tls"`},
		"receiver.ingress.enabled":       {withIngress + "}}", ingresses, "kind", `"Ingress"`},
		"receiver.ingress.className":     {withIngress + "className: nginx}}", ingresses, "spec.ingressClassName", `"nginx"`},
		"receiver.ingress.hosts":         {withIngress + "}}", ingresses, "spec.rules.0.host", `"hooks.example.org"`},
		"receiver.ingress.tls":           {withIngress + "tls: [{secretName: s}]}}", ingresses, "spec.tls", `[{"secretName":"s"}]`},
		"receiver.ingress.annotations":   {withIngress + "annotations: {a: b}}}", ingresses, "metadata.annotations.a", `"b"`},
		"receiver.httpRoute.enabled":     {withRoute + "}}", routes, "kind", `"HTTPRoute"`},
		"receiver.httpRoute.parentRefs":  {withRoute + "}}", routes, "spec.parentRefs", `[{"name":"public"}]`},
		"receiver.httpRoute.hostnames":   {withRoute + "}}", routes, "spec.hostnames", `["hooks.example.org"]`},
		"receiver.httpRoute.annotations": {withRoute + "annotations: {a: b}}}", routes, "metadata.annotations.a", `"b"`},
		"receiver.gke.healthCheckPolicy.enabled": {
			"receiver: {gke: {healthCheckPolicy: {enabled: true}}}", "HealthCheckPolicy cloudinary-operator-receiver",
			"spec.default.config.httpHealthCheck.requestPath", `"/healthz"`,
		},
		"receiver.gke.backendConfig.enabled": {
			"receiver: {service: {annotations: {a: b}}, gke: {backendConfig: {enabled: true}}}", services, "metadata.annotations",
			`{"a":"b","cloud.google.com/backend-config":"{\"default\":\"cloudinary-operator-receiver\"}"}`,
		},
		"manager.topologySpreadConstraints": {
			"manager: {topologySpreadConstraints: [{maxSkew: 2}, {maxSkew: 1, labelSelector: {matchLabels: {a: b}}}]}", managers, pod + "topologySpreadConstraints",
			`[{"labelSelector":{"matchLabels":{"app.kubernetes.io/component":"manager","app.kubernetes.io/name":"cloudinary-operator"}},"maxSkew":2},{"labelSelector":{"matchLabels":{"a":"b"}},"maxSkew":1}]`,
		},
		"receiver.topologySpreadConstraints": {"receiver: {topologySpreadConstraints: [{maxSkew: 2}]}", receivers, pod + "topologySpreadConstraints.0.maxSkew", "2"},
	}
}

// effectsOnEach are those of values that both programs have.
func effectsOnEach() map[string]effect {
	all := map[string]effect{}
	volumes := map[string]string{"manager": "0", "receiver": "1"} // The store comes first.
	for program, last := range map[string]string{"manager": "3", "receiver": "4"} {
		object := "Deployment cloudinary-operator-" + program
		for value, e := range map[string]effect{
			"logLevel":  {"logLevel: 2", object, container + "args." + last, `"--zap-log-level=2"`},
			"extraArgs": {"extraArgs: [--zap-encoder=console]", object, container + "args." + last, `"--zap-encoder=console"`},
			"extraEnv":  {"extraEnv: [{name: HTTPS_PROXY, value: 'http://p'}]", object, container + "env", `{"name":"HTTPS_PROXY","value":"http://p"}]`},
			"extraVolumes": {
				"extraVolumes: [{name: ca, configMap: {name: company-ca}}]", object, pod + "volumes." + volumes[program], `{"configMap":{"name":"company-ca"},"name":"ca"}`,
			},
			"extraVolumeMounts": {
				"extraVolumeMounts: [{name: ca, mountPath: /ca}]", object, container + "volumeMounts." + volumes[program], `{"mountPath":"/ca","name":"ca"}`,
			},
			"resources":             {"resources: {limits: {memory: 1Gi}}", object, container + "env.0.value", `"921MiB"`},
			"serviceAccount.create": {"serviceAccount: {create: false}", "ServiceAccount cloudinary-operator-" + program, "kind", absent},
			"serviceAccount.name":   {"serviceAccount: {name: mine}", object, pod + "serviceAccountName", `"mine"`},
			"serviceAccount.annotations": {
				"serviceAccount: {annotations: {role: r}}", "ServiceAccount cloudinary-operator-" + program, "metadata.annotations.role", `"r"`,
			},
			"annotations":                   {"annotations: {a: b}", object, "metadata.annotations.a", `"b"`},
			"podAnnotations":                {"podAnnotations: {a: b}", object, "spec.template.metadata.annotations.a", `"b"`},
			"podLabels":                     {"podLabels: {a: b}", object, "spec.template.metadata.labels.a", `"b"`},
			"priorityClassName":             {"priorityClassName: high", object, pod + "priorityClassName", `"high"`},
			"nodeSelector":                  {"nodeSelector: {disk: ssd}", object, pod + "nodeSelector.disk", `"ssd"`},
			"tolerations":                   {"tolerations: [{operator: Exists}]", object, pod + "tolerations", `[{"operator":"Exists"}]`},
			"affinity":                      {"affinity: {podAffinity: {}}", object, pod + "affinity.podAffinity", "{}"},
			"terminationGracePeriodSeconds": {"terminationGracePeriodSeconds: 90", object, pod + "terminationGracePeriodSeconds", "90"},
			"podSecurityContext":            {"podSecurityContext: {runAsUser: null}", object, pod + "securityContext.runAsUser", absent},
		} {
			e.values = fmt.Sprintf("%s: {%s}", program, e.values)
			all[program+"."+value] = e
		}
	}
	return all
}

// A value that changes nothing is a promise that is not kept.
func TestEachValueChangesWhatItSays(t *testing.T) {
	before := release{name: chart, namespace: system}.render(t)
	tests := effectsOnEach()
	maps.Copy(tests, effectsOnAll())
	maps.Copy(tests, effectsOnOne())
	for path := range values(t) {
		e, found := tests[path]
		if !found {
			t.Errorf("nobody tries %s", path)
			continue
		}
		t.Run(path, func(t *testing.T) {
			after := release{name: chart, namespace: system, values: e.values}.render(t)
			if got := e.of(t, after); got != e.want && (e.want == absent || !strings.HasSuffix(got, e.want)) {
				t.Errorf("%s of %s is %s, want %s", e.path, e.object, got, e.want)
			}
			if e.of(t, before) == e.of(t, after) {
				t.Errorf("%s of %s is the same without it", e.path, e.object)
			}
		})
		delete(tests, path)
	}
	for path := range tests {
		t.Errorf("there is no value %s", path)
	}
}

// of is what is at the path in the object, as JSON.
func (e effect) of(t *testing.T, objects []unstructured.Unstructured) string {
	t.Helper()
	i := slices.IndexFunc(objects, func(o unstructured.Unstructured) bool { return o.GetKind()+" "+o.GetName() == e.object })
	if i < 0 {
		return absent
	}
	var at any = objects[i].Object
	for name := range strings.SplitSeq(strings.ReplaceAll(e.path, `\.`, "\x00"), ".") {
		switch of := at.(type) {
		case map[string]any:
			at = of[strings.ReplaceAll(name, "\x00", ".")]
		case []any:
			var index int
			if _, err := fmt.Sscan(name, &index); err != nil || index >= len(of) {
				return absent
			}
			at = of[index]
		default:
			return absent
		}
	}
	if at == nil {
		return absent
	}
	text, err := json.Marshal(at)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
