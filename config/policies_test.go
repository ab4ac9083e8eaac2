// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
)

// An expression that is wrong about a type is an error when it is evaluated, and that refuses what it was to judge: writes of Secrets, all
// over the cluster. kube-controller-manager notes what it finds in the policy's status.
func TestThePoliciesPassTheTypeCheck(t *testing.T) {
	env := installed(t)
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(kubeconfig, env.Kubeconfig, 0o600); err != nil {
		t.Fatal(err)
	}
	program := exec.CommandContext(t.Context(), filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kube-controller-manager"),
		"--kubeconfig="+kubeconfig, "--leader-elect=false", "--secure-port=0", "--controllers=validatingadmissionpolicy-status-controller")
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = program.Process.Kill(), program.Wait() })
	var policies admissionregistrationv1.ValidatingAdmissionPolicyList
	testenv.Eventually(t, time.Minute, func() error {
		if err := env.Client.List(t.Context(), &policies, client.MatchingLabels{"app.kubernetes.io/part-of": "cloudinary-operator"}); err != nil {
			return err
		}
		if len(policies.Items) < 2 {
			return fmt.Errorf("there are %d policies", len(policies.Items))
		}
		for _, p := range policies.Items {
			if p.Status.ObservedGeneration != p.Generation || p.Status.TypeChecking == nil {
				return errors.New(p.Name + " has not been checked yet")
			}
		}
		return nil
	})
	for _, p := range policies.Items {
		for _, warning := range p.Status.TypeChecking.ExpressionWarnings {
			t.Errorf("%s: %s: %s", p.Name, warning.FieldRef, warning.Warning)
		}
	}
}
