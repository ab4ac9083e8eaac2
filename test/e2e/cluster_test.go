// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const (
	operatorNamespace = "cloudinary-operator-system"
	// patience is for what takes seconds on a quiet machine.
	patience = 3 * time.Minute
)

// cluster is the node, as make e2e leaves it: kubectl in PATH, KUBECONFIG set, and this process inside of the node's network.
type cluster struct {
	*testing.T
	simulator string // its base URL, by its cluster IP
}

// on is the same cluster in another test.
func (c *cluster) on(t *testing.T) *cluster {
	t.Helper()
	other := *c
	other.T = t
	return &other
}

func (c *cluster) run(name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(c.Context(), patience)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(errs.Bytes()))
	}
	return out.String(), nil
}

func (c *cluster) kubectl(args ...string) string {
	c.Helper()
	out, err := c.run("kubectl", args...)
	if err != nil {
		c.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// ctr talks to the node's containerd.
func (c *cluster) ctr(args ...string) {
	c.Helper()
	if _, err := c.run("ctr", append([]string{"--address", os.Getenv("NODE_CONTAINERD"), "--namespace", "k8s.io"}, args...)...); err != nil {
		c.Fatal(err)
	}
}

// eventually repeats a check until it holds, and fails with its last words.
func (c *cluster) eventually(what string, check func() error) {
	c.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			c.Fatalf("%s: not within %s: %v", what, patience, err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func (c *cluster) rolledOut(deployment, namespace string) {
	c.Helper()
	c.kubectl("rollout", "status", "--timeout=170s", "-n", namespace, "deployment/"+deployment)
}

// restarts is how often the container of a component was restarted, and the component's Pod.
func (c *cluster) podOf(component string) (name, containerID string) {
	c.Helper()
	out := c.kubectl("get", "pods", "-n", operatorNamespace, "-l", "app.kubernetes.io/component="+component, "--field-selector=status.phase=Running",
		"-o", `jsonpath={range .items[*]}{.metadata.name} {.status.containerStatuses[0].containerID}{"\n"}{end}`)
	fields := strings.Fields(out)
	if len(fields) < 2 {
		c.Fatalf("no Pod of the %s runs: %q", component, out)
	}
	return fields[0], strings.TrimPrefix(fields[1], "containerd://")
}

func (c *cluster) get(url string, into any) error {
	ctx, cancel := context.WithTimeout(c.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	return do(req, into)
}

func (c *cluster) post(url, body string) error {
	ctx, cancel := context.WithTimeout(c.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	return do(req, nil)
}

func do(req *http.Request, into any) error {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %s", req.Method, req.URL, resp.Status, body)
	}
	if into == nil {
		return nil
	}
	if text, ok := into.(*string); ok {
		*text = string(body)
		return nil
	}
	return json.Unmarshal(body, into)
}
