// SPDX-License-Identifier: Apache-2.0

package charts_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
)

const patience = 2 * time.Minute

// cluster is an API server with nothing in it.
type cluster struct {
	*testing.T
	kubeconfig string
}

func newCluster(t *testing.T) cluster {
	t.Helper()
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Fatal(`KUBEBUILDER_ASSETS is not set; run the tests with "make test", or first: export KUBEBUILDER_ASSETS="$(hack/kubernetes/build.sh)"`)
	}
	ctrl.SetLogger(logr.Discard()) // else it complains that there is none
	env, _, err := testenv.StartControlPlane(func() *envtest.Environment {
		return &envtest.Environment{ControlPlaneStartTimeout: patience, ControlPlaneStopTimeout: patience}
	})
	t.Cleanup(func() {
		if err := env.Stop(); err != nil {
			t.Errorf("stop the control plane: %v", err)
		}
	})
	c := cluster{T: t, kubeconfig: filepath.Join(t.TempDir(), "kubeconfig")}
	if err := errors.Join(err, os.WriteFile(c.kubeconfig, env.KubeConfig, 0o600)); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c cluster) kubectl(args ...string) string {
	c.Helper()
	return strings.TrimSpace(kubectl(c.T, append(args, "--kubeconfig", c.kubeconfig)...))
}

// helm runs Helm, and returns what it says where it fails.
func (c cluster) helm(args ...string) error {
	c.Helper()
	_, err := helm(c.T, append(args, "--kubeconfig", c.kubeconfig)...)
	return err
}

func (c cluster) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

// has is which of these objects exist.
func (c cluster) has(objects ...string) []string {
	c.Helper()
	var found []string
	for _, object := range objects {
		if c.kubectl("get", "-n", system, object, "--ignore-not-found", "-o", "name") != "" {
			found = append(found, object)
		}
	}
	return found
}

const (
	triggers  = "crd/cloudinarytriggers.notifications.cloudinary.dev"
	endpoints = "crd/notificationendpoints.notifications.cloudinary.dev"
	claim     = "pvc/cloudinary-operator-receiver"
	// payloadTemplate is what the schema of triggers says of spec.payloadTemplate.
	payloadTemplate = `jsonpath={.spec.versions[0].schema.openAPIV3Schema.properties.spec.properties.payloadTemplate.description}`
)

// everything is one object of each kind that a release has.
func everything() []string {
	return []string{
		triggers, endpoints, claim, "deployment/cloudinary-operator-manager", "deployment/cloudinary-operator-receiver",
		"serviceaccount/cloudinary-operator-manager", "clusterrole/cloudinary-operator-manager", "clusterrolebinding/cloudinary-operator-manager",
		"role/cloudinary-operator-leader-election", "rolebinding/cloudinary-operator-leader-election", "service/cloudinary-operator-receiver",
		"networkpolicy/cloudinary-operator-receiver", "pdb/cloudinary-operator-receiver",
		"validatingadmissionpolicy/cloudinary-operator-manager-secrets", "validatingadmissionpolicybinding/cloudinary-operator-manager-secrets",
	}
}

