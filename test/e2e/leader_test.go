// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
)

// killManager kills the only manager's container. The next one in the same Pod has the same identity, and need not wait for the lease.
func (c *cluster) killManager() {
	before := c.leader()
	c.killContainer("manager")
	c.asksFor("upload", "delete")
	if now := c.leader(); now != before {
		c.Errorf("the lease went from %s to %s, want the same holder", before, now)
	}
}

// killLeader kills the one of two managers that holds the lease, and lets it not come back. The other one does what is asked for meanwhile.
func (c *cluster) killLeader() {
	c.kubectl("scale", "-n", operatorNamespace, "deployment/"+manager, "--replicas=2")
	c.rolledOut(manager, operatorNamespace)
	before := c.leader()
	pods := c.podsOf("manager")
	i := slices.IndexFunc(pods, func(p pod) bool { return strings.HasPrefix(before, p.name+"_") })
	if i < 0 || len(pods) != 2 {
		c.Fatalf("%s holds the lease, and is none of two managers: %v", before, pods)
	}
	c.sigkill(pods[i]) // It cannot release the lease: that has to run out.
	c.forceDelete(pods[i])
	c.asksFor("upload")
	// Of those that stand by, which may be one more by now, any may be faster.
	now, left := c.leader(), c.podsOf("manager")
	if now == before || !slices.ContainsFunc(left, func(p pod) bool { return strings.HasPrefix(now, p.name+"_") }) {
		c.Errorf("%s holds the lease after %s, want one of %v", now, before, left)
	}
	c.kubectl("scale", "-n", operatorNamespace, "deployment/"+manager, "--replicas=1")
	c.rolledOut(manager, operatorNamespace)
}

// leader is who holds the lease: a Pod's name and uid.
func (c *cluster) leader() string {
	c.Helper()
	return c.kubectl("get", "lease", "-n", operatorNamespace, "manager.notifications.cloudinary.dev", "-o", "jsonpath={.spec.holderIdentity}")
}

// asksFor changes the event types of the trigger uploads, and waits until Cloudinary has exactly these for its URL.
func (c *cluster) asksFor(eventTypes ...string) {
	c.Helper()
	c.kubectl("patch", "-n", "shop", "cldt/uploads", "--type=merge", "-p", fmt.Sprintf(`{"spec":{"eventTypes":["%s"]}}`, strings.Join(eventTypes, `","`)))
	c.eventually("Cloudinary has what was asked for", func() error {
		triggers := c.triggers()
		for _, eventType := range []string{"upload", "delete"} {
			want := slices.Contains(eventTypes, eventType)
			if got := slices.ContainsFunc(triggers, func(t string) bool {
				return strings.HasPrefix(t, eventType+" https://hooks.example.com/v1/notifications/shop/media/")
			}); got != want {
				return fmt.Errorf("%s is there: %t, want %t", eventType, got, want)
			}
		}
		return nil
	})
	c.kubectl("wait", "--for=condition=Ready", "--timeout=60s", "-n", "shop", "cldt/uploads")
}
