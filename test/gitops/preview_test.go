// SPDX-License-Identifier: Apache-2.0

package gitops

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/yaml"

	"github.com/cloudinary-operator/cloudinary-operator/internal/plugin"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// The guide says so: a pipeline is given no more than that.
func TestThePreviewNeedsNoMoreThanTheRoleView(t *testing.T) {
	s := newStage(t, simulator.Options{})
	s.viewer("pipeline")
	command := inTheGuide(t, "    - run: kubectl kustomize shop | kubectl cloudinary ")
	manifests := strings.ReplaceAll(blockInTheGuide(t, "kind: NotificationEndpoint"), "namespace: shop", "namespace: "+s.namespaces[0])

	before := s.sim.Calls().Total - s.calls("GET")
	out, code := s.cloudinary(manifests, append(strings.Fields(command), "--as", "pipeline"))
	if code != 0 || !strings.Contains(out, "Plan: 1 to create") {
		t.Errorf("exit code %d, want 0 and a create for the one event type:\n%s", code, out)
	}
	if out, code := s.cloudinary(manifests, append(strings.Fields(command), "--as", "pipeline", "--exit-code")); code != 2 {
		t.Errorf("with --exit-code: exit code %d, want 2, there are changes:\n%s", code, out)
	}
	if out, code := s.cloudinary(manifests, append(strings.Fields(command), "--as", "nobody-that-may-look")); code == 0 {
		t.Errorf("somebody without rights: exit code 0, so that rights were not asked for:\n%s", out)
	}
	if after := s.sim.Calls().Total - s.calls("GET"); after != before {
		t.Errorf("%d calls that write, want none", after-before)
	}
}

// viewer grants a user what the cluster's role view has; here nothing adds our part to it, as kube-controller-manager would.
func (s *stage) viewer(user string) {
	s.Helper()
	raw, err := os.ReadFile("../../config/rbac/users.yaml")
	s.must(err)
	first, _, _ := strings.Cut(string(raw), "\n---\n")
	var ours rbacv1.ClusterRole
	s.must(yaml.UnmarshalStrict([]byte(first), &ours))
	if ours.Labels["rbac.authorization.k8s.io/aggregate-to-view"] != "true" {
		s.Fatalf("role %s is not a part of view", ours.Name)
	}
	ours.Name = s.namespaces[0]
	s.create(&ours)
	for _, role := range []string{ours.Name, "system:aggregate-to-view"} {
		s.create(&rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "viewer-"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
		})
	}
}

// cloudinary runs the plugin, with the simulator in place of Cloudinary.
func (s *stage) cloudinary(stdin string, args []string) (output string, code int) {
	s.Helper()
	kubeconfig := filepath.Join(s.TempDir(), "kubeconfig")
	s.must(os.WriteFile(kubeconfig, cluster.Kubeconfig, 0o600))
	var out bytes.Buffer
	code = plugin.Run(s.Context(), plugin.Config{
		Streams: genericiooptions.IOStreams{In: strings.NewReader(stdin), Out: &out, ErrOut: &out}, Version: "test", Now: time.Now,
		Getenv: func(name string) string {
			return map[string]string{"CLOUDINARY_URL": s.cloudinaryURL(simulator.DefaultAPISecret)}[name]
		},
	}, append(args, "--kubeconfig", kubeconfig, "--allow-insecure-api-base", "--allowed-api-bases="+s.url))
	return out.String(), code
}

// blockInTheGuide is the first example that holds a text.
func blockInTheGuide(t *testing.T, text string) string {
	t.Helper()
	raw, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range strings.Split(string(raw), "```yaml\n")[1:] {
		if block, _, _ = strings.Cut(block, "```\n"); strings.Contains(block, text) {
			return block
		}
	}
	t.Fatalf("%s has no example with %q", guide, text)
	return ""
}