func TestAReleaseLivesAndDies(t *testing.T) {
	c := newCluster(t)
	at := func(command, name string, more ...string) []string {
		return append([]string{command, name, chart, "-n", system, "--create-namespace"}, more...)
	}
	expect := func(when string, want []string) {
		t.Helper()
		if diff := cmp.Diff(want, c.has(everything()...)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}

	earlier := at("install", name)
	earlier[2] = c.earlierChart()
	c.must(c.helm(earlier...))
	expect("after the install of an earlier version", everything())
	if got := c.kubectl("get", triggers, "-o", payloadTemplate); got != "" {
		t.Errorf("the earlier version's CRD knows spec.payloadTemplate: %s", got)
	}

	c.must(c.helm("upgrade", name, chart, "-n", system))
	if got := c.kubectl("get", triggers, "-o", payloadTemplate); got == "" {
		t.Error("the CRD is still the earlier version's after an upgrade")
	}
	c.kubectl("create", "namespace", "shop")
	c.kubectl("apply", "--server-side", "-n", "shop", "-f", c.exampleOfTheNotes())

	c.must(c.helm("uninstall", name, "-n", system))
	expect("after an uninstall", []string{triggers, endpoints, claim})
	if got := c.kubectl("get", "cloudinary", "-n", "shop", "-o", "name"); strings.Count(got, "\n") != 1 {
		t.Errorf("after an uninstall there are %q, want an endpoint and a trigger", got)
	}

	c.must(c.helm(at("install", name)...))
	expect("after another install", everything())
	c.must(c.helm("uninstall", name, "-n", system))

	// The CRDs are that release's. Helm says so, and docs/helm.md what to do.
	if err := c.helm(at("install", "other")...); err == nil || !strings.Contains(err.Error(), "invalid ownership metadata") {
		t.Errorf("a release of another name takes over the CRDs of one that is gone: %v", err)
	}
	c.must(c.helm(at("install", "other", "--take-ownership", "--set", "fullnameOverride="+name)...))
	expect("after an install under another name", everything())
}

// What kubectl installed is the same, so that Helm can go on with it, and no Pod is replaced.
func TestHelmTakesOverWhatKubectlInstalled(t *testing.T) {
	c := newCluster(t)
	c.kubectl("apply", "--server-side", "-k", "../config/default")
	pods := "jsonpath={.metadata.uid} {.spec}"
	before := c.kubectl("get", "deployment/cloudinary-operator-manager", "-n", system, "-o", pods)
	c.must(c.helm("install", name, chart, "-n", system, "--take-ownership", "--force-conflicts"))
	if after := c.kubectl("get", "deployment/cloudinary-operator-manager", "-n", system, "-o", pods); after != before {
		t.Errorf("the Deployment was %s and is %s", before, after)
	}
	// Fields that kubectl has set stay its own, too: docs/helm.md says so.
	next := []string{"upgrade", name, chart, "-n", system, "--set", "image.tag=next"}
	if err := c.helm(next...); err == nil || !strings.Contains(err.Error(), `conflict with "kubectl"`) {
		t.Errorf("an upgrade changes what kubectl has set: %v", err)
	}
	c.must(c.helm(append(next, "--force-conflicts")...))
	c.must(c.helm("uninstall", name, "-n", system))
	if diff := cmp.Diff([]string{triggers, endpoints, claim}, c.has(everything()...)); diff != "" {
		t.Errorf("after an uninstall (-want +got):\n%s", diff)
	}
}

func TestTwoReleasesEachHaveANamespace(t *testing.T) {
	c := newCluster(t)
	crds, err := helm(t, "template", name, chart, "--show-only", "templates/crds.yaml") // as docs/helm.md has it
	c.must(err)
	c.kubectl("apply", "--server-side", "-f", c.file("crds.yaml", crds))
	for _, namespace := range []string{"team-a", "team-b"} {
		c.must(c.helm("install", name, chart, "-n", namespace, "--create-namespace", "--set", "namespaced=true"))
	}
	c.must(c.helm("uninstall", name, "-n", "team-a"))
	namespaces := c.kubectl("get", "deployments", "-A", "--no-headers", "-o", "custom-columns=:.metadata.namespace")
	if diff := cmp.Diff([]string{"team-b", "team-b"}, strings.Fields(namespaces)); diff != "" {
		t.Errorf("namespaces with Deployments after one of two releases is gone (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{triggers, endpoints}, c.has(triggers, endpoints)); diff != "" {
		t.Errorf("CRDs after one of two releases is gone (-want +got):\n%s", diff)
	}
}

// What is passed through has to fit where it goes.
func TestAnAPIServerAcceptsWhatIsRenderedWithoutAWarning(t *testing.T) {
	c := newCluster(t)
	c.kubectl("apply", "--server-side", "-k", "../config/crd")
	c.kubectl("apply", "--server-side", "-f", "../config/default/namespace.yaml") // whose labels make the server warn of Pods that it forbids
	const program = `
  logLevel: debug
  extraArgs: [--zap-encoder=console]
  extraEnv: [{name: HTTPS_PROXY, value: http://proxy.example.com:3128}, {name: SSL_CERT_FILE, value: /ca/ca.crt}]
  extraVolumes: [{name: ca, configMap: {name: company-ca, items: [{key: ca.crt, path: ca.crt}]}}]
  extraVolumeMounts: [{name: ca, mountPath: /ca, readOnly: true}]
  resources: {limits: {memory: 2Gi, cpu: 500m}}
  serviceAccount: {name: mine, annotations: {a: b}}
  annotations: {a: b}
  podAnnotations: {a: b}
  podLabels: {a: b}
  priorityClassName: system-cluster-critical
  nodeSelector: {kubernetes.io/arch: arm64}
  tolerations: [{key: a, operator: Exists, effect: NoSchedule}]
  topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule}]
  podSecurityContext: {runAsUser: null, runAsGroup: null, fsGroup: null}
  extraEgress: [{ports: [{port: 3128, protocol: TCP}], to: [{ipBlock: {cidr: 192.0.2.0/24}}]}]
`
	for name, values := range map[string]string{
		"as it is":          "",
		"for a trial":       "receiver: {persistence: {enabled: false}}",
		"for one namespace": "namespaced: true",
		"without limits":    "{manager: {resources: null}, receiver: {resources: {limits: null}}}",
		"with all that is passed through": "manager:" + program + "receiver:" + strings.ReplaceAll(program, "mine", "mine-too") + `
  persistence: {size: 1Ti, storageClass: "-", accessModes: [ReadWriteOncePod], annotations: {a: b}}
  service: {type: LoadBalancer, port: 8000, annotations: {a: b}}
  ingress: {enabled: true, className: nginx, hosts: [a.example.com, "*.example.org"], tls: [{hosts: [a.example.com], secretName: tls}]}
  targets: [{namespaceSelector: {matchLabels: {a: b}}}]
commonLabels: {example.com/team: media}
imagePullSecrets: [{name: registry}]
image: {pullPolicy: Always, digest: "sha256:` + strings.Repeat("0a", 32) + `"}
networkPolicy: {metricsFrom: [{namespaceSelector: {matchLabels: {a: b}}}], apiServerPorts: [16443]}
grafanaDashboard: {enabled: true, annotations: {folder: Media}}
`,
	} {
		t.Run(name, func(t *testing.T) {
			out, err := helm(t, release{name: chart, namespace: system, values: values}.args(t, "template")...)
			c.must(err)
			path := filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl")
			command := exec.CommandContext(t.Context(), path, "apply", "--server-side", "--force-conflicts", "--dry-run=server",
				"--kubeconfig", c.kubeconfig, "-f", c.file("rendered.yaml", out))
			var stderr strings.Builder
			command.Stderr = &stderr
			if err := command.Run(); err != nil || stderr.Len() > 0 {
				t.Errorf("%v\n%s", err, stderr.String())
			}
		})
	}
}

// earlierChart is the folder of a chart whose CRD of triggers lacks a field.
func (c cluster) earlierChart() string {
	c.Helper()
	folder := filepath.Join(c.TempDir(), chart)
	c.must(os.CopyFS(folder, os.DirFS(chart)))
	path := filepath.Join(folder, "files/crds/notifications.cloudinary.dev_cloudinarytriggers.yaml")
	text, err := os.ReadFile(path)
	c.must(err)
	crd := objects(c.T, string(text))[0]
	versions, _, err := unstructured.NestedSlice(crd.Object, "spec", "versions")
	c.must(err)
	unstructured.RemoveNestedField(versions[0].(map[string]any), "schema", "openAPIV3Schema", "properties", "spec", "properties", "payloadTemplate")
	c.must(unstructured.SetNestedSlice(crd.Object, versions, "spec", "versions"))
	text, err = yaml.Marshal(crd.Object)
	c.must(err)
	c.must(os.WriteFile(path, text, 0o600))
	return folder
}

// exampleOfTheNotes is a file with the objects that the notes tell people to begin with.
func (c cluster) exampleOfTheNotes() string {
	c.Helper()
	text := notes(c.T, release{name: name, namespace: system})
	_, text, _ = strings.Cut(text, "<<'END'\n")
	text, _, found := strings.Cut(text, "\nEND\n")
	if !found {
		c.Fatal("the notes have no example")
	}
	return c.file("example.yaml", text)
}

func (c cluster) file(name, text string) string {
	c.Helper()
	path := filepath.Join(c.TempDir(), name)
	c.must(os.WriteFile(path, []byte(text), 0o600))
	return path
}
