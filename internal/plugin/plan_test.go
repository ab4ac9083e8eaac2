// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/forecast"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// planned has a trigger whose endpoint is not among them; desk are the others.
const (
	planned = deskAlone + `---
apiVersion: notifications.cloudinary.dev/v1alpha1
kind: CloudinaryTrigger
metadata: {name: media}
spec: {endpointRef: {name: media}, eventTypes: [upload], additive: true, adoptionPolicy: Adopt}
` + unrelated
	desk = deskAlone + unrelated

	deskAlone = `apiVersion: notifications.cloudinary.dev/v1alpha1
kind: NotificationEndpoint
metadata: {name: desk}
spec: {credentialsSecretRef: {name: cloudinary}, url: "https://desk.example.com/hook?token=s3cr3t"}
---
apiVersion: notifications.cloudinary.dev/v1alpha1
kind: CloudinaryTrigger
metadata: {name: desk}
spec: {endpointRef: {name: desk}, eventTypes: [upload, delete]}
`
	unrelated = `---
apiVersion: v1
kind: ConfigMap
metadata: {name: unrelated}
`
)

const mediaURL = "https://media.example.com/hook"

// settled is a namespace in which the manager has done its work.
func (f *fixture) settled() {
	f.Helper()
	f.create(f.secret(), f.endpoint("media", mediaURL), f.trigger("media", "media", "upload", "rename"))
	f.startManager()
	f.ready()
}

func (f *fixture) plan(stdin string, args ...string) planReport {
	f.Helper()
	r := f.callWith(stdin, append([]string{"plan", "--allow-insecure-api-base", "-o", "json"}, args...)...)
	if r.code != 0 || r.err != "" {
		f.Fatalf("plan %v: code %d, errors %q", args, r.code, r.err)
	}
	var report planReport
	f.must(json.Unmarshal([]byte(r.out), &report))
	return report
}

func (r planReport) lines() []string {
	lines := []string{}
	for _, env := range r.Environments {
		for _, s := range env.Steps {
			lines = append(lines, fmt.Sprintf("%s %s %s for %s, %s", s.Action, s.EventType, s.URL, s.Name, s.Cause))
		}
	}
	return lines
}

