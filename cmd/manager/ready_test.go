// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
)

// runAsManager makes the test program the manager.
const runAsManager = "TEST_RUN_AS_MANAGER"

func TestMain(m *testing.M) {
	if os.Getenv(runAsManager) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

const patience = 2 * time.Minute

// process is a manager that runs as a process of its own until the test ends.
type process struct {
	readyz string
	output *testenv.Output
}

func startManager(t *testing.T, kubeconfig string) *process {
	t.Helper()
	address := testenv.FreeAddress(t)
	p := &process{readyz: "http://" + address + "/readyz", output: &testenv.Output{}}
	command := exec.CommandContext(context.WithoutCancel(t.Context()), os.Args[0],
		"--kubeconfig="+kubeconfig, "--health-probe-bind-address="+address, "--metrics-bind-address=0", "--leader-election-namespace=default")
	command.Env = append(os.Environ(), runAsManager+"=1")
	command.Stdout, command.Stderr = p.output, p.output
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		_ = command.Wait() // what a manager says that cannot work is no matter here
		if t.Failed() {
			t.Logf("the manager said:\n%s", p.output)
		}
	})
	return p
}

// becomes waits until the probe is answered so.
func (p *process) becomes(t *testing.T, status int) {
	t.Helper()
	testenv.Eventually(t, patience, func() error {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.readyz, http.NoBody)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		raw, err := io.ReadAll(response.Body)
		if err == nil && response.StatusCode != status {
			err = fmt.Errorf("%s is answered %d, want %d: %s", p.readyz, response.StatusCode, status, raw)
		}
		return err
	})
}

func kubeconfigFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A rollout would go on, and stop the manager that works.
func TestAManagerWithoutAnAPIServerIsNotReady(t *testing.T) {
	t.Parallel()
	p := startManager(t, kubeconfigFile(t, `{"apiVersion": "v1", "kind": "Config", "current-context": "a", "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
"users": [{"name": "a", "user": {}}], "clusters": [{"name": "a", "cluster": {"server": "https://127.0.0.1:1"}}]}`))
	p.becomes(t, http.StatusServiceUnavailable)
}

func TestAStandbyIsReadyOnceItHasReadAllThatItWatches(t *testing.T) {
	t.Parallel()
	api := testenv.Start(t)
	create := func(o client.Object) {
		t.Helper()
		if err := api.Client.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	const user = "standby"
	allow := func(name string, rules ...rbacv1.PolicyRule) {
		t.Helper()
		create(&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules})
		create(&rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: name}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
			Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
		})
	}
	another := "another manager"
	lease := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: "manager.notifications.cloudinary.dev", Namespace: "default"},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: &another, LeaseDurationSeconds: new(int32(3600)), RenewTime: &metav1.MicroTime{Time: time.Now()}, AcquireTime: &metav1.MicroTime{Time: time.Now()},
		},
	}
	create(lease)
	verbs := []string{"get", "list", "watch"}
	allow("all-but-secrets",
		rbacv1.PolicyRule{APIGroups: []string{"notifications.cloudinary.dev"}, Resources: []string{"*"}, Verbs: verbs},
		rbacv1.PolicyRule{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"*"}},
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: verbs})
	p := startManager(t, kubeconfigFile(t, strings.Replace(string(api.Kubeconfig), "user:\n", "user:\n    as: "+user+"\n", 1)))
	testenv.Eventually(t, patience, func() error {
		if !strings.Contains(p.output.String(), "secrets is forbidden") {
			return errors.New("the manager has not tried to read Secrets")
		}
		return nil
	})
	p.becomes(t, http.StatusServiceUnavailable)
	allow("secrets", rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: verbs})
	p.becomes(t, http.StatusOK)
	if err := api.Client.Get(t.Context(), client.ObjectKeyFromObject(lease), lease); err != nil || *lease.Spec.HolderIdentity != another {
		t.Errorf("the lease is held by %s (%v)", *lease.Spec.HolderIdentity, err)
	}
}
