// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestKustomize is the story on an installation of config/default.
func TestKustomize(t *testing.T) {
	tell(t, kustomization("default"), story((*cluster).cutOffTargetAndDescribe))
}

// TestTrial is what differs with config/trial, whose store is on an emptyDir.
func TestTrial(t *testing.T) {
	tell(t, kustomization("trial"), []step{
		{"samples become ready and Cloudinary has their triggers", (*cluster).applySamples},
		{"what waits outlives the receiver's container on an emptyDir", (*cluster).killContainerWithBacklog},
		{"what waits is lost with the receiver's Pod on an emptyDir, and the receiver says so", (*cluster).loseBacklogWithPod},
	})
}

// TestHelm is the story on a release of the chart, with an upgrade.
func TestHelm(t *testing.T) {
	tell(t, chart(), append(story((*cluster).cutOffTarget), step{"an upgrade of the release changes nothing at Cloudinary", (*cluster).upgradeRelease}))
}

type step struct {
	name string
	run  func(*cluster)
}

// story is told for each way to install the product with a volume, with a way to cut the target off.
func story(cutOff func(*cluster)) []step {
	return []step{
		{"samples become ready and Cloudinary has their triggers", (*cluster).applySamples},
		{"a notification reaches the Service and kubectl describe tells of it", (*cluster).deliver},
		{"a real Prometheus scrapes both programs", (*cluster).scrape},
		{"a rollout under load loses nothing", (*cluster).rollOutUnderLoad},
		{"what waits outlives the receiver's Pod", (*cluster).deletePodWithBacklog},
		{"what waits outlives the receiver's container", (*cluster).killContainerWithBacklog},
		{"a target that is cut off gets everything afterwards", cutOff},
		{"a manager that is killed goes on where it was", (*cluster).killManager},
		{"another leader takes over when the leader is killed", (*cluster).killLeader},
		{"no alert fires", (*cluster).noAlertFires},
		{"a namespace that is deleted whole leaves Cloudinary clean", (*cluster).deleteNamespace},
		{"samples become ready once more", (*cluster).applySamples},
	}
}

// tell installs the product, tells the steps of a story, and takes it away again.
func tell(t *testing.T, w way, steps []step) {
	t.Helper()
	c := newCluster(t)
	all := append([]step{{"install", func(c *cluster) { c.installed(w) }}}, steps...)
	all = append(all, step{"uninstall", func(c *cluster) { c.uninstalled(w) }})
	for _, step := range all {
		told := t.Run(step.name, func(t *testing.T) {
			on := c.on(t)
			step.run(on)
			c.simulator, c.prometheus = on.simulator, on.prometheus
		})
		if !told {
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

func (c *cluster) applySamples() {
	c.kubectl("apply", "--server-side", "-f", "../../config/samples/namespaces.yaml")
	c.kubectl("apply", "--server-side", "-k", "../../config/samples")
	c.apply("secret.yaml")
	c.apply("target.yaml")
	c.rolledOut("catalog", "shop")
	c.kubectl("wait", "--for=condition=Ready", "--timeout=60s", "-n", "shop", "nep/media", "nep/moderation-desk", "cldt/uploads", "cldt/images", "cldt/moderation")
	c.kubectl("wait", "--for=condition=Ready", "--timeout=60s", "-n", "catalog", "cldt/renames")
	if got := c.triggers(); len(got) != 6 {
		c.Errorf("Cloudinary has %d triggers, want the six of config/samples: %v", len(got), got)
	}
}

// triggers are event types and URLs of what Cloudinary has.
func (c *cluster) triggers() []string {
	c.Helper()
	return slices.Sorted(maps.Keys(c.triggerIDs()))
}

// triggerIDs are Cloudinary's ids, by event types and URLs.
func (c *cluster) triggerIDs() map[string]string {
	c.Helper()
	var list struct {
		Triggers []struct {
			ID        string `json:"id"`
			EventType string `json:"event_type"`
			URI       string `json:"uri"`
		} `json:"triggers"`
	}
	if err := c.get(c.simulator+"/_sim/triggers", &list); err != nil {
		c.Fatal(err)
	}
	all := map[string]string{}
	for _, t := range list.Triggers {
		all[t.EventType+" "+t.URI] = t.ID
	}
	return all
}

func (c *cluster) deliver() {
	before := len(c.received())
	c.upload(1)
	c.eventually("the target has the notification", c.hasReceived(before+1))
	c.describes("delivered", nil)
}

func (c *cluster) deleteNamespace() {
	c.kubectl("delete", "namespace", "shop", "--timeout=120s")
	c.hasNoTriggers()
}