func TestPlanOfManifests(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.settled()
	want := []string{
		"update upload " + mediaURL[:len("https://media.example.com")] + "/… for media, spec",
		"create delete https://desk.example.com/… for desk, spec",
		"create upload https://desk.example.com/… for desk, spec",
		"delete rename " + mediaURL[:len("https://media.example.com")] + "/… for media, released",
	}
	if diff := cmp.Diff(want, f.plan(planned, "-f", "-").lines()); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

func TestPlanPrintsATable(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.create(f.secret())
	r := f.callWith(planned, "plan", "-f", "-", "--allow-insecure-api-base", "--exit-code")
	if r.code != 3 || r.err != "" { // one of the triggers names an endpoint that is not there
		t.Fatalf("code %d, errors %q; want 3 and none", r.code, r.err)
	}
	_, out, _ := strings.Cut(r.out, "\n") // the first line has the simulator's port
	f.golden("plan.txt", out)
}

func TestPlanSaysWhatTheManagerThenDoes(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.have(`{"uri":"https://desk.example.com/hook?token=s3cr3t","event_type":"upload","additive":true}`)
	f.have(`{"uri":"https://foreign.example.com/","event_type":"upload"}`)
	f.create(f.secret())
	before := f.writes()
	report := f.plan(planned, "-f", "-", "--url-limit", "30")
	if diff := cmp.Diff(before, f.writes()); diff != "" {
		t.Fatalf("the plan wrote at Cloudinary (-before +after):\n%s", diff)
	}
	want := map[string]int{"POST": before["POST"] + report.Summary["create"], "PUT": report.Summary["update"]}
	f.apply(strings.Split(inNamespace(planned, f.namespace), "---\napiVersion: v1\n")[0])
	f.create(f.endpoint("media", mediaURL))
	f.startManager()
	f.ready()
	// The endpoint "media" is not in the manifests, so that the plan has left its trigger out.
	want["POST"]++
	if diff := cmp.Diff(want, f.writes()); diff != "" {
		t.Errorf("writes of the manager (-planned +done):\n%s", diff)
	}
}

func inNamespace(manifests, namespace string) string {
	return strings.ReplaceAll(manifests, "metadata: {name", "metadata: {namespace: "+namespace+", name")
}

func TestPlanWritesNothingInTheCluster(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.create(f.secret(), f.endpoint("media", mediaURL), f.trigger("media", "media", "upload"))
	versions := func() map[string]string {
		all := map[string]string{}
		for _, o := range []client.Object{&corev1.Secret{}, &v1alpha1.NotificationEndpoint{}, &v1alpha1.CloudinaryTrigger{}} {
			name := "media"
			if _, isSecret := o.(*corev1.Secret); isSecret {
				name = "cloudinary"
			}
			f.must(api.Client.Get(f.Context(), client.ObjectKey{Namespace: f.namespace, Name: name}, o))
			all[fmt.Sprintf("%T", o)] = o.GetResourceVersion()
		}
		return all
	}
	before := versions()
	if got := f.plan("").Summary["create"]; got != 1 {
		t.Errorf("%d to create, want 1", got)
	}
	f.plan(planned, "-f", "-")
	if diff := cmp.Diff(before, versions()); diff != "" {
		t.Errorf("resource versions (-before +after):\n%s", diff)
	}
}

func TestPlanWithCredentialsFromElsewhere(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	const missing = "--allow-insecure-api-base"
	r := f.callWith(planned, "plan", "-f", "-", missing, "-o", "json")
	if r.code != 0 || !strings.Contains(r.out, "SecretNotFound") {
		t.Errorf("without a Secret: %+v", r)
	}
	f.fails([]string{"plan", "--credentials-from-env", "-f", f.file("desk.yaml", planned)}, "CLOUDINARY_URL")
	f.env["CLOUDINARY_URL"] = f.secretURL
	if got := f.plan(planned, "-f", "-", "--credentials-from-env").Summary["create"]; got != 2 {
		t.Errorf("from the environment: %d to create, want 2", got)
	}
	inFile := planned + fmt.Sprintf("---\napiVersion: v1\nkind: Secret\nmetadata: {name: cloudinary}\nstringData: {CLOUDINARY_URL: %q}\n", f.secretURL)
	if got := f.plan(inFile, "-f", "-").Summary["create"]; got != 2 {
		t.Errorf("from the manifests: %d to create, want 2", got)
	}
}

func (f *fixture) file(name, content string) string {
	f.Helper()
	path := filepath.Join(f.TempDir(), name)
	f.must(os.WriteFile(path, []byte(content), 0o600))
	return path
}

func TestPlanReadsFolders(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.create(f.secret())
	folder := filepath.Dir(f.file("a.yaml", planned))
	f.must(os.Mkdir(filepath.Join(folder, "below"), 0o700))
	more := strings.ReplaceAll(planned, "desk", "more")
	f.must(os.WriteFile(filepath.Join(folder, "below", "b.yaml"), []byte(strings.Split(more, "---\napiVersion: notifications.cloudinary.dev/v1alpha1\nkind: CloudinaryTrigger\nmetadata: {name: media}")[0]), 0o600))
	if got := f.plan("", "-f", folder).Summary["create"]; got != 2 {
		t.Errorf("a folder: %d to create, want 2", got)
	}
	if got := f.plan("", "-f", folder, "-R").Summary["create"]; got != 4 {
		t.Errorf("a folder with those below: %d to create, want 4", got)
	}
}

func TestPlanRefusesManifests(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	cases := map[string]struct{ manifest, want string }{
		"an unknown field": {"apiVersion: notifications.cloudinary.dev/v1alpha1\nkind: CloudinaryTrigger\nmetadata: {name: t}\nspec: {eventType: upload}\n", `unknown field "spec.eventType"`},
		"a word that YAML takes for a boolean": {
			"apiVersion: notifications.cloudinary.dev/v1alpha1\nkind: CloudinaryTrigger\nmetadata: {name: t}\nspec: {managementPolicy: Off}\n", "spec.managementPolicy",
		},
		"a kind of another version": {
			"apiVersion: notifications.cloudinary.dev/v9\nkind: CloudinaryTrigger\nmetadata: {name: t}\n", "not a kind of this version",
		},
		"a trigger of another group": {
			"apiVersion: notifications.cloudinary.com/v1alpha1\nkind: CloudinaryTrigger\nmetadata: {name: t}\n", "that of the operator's kinds is notifications.cloudinary.dev/v1alpha1",
		},
		"an endpoint of another group": {
			"apiVersion: notifications.cloudinary.com/v1alpha1\nkind: NotificationEndpoint\nmetadata: {name: t}\n", "that of the operator's kinds is",
		},
		"no name": {"apiVersion: notifications.cloudinary.dev/v1alpha1\nkind: CloudinaryTrigger\nmetadata: {}\n", "metadata.name"},
		"no YAML": {"{", "read manifests"},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			r := f.callWith(test.manifest, "plan", "-f", "-")
			if r.code != 1 || !strings.Contains(r.err, test.want) || strings.Contains(r.err, "s3cr3t") {
				t.Errorf("code %d, errors %q; want 1 and %q", r.code, r.err, test.want)
			}
		})
	}
}

