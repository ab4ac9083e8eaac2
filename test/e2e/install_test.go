// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// way is one way to install the product, and to take it away again, each as its documentation says.
type way struct {
	name      string
	install   func(*cluster)
	uninstall func(*cluster)
}

// kustomization installs a folder of manifests/, which is one of config/ with what these tests need.
func kustomization(folder string) way {
	return way{
		name:    folder,
		install: func(c *cluster) { c.kubectl("apply", "--server-side", "-k", filepath.Join("manifests", folder)) },
		// As make undeploy: the objects go while the manager is there to release what they hold.
		uninstall: func(c *cluster) {
			c.kubectl("delete", "--timeout=120s", "-k", "../../config/crd")
			c.hasNoTriggers()
			c.kubectl("delete", "--timeout=120s", "--ignore-not-found", "-k", "../../config/"+folder)
		},
	}
}

// installed is a cluster with the product, a Cloudinary without triggers, an empty volume, and a Prometheus.
func (c *cluster) installed(w way) {
	c.Helper()
	c.surround(w.name)
	w.install(c)
	c.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd/cloudinarytriggers.notifications.cloudinary.dev",
		"crd/notificationendpoints.notifications.cloudinary.dev")
	c.rolledOut(manager, operatorNamespace)
	c.rolledOut(receiver, operatorNamespace)
}

// surround makes what the product needs around it. What another test left of it is as new afterwards.
func (c *cluster) surround(name string) {
	c.Helper()
	c.apply("simulator.yaml", "RETRY_SCHEDULE", c.pace.schedule.String(), "DELIVERY_TIMEOUT", c.pace.timeout.String(),
		"VERSION", os.Getenv("E2E_VERSION"))
	c.rolledOut("cloudinary-sim", "cloudinary")
	c.simulator = c.serviceURL("cloudinary", "api", "80")
	c.eventually("the simulator answers", func() error { return c.post(c.simulator+"/_sim/reset", "") })
	c.giveVolume(name)
	c.runPrometheus()
}

// giveVolume has an empty folder for the receiver's claim, whoever had the volume before.
func (c *cluster) giveVolume(name string) {
	c.Helper()
	folder := filepath.Join(nodeDir(), "volume-"+name)
	if err := errors.Join(os.RemoveAll(folder), os.Mkdir(folder, 0o700)); err != nil {
		c.Fatal(err)
	}
	// The receiver's user has no rights of root's, and a hostPath is not given to it.
	if err := os.Chown(folder, 65532, 65532); err != nil {
		c.Fatal(err)
	}
	c.kubectl("delete", "pv", "e2e-receiver", "--ignore-not-found", "--timeout=60s")
	c.apply("volume.yaml", "VOLUME", folder)
}

// nodeDir is the folder of the node, where hack/e2e.sh has put what is needed.
func nodeDir() string { return os.Getenv("E2E_DIR") }

// uninstalled takes the product away while Cloudinary has triggers to release.
func (c *cluster) uninstalled(w way) {
	c.Helper()
	if len(c.triggers()) == 0 {
		c.Error("there is nothing to release")
	}
	w.uninstall(c)
	c.hasNoTriggers()
	if _, err := c.run("kubectl", "get", "deployment", "-n", operatorNamespace, manager); err == nil {
		c.Error("the manager is still there")
	}
	c.kubectl("delete", "namespace", "shop", "catalog", "--timeout=120s")
}

func (c *cluster) hasNoTriggers() {
	c.Helper()
	c.eventually("Cloudinary has no triggers any more", func() error {
		if left := c.triggers(); len(left) > 0 {
			return fmt.Errorf("it has %v", left)
		}
		return nil
	})
}
