// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"strings"
)

// pod is a running Pod of the operator.
type pod struct {
	name, ip string
	// container is its only container, as containerd calls it.
	container string
}

// podsOf are a component's Pods that run and are not being deleted.
func (c *cluster) podsOf(component string) []pod {
	c.Helper()
	out := c.kubectl("get", "pods", "-n", operatorNamespace, "-l", "app.kubernetes.io/component="+component, "--field-selector=status.phase=Running",
		"-o", `go-template={{range .items}}{{if not .metadata.deletionTimestamp}}{{.metadata.name}} {{.status.podIP}} `+
			`{{range .status.containerStatuses}}{{.containerID}}{{end}}{{"\n"}}{{end}}{{end}}`)
	var pods []pod
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			c.Fatalf("a Pod of the %s has not all of name, address and container: %q", component, line)
		}
		pods = append(pods, pod{name: fields[0], ip: fields[1], container: strings.TrimPrefix(fields[2], "containerd://")})
	}
	return pods
}

// podOf is the component's only Pod.
func (c *cluster) podOf(component string) pod {
	c.Helper()
	pods := c.podsOf(component)
	if len(pods) != 1 {
		c.Fatalf("%d Pods of the %s run, want one: %v", len(pods), component, pods)
	}
	return pods[0]
}

// killContainer ends a component's container as the kernel does when memory runs out, and waits until the kubelet has started another one.
func (c *cluster) killContainer(component string) {
	c.Helper()
	before := c.podOf(component)
	c.sigkill(before)
	c.eventually("another container runs", func() error {
		now := c.podOf(component)
		if now.name != before.name {
			return fmt.Errorf("it is another Pod: %s", now.name)
		}
		if now.container == before.container {
			return errors.New("it is the same one")
		}
		return nil
	})
	c.kubectl("wait", "--for=condition=Ready", "--timeout=120s", "-n", operatorNamespace, "pod/"+before.name)
}

func (c *cluster) sigkill(p pod) {
	c.Helper()
	c.ctr("tasks", "kill", "--signal", "SIGKILL", p.container)
}

// deletePod deletes a component's Pod without giving it time, and waits for its end, which comes after that of the object, and for the next one.
func (c *cluster) deletePod(component string) {
	c.Helper()
	before := c.podOf(component)
	c.forceDelete(before)
	c.eventually("the container has ended", func() error {
		if strings.Contains(c.ctr("tasks", "list", "--quiet"), before.container) {
			return errors.New("it runs still")
		}
		return nil
	})
	c.eventually("another Pod runs", func() error {
		if now := c.podsOf(component); len(now) != 1 || now[0].name == before.name {
			return fmt.Errorf("the Pods are %v, after %s", now, before.name)
		}
		return nil
	})
	c.rolledOut("cloudinary-operator-"+component, operatorNamespace)
}

func (c *cluster) forceDelete(p pod) {
	c.Helper()
	c.kubectl("delete", "pod", "-n", operatorNamespace, p.name, "--grace-period=0", "--force", "--wait=false")
}