func TestPlanOfAnObjectThatIsThereTwice(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.create(f.secret())
	file := f.file("desk.yaml", planned)
	r := f.call("plan", "-f", file, "-f", file, "--allow-insecure-api-base", "-o", "json")
	var report planReport
	f.must(json.Unmarshal([]byte(r.out), &report))
	if want := "warning: CloudinaryTrigger " + f.namespace + "/desk is more than once in the manifests: the last one counts"; !strings.Contains(r.err, want) {
		t.Errorf("errors %q, want %q", r.err, want)
	}
	for _, o := range report.Objects {
		if !o.New {
			t.Errorf("%s %s is said to be in the cluster", o.Kind, o.Name)
		}
	}
}

// A person who may see one namespace's objects, and no Secret.
func TestPlanWithFewRights(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.create(f.secret())
	user := "user-" + f.namespace
	rule := rbacv1.PolicyRule{
		APIGroups: []string{v1alpha1.GroupVersion.Group}, Resources: []string{"cloudinarytriggers", "notificationendpoints"}, Verbs: []string{"get", "list"},
	}
	f.create(
		&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "view", Namespace: f.namespace}, Rules: []rbacv1.PolicyRule{rule}},
		&rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "view", Namespace: f.namespace},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "view"},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: user}},
		},
	)
	r := f.callWith(planned, "plan", "-f", "-", "--as", user, "--allow-insecure-api-base")
	for _, want := range []string{"warning: objects of other namespaces", "warning: Secret " + f.namespace + "/cloudinary cannot be read"} {
		if !strings.Contains(r.err, want) {
			t.Errorf("errors %q do not say %q", r.err, want)
		}
	}
	if r.code != 0 || !strings.Contains(r.out, "Plan: 0 to create") {
		t.Errorf("code %d:\n%s", r.code, r.out)
	}
	r = f.callWith(desk, "plan", "-f", "-", "--as", user, "--allow-insecure-api-base", "--exit-code")
	if want := "error: the plan is incomplete. Missing inputs: Secret " + f.namespace + "/cloudinary\n"; r.code != 1 || !strings.HasSuffix(r.err, want) {
		t.Errorf("with --exit-code: code %d, errors %q, want 1 and %q", r.code, r.err, want)
	}
	f.env["CLOUDINARY_URL"] = f.secretURL
	r = f.callWith(planned, "plan", "-f", "-", "--as", user, "--allow-insecure-api-base", "--credentials-from-env")
	if r.code != 0 || !strings.Contains(r.out, "Plan: 2 to create") || !strings.Contains(r.err, "conflicts with them are not seen") {
		t.Errorf("with credentials: %+v", r)
	}
}

