// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestKustomize is the story on an installation of config/default.
func TestKustomize(t *testing.T) {
	c := &cluster{T: t}
	c.install(os.Getenv("E2E_MANIFESTS"))
	steps := []struct {
		name string
		run  func(*cluster)
	}{
		{"samples become ready and Cloudinary has their triggers", (*cluster).applySamples},
		{"a notification reaches the Service and kubectl describe tells of it", (*cluster).deliver},
		{"a rollout under load loses nothing that was answered 200", (*cluster).rollOutUnderLoad},
		{"what waits outlives the receiver's Pod", (*cluster).deletePodWithBacklog},
		{"what waits outlives the receiver's container", (*cluster).killContainerWithBacklog},
		{"a target that is cut off gets everything afterwards", (*cluster).cutOffTarget},
		{"another leader takes over when the manager is killed", (*cluster).killManager},
		{"a namespace that is deleted whole leaves Cloudinary clean", (*cluster).deleteNamespace},
	}
	for _, step := range steps {
		if !t.Run(step.name, func(t *testing.T) { step.run(c.on(t)) }) {
			c.explain()
			t.FailNow() // the next steps build on it
		}
	}
}

// explain prints what a person would look at.
func (c *cluster) explain() {
	for _, args := range [][]string{
		{"get", "pods", "-A", "-o", "wide"},
		{"get", "events", "-A", "--sort-by=.lastTimestamp"},
		{"describe", "cldt,nep", "-A"},
		{"logs", "-n", operatorNamespace, "-l", "app.kubernetes.io/component=manager", "--tail=40"},
		{"logs", "-n", operatorNamespace, "-l", "app.kubernetes.io/component=receiver", "--tail=40"},
	} {
		out, err := c.run("kubectl", args...)
		c.Logf("kubectl %s\n%s%v", strings.Join(args, " "), out, err)
	}
}

func (c *cluster) install(manifests string) {
	c.Helper()
	c.kubectl("apply", "--server-side", "-f", manifests)
	c.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd/cloudinarytriggers.notifications.cloudinary.dev",
		"crd/notificationendpoints.notifications.cloudinary.dev")
	c.rolledOut("cloudinary-sim", "cloudinary")
	c.rolledOut("cloudinary-operator-manager", operatorNamespace)
	c.rolledOut("cloudinary-operator-receiver", operatorNamespace)
	c.simulator = "http://" + c.kubectl("get", "service", "-n", "cloudinary", "api", "-o", "jsonpath={.spec.clusterIP}")
}

func (c *cluster) applySamples() {
	c.kubectl("apply", "--server-side", "-f", "../../config/samples/namespaces.yaml")
	c.kubectl("apply", "--server-side", "-k", "../../config/samples")
	c.kubectl("apply", "--server-side", "-f", "manifests/secret.yaml", "-f", "manifests/target.yaml")
	c.rolledOut("catalog", "shop")
	c.kubectl("wait", "--for=condition=Ready", "--timeout=60s", "-n", "shop", "nep/media", "nep/moderation-desk", "cldt/uploads", "cldt/images", "cldt/moderation")
	if got := len(c.triggers()); got != 6 {
		c.Errorf("Cloudinary has %d triggers, want the six of config/samples: %v", got, c.triggers())
	}
}

// triggers are event types and URLs of what Cloudinary has.
func (c *cluster) triggers() []string {
	c.Helper()
	var list struct {
		Triggers []struct {
			EventType string `json:"event_type"`
			URI       string `json:"uri"`
		} `json:"triggers"`
	}
	if err := c.get(c.simulator+"/_sim/triggers", &list); err != nil {
		c.Fatal(err)
	}
	var all []string
	for _, t := range list.Triggers {
		all = append(all, t.EventType+" "+t.URI)
	}
	return all
}

func (c *cluster) deliver() {
	before := len(c.received())
	c.upload(1)
	c.eventually("the target has the notification", c.hasReceived(before+1))
	c.eventually("kubectl describe shows it", func() error {
		text := c.kubectl("describe", "-n", "shop", "cldt/uploads")
		for _, part := range []string{`upload: image "sample_`, "Delivered"} {
			if !strings.Contains(text, part) {
				return fmt.Errorf("%q is not in\n%s", part, text)
			}
		}
		return nil
	})
}

func (c *cluster) deleteNamespace() {
	c.kubectl("delete", "namespace", "shop", "--timeout=120s")
	c.eventually("Cloudinary has no triggers any more", func() error {
		if left := c.triggers(); len(left) > 0 {
			return fmt.Errorf("it has %v", left)
		}
		return nil
	})
}
