// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// received are the idempotency keys that the target has seen, each once. That one is there twice is allowed; that one does not verify is not.
func (c *cluster) received() map[string]bool {
	c.Helper()
	url := c.serviceURL("shop", "catalog", "80") + "/received"
	var text string
	// kube-proxy takes a moment to learn of a new Pod.
	c.eventually("the target answers", func() error { return c.get(url, &text) })
	keys := map[string]bool{}
	for decoder := json.NewDecoder(strings.NewReader(text)); ; {
		var one struct {
			IdempotencyKey string `json:"idempotency_key"`
			Verified       bool   `json:"verified"`
		}
		if err := decoder.Decode(&one); errors.Is(err, io.EOF) {
			return keys
		} else if err != nil {
			c.Fatal(err)
		}
		if !one.Verified {
			c.Errorf("the target could not verify %s from the bytes it got", one.IdempotencyKey)
		}
		keys[one.IdempotencyKey] = true
	}
}

func (c *cluster) hasReceived(want int) func() error {
	return func() error {
		if got := len(c.received()); got != want {
			return fmt.Errorf("it has %d different notifications, want %d", got, want)
		}
		return nil
	}
}

// backlog is how many notifications wait when something happens.
const backlog = 50

// withBacklog cuts the target off, has notifications answered 200, does what may not lose them, and looks for them once the target is back.
func (c *cluster) withBacklog(meanwhile func()) {
	c.Helper()
	before := len(c.received())
	c.dropTraffic()
	c.upload(backlog)
	c.allAnswered()
	meanwhile()
	c.allowTraffic()
	c.eventually("the target has what was answered 200", c.hasReceived(before+backlog))
}

func (c *cluster) deletePodWithBacklog() {
	c.withBacklog(func() { c.deletePod("receiver") })
}

func (c *cluster) killContainerWithBacklog() {
	c.withBacklog(func() { c.killContainer("receiver") })
}

// loseBacklogWithPod is what docs/receiver.md promises of an emptyDir: what was answered 200 and not yet delivered is lost with the Pod, log
// and metric say so, and what comes afterwards is delivered.
func (c *cluster) loseBacklogWithPod() {
	c.eventually("Prometheus knows that the store goes with the Pod", c.says(`cloudinary_receiver_store_durable`, 0))
	c.eventually("the alert is on its way", c.alertIs("CloudinaryStoreNotDurable", "pending", nil))
	before := len(c.received())
	c.dropTraffic()
	c.upload(backlog)
	c.allAnswered()
	c.deletePod("receiver")
	c.allowTraffic()
	now := c.podOf("receiver")
	if text := c.kubectl("logs", "-n", operatorNamespace, now.name); !strings.Contains(text, "the store does not outlive this Pod") {
		c.Errorf("the receiver's log does not say that its store goes with the Pod:\n%s", text)
	}
	c.upload(1)
	c.eventually("the target has what came afterwards", c.hasReceived(before+1))
	c.eventually("nothing waits any more", c.says(`cloudinary_receiver_queue_pending{pod="`+now.name+`"}`, 0))
	if err := c.hasReceived(before + 1)(); err != nil {
		c.Errorf("the target, after %d notifications were to be lost: %v", backlog, err)
	}
}

func (c *cluster) cutOffTarget() { c.whileCutOff(func() {}) }

// cutOffTargetAndDescribe takes a minute longer, since the trigger's status may be that old.
func (c *cluster) cutOffTargetAndDescribe() {
	c.whileCutOff(func() { c.describes("cut-off", whileFailing()) })
}

// whileCutOff cuts the target off for long enough to be noticed, and looks at what people see then.
func (c *cluster) whileCutOff(look func()) {
	c.Helper()
	c.kubectl("wait", "--for=condition=Delivering", "--timeout=120s", "-n", "shop", "nep/media") // whatever was cut off before
	c.withBacklog(func() {
		c.kubectl("wait", "--for=jsonpath={.status.conditions[?(@.type==\"Delivering\")].reason}=TargetFailing", "--timeout=120s", "-n", "shop", "nep/media")
		look()
		c.eventually("the alert is on its way",
			c.alertIs("CloudinaryTargetFailing", "pending", map[string]string{"namespace": "shop", "endpoint": "media", "target": "catalog"}))
	})
	c.kubectl("wait", "--for=condition=Delivering", "--timeout=120s", "-n", "shop", "nep/media")
}

// dropTraffic has the node drop what Pods send to the target.
func (c *cluster) dropTraffic() {
	c.Helper()
	address := c.kubectl("get", "pods", "-n", "shop", "-l", "app.kubernetes.io/name=catalog", "-o", "jsonpath={.items[0].status.podIP}")
	for _, line := range []string{
		"add table inet e2e",
		"add chain inet e2e forward { type filter hook forward priority -200; }",
		"add rule inet e2e forward ip daddr " + address + " drop",
	} {
		if _, err := c.run("nft", line); err != nil {
			c.Fatal(err)
		}
	}
}

func (c *cluster) allowTraffic() {
	c.Helper()
	if _, err := c.run("nft", "delete table inet e2e"); err != nil {
		c.Fatal(err)
	}
}
