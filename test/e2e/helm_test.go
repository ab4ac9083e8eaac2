// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"os"
	"strings"

	"github.com/google/go-cmp/cmp"
)

const (
	release   = "cloudinary-operator"
	chartPath = "../../charts/cloudinary-operator"
)

// chart installs the Helm chart with its default values, but for the flags that manifests/flags has for the others.
func chart() way {
	return way{
		name: "helm",
		install: func(c *cluster) {
			// Helm would make the namespace, but without Pod Security.
			c.applyText(`{apiVersion: v1, kind: Namespace, metadata: {name: ` + operatorNamespace + `, labels: {pod-security.kubernetes.io/enforce: restricted}}}`)
			c.helm("install", release, chartPath, "--set", "manager.extraArgs={--allow-insecure-api-base,--allowed-api-bases=http://api.cloudinary,--sync-interval=5s}")
		},
		uninstall: (*cluster).uninstallRelease,
	}
}

func (c *cluster) helm(args ...string) string {
	c.Helper()
	out, err := c.run(os.Getenv("E2E_HELM"), append(args, "--namespace", operatorNamespace)...)
	if err != nil {
		c.Fatal(err)
	}
	return out
}

// upgradeRelease replaces the manager's Pods.
func (c *cluster) upgradeRelease() {
	before := c.triggerIDs()
	c.helm("upgrade", release, chartPath, "--reuse-values", "--set", "manager.podAnnotations.e2e=upgraded")
	c.rolledOut(manager, operatorNamespace)
	c.rolledOut(receiver, operatorNamespace)
	if got := c.kubectl("get", "pods", "-n", operatorNamespace, c.podOf("manager").name, "-o", "jsonpath={.metadata.annotations.e2e}"); got != "upgraded" {
		c.Errorf("the manager's Pod has the annotation %q, want upgraded", got)
	}
	var status struct{ Version int }
	if err := json.Unmarshal([]byte(c.helm("status", release, "--output", "json")), &status); err != nil {
		c.Fatal(err)
	}
	if status.Version != 2 {
		c.Errorf("the release has the revision %d, want 2", status.Version)
	}
	c.upload(1)
	c.asksFor("upload", "delete") // the new manager works
	c.asksFor("upload")
	after := c.triggerIDs()
	if diff := cmp.Diff(before, after); diff != "" {
		c.Errorf("the triggers at Cloudinary are others (-before +after)\n%s", diff)
	}
}

// uninstallRelease goes in the order that the chart's notes tell. The CRDs and the receiver's claim stay; what is left of the test goes then.
func (c *cluster) uninstallRelease() {
	c.Helper()
	notes := c.helm("get", "notes", release)
	objects := strings.Index(notes, "kubectl delete cloudinarytriggers,notificationendpoints")
	if objects < 0 || strings.Index(notes, "helm uninstall "+release) < objects {
		c.Errorf("the notes tell another order:\n%s", notes)
	}
	c.kubectl("delete", "cloudinarytriggers,notificationendpoints", "--all", "--all-namespaces", "--timeout=120s")
	c.hasNoTriggers()
	c.helm("uninstall", release, "--wait", "--timeout", "2m")
	c.kubectl("get", "crd", "cloudinarytriggers.notifications.cloudinary.dev", "notificationendpoints.notifications.cloudinary.dev")
	c.kubectl("get", "pvc", "-n", operatorNamespace, receiver)
	c.eventually("nothing else is left", func() error { // Pods take their time to end.
		if left := c.kubectl("get", "all", "-n", operatorNamespace, "-o", "name"); left != "" {
			return errors.New(left)
		}
		return nil
	})
	c.kubectl("delete", "--timeout=60s", "-k", "../../config/crd")
	c.kubectl("delete", "namespace", operatorNamespace, "--timeout=120s")
}
