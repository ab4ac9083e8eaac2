// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// upload has Cloudinary notify of n uploads.
func (c *cluster) upload(n int) {
	c.Helper()
	if err := c.post(c.simulator+"/_sim/notify", fmt.Sprintf(`{"event_type":"upload","count":%d}`, n)); err != nil {
		c.Fatal(err)
	}
}

// answered is an error where there are notifications that Cloudinary has not been answered 200 for.
func (c *cluster) answered() error {
	c.Helper()
	var list struct {
		Total  int            `json:"total"`
		States map[string]int `json:"states"`
	}
	if err := c.get(c.simulator+"/_sim/deliveries?limit=0&event_type=upload", &list); err != nil {
		c.Fatal(err)
	}
	if list.States["delivered"] < list.Total {
		return fmt.Errorf("of %d notifications %v", list.Total, list.States)
	}
	return nil
}

// allAnswered waits until each notification has its 200, and has Cloudinary's retries, which are minutes apart, made at once.
func (c *cluster) allAnswered() {
	c.Helper()
	c.eventually("each notification has its 200", func() error {
		err := c.answered()
		if err != nil {
			err = errors.Join(err, c.post(c.simulator+"/_sim/deliveries/retry", ""))
		}
		return err
	})
}

// received are the idempotency keys that the target has seen, each once. That one is there twice is allowed; that one does not verify is not.
func (c *cluster) received() map[string]bool {
	c.Helper()
	address := c.kubectl("get", "service", "-n", "shop", "catalog", "-o", "jsonpath={.spec.clusterIP}")
	var text string
	// kube-proxy takes a moment to learn of a new Pod.
	c.eventually("the target answers", func() error { return c.get("http://"+address+"/received", &text) })
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

// rollOutUnderLoad sends 20 notifications a second while the receiver is replaced. Meanwhile some are refused, and sent again.
func (c *cluster) rollOutUnderLoad() {
	before := len(c.received())
	c.kubectl("rollout", "restart", "-n", operatorNamespace, "deployment/cloudinary-operator-receiver")
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.rolledOut("cloudinary-operator-receiver", operatorNamespace)
	}()
	sent := 0
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-time.After(250 * time.Millisecond):
			c.upload(5)
			sent += 5
		}
	}
	c.allAnswered()
	c.Logf("%d notifications while the receiver was replaced", sent)
	c.eventually("the target has each of them", c.hasReceived(before+sent))
}

// backlog makes the target unreachable in a way of the caller's, has 50 notifications answered 200, does what may not lose them, and
// looks for them once the target is back.
func (c *cluster) backlog(cut, meanwhile, mend func()) {
	c.Helper()
	before := len(c.received())
	cut()
	c.upload(50)
	c.allAnswered()
	meanwhile()
	mend()
	c.eventually("the target has what was answered 200", c.hasReceived(before+50))
}

func (c *cluster) deletePodWithBacklog() {
	c.backlog(c.dropTraffic, func() {
		pod, _ := c.podOf("receiver")
		c.kubectl("delete", "pod", "-n", operatorNamespace, pod, "--grace-period=0", "--force", "--wait=false")
		c.rolledOut("cloudinary-operator-receiver", operatorNamespace)
	}, c.allowTraffic)
}

func (c *cluster) killContainerWithBacklog() {
	c.backlog(c.dropTraffic, func() { c.kill("receiver") }, c.allowTraffic)
}

// kill ends a component's container as the kernel does when memory runs out, and waits until the kubelet has started another one.
func (c *cluster) kill(component string) {
	c.Helper()
	pod, container := c.podOf(component)
	c.ctr("tasks", "kill", "--signal", "SIGKILL", container)
	c.eventually("another container runs", func() error {
		if _, now := c.podOf(component); now == container {
			return errors.New("it is the same one")
		}
		return nil
	})
	c.kubectl("wait", "--for=condition=Ready", "--timeout=120s", "-n", operatorNamespace, "pod/"+pod)
}

func (c *cluster) cutOffTarget() {
	c.backlog(c.dropTraffic, func() {
		c.kubectl("wait", "--for=jsonpath={.status.conditions[?(@.type==\"Delivering\")].reason}=TargetFailing", "--timeout=120s", "-n", "shop", "nep/media")
	}, c.allowTraffic)
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

func (c *cluster) killManager() {
	c.kill("manager")
	c.kubectl("patch", "-n", "shop", "cldt/uploads", "--type=merge", "-p", `{"spec":{"eventTypes":["upload","delete"]}}`)
	c.eventually("the trigger is there", func() error {
		for _, t := range c.triggers() {
			if strings.HasPrefix(t, "delete ") && strings.HasSuffix(t, "/shop/media") {
				return nil
			}
		}
		return errors.New("it is not")
	})
	c.kubectl("wait", "--for=condition=Ready", "--timeout=60s", "-n", "shop", "cldt/uploads")
}