func TestPlanForAnEndpointThatSelectsNamespaces(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	guest := newFixture(t, simulator.Options{})
	ep := f.endpoint("media", mediaURL)
	ep.Spec.AllowedTriggers = &v1alpha1.AllowedTriggers{Namespaces: v1alpha1.AllowedNamespaces{
		From: v1alpha1.NamespacesFromSelector, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"media": "yes"}},
	}}
	f.create(f.secret(), ep)
	manifest := fmt.Sprintf("apiVersion: notifications.cloudinary.dev/v1alpha1\nkind: CloudinaryTrigger\nmetadata: {name: far, namespace: %s}\n"+
		"spec: {endpointRef: {name: media, namespace: %s}, eventTypes: [upload]}\n", guest.namespace, f.namespace)
	if got := f.plan(manifest, "-f", "-"); got.Summary["create"] != 0 || got.Objects[0].AcceptedReason != v1alpha1.ReasonEndpointNotAllowed {
		t.Errorf("a namespace without the label: %+v", got)
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: guest.namespace}}
	f.must(api.Client.Get(f.Context(), client.ObjectKeyFromObject(namespace), namespace))
	namespace.Labels["media"] = "yes"
	f.must(api.Client.Update(f.Context(), namespace))
	if got := f.plan(manifest, "-f", "-"); got.Summary["create"] != 1 {
		t.Errorf("a namespace with the label: %+v", got)
	}
}

func TestPlanWhereCloudinaryDoesNotAnswer(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.create(f.secret())
	f.must(f.sim.AddFault(simulator.Fault{Count: 1, Status: http.StatusServiceUnavailable}))
	r := f.callWith(desk, "plan", "-f", "-", "--allow-insecure-api-base", "--exit-code")
	if r.code != 1 || !strings.Contains(r.err, "are not planned") || !strings.Contains(r.out, "Unavailable") {
		t.Errorf("got %+v", r)
	}
}

// What a manifest makes of an object is told for each: new, changed, or as the cluster has it.
func TestPlanTellsWhatAManifestChanges(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.create(f.secret(), f.endpoint("media", "https://media.example.com"), f.trigger("same", "media", "upload"), f.trigger("other", "media", "delete"))
	const manifests = `apiVersion: notifications.cloudinary.dev/v1alpha1
kind: CloudinaryTrigger
metadata: {name: %s}
spec: {endpointRef: {name: media}, eventTypes: [%s]}
---
`
	of := func(name, eventType string) string { return fmt.Sprintf(manifests, name, eventType) }
	r := f.callWith(of("same", "upload")+of("other", "rename")+of("new", "move"), "plan", "--allow-insecure-api-base", "-f", "-")
	for name, state := range map[string]string{"same": "in cluster", "other": "changed", "new": "new"} {
		if !regexp.MustCompile(`(?m) cldt/` + name + ` +` + state + ` +True`).MatchString(r.out) {
			t.Errorf("%s is not %q:\n%s%s", name, state, r.out, r.err)
		}
	}
}

// The key of addresses is the manager's alone.
func TestPlanOfAddressesThatCannotBeGuessed(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.create(f.secret(), f.trigger("media", "media", "upload"))
	f.withStatus(f.receiverEndpoint("media"))
	const added = `apiVersion: notifications.cloudinary.dev/v1alpha1
kind: NotificationEndpoint
metadata: {name: new}
spec: {credentialsSecretRef: {name: cloudinary}, receiver: {baseURL: "https://hooks.example.com"}}
---
apiVersion: notifications.cloudinary.dev/v1alpha1
kind: CloudinaryTrigger
metadata: {name: new}
spec: {endpointRef: {name: new}, eventTypes: [upload]}
`
	base := "https://hooks.example.com/v1/notifications/" + f.namespace
	want := []string{
		"create upload " + base + "/media/… for media, spec",
		"create upload " + base + "/new/" + forecast.PathToken + " for new, spec",
	}
	if diff := cmp.Diff(want, f.plan(added, "-f", "-").lines()); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"create upload " + base + "/media" + pathToken + " for media, spec"}, f.plan("", "--show-urls").lines()); diff != "" {
		t.Errorf("steps with whole URLs (-want +got):\n%s", diff)
	}
	t.Log("the token does not depend on the base URL")
	const elsewhere = `apiVersion: notifications.cloudinary.dev/v1alpha1
kind: NotificationEndpoint
metadata: {name: media}
spec: {credentialsSecretRef: {name: cloudinary}, receiver: {baseURL: "https://in.example.com"}}
`
	moved := strings.Replace(base, "hooks.", "in.", 1) + "/media" + pathToken
	if diff := cmp.Diff([]string{"create upload " + moved + " for media, spec"}, f.plan(elsewhere, "--show-urls", "-f", "-").lines()); diff != "" {
		t.Errorf("steps with another base URL (-want +got):\n%s", diff)
	}
}
