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
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	operatorNamespace = "cloudinary-operator-system"
	manager           = "cloudinary-operator-manager"
	receiver          = "cloudinary-operator-receiver"
	// patience is for what takes seconds on a quiet machine.
	patience = 3 * time.Minute
)

// cluster is the node, as make e2e leaves it: kubectl in PATH, KUBECONFIG set, and this process inside of the node's network.
type cluster struct {
	*testing.T
	pace pace // of the simulated Cloudinary
	// Base URLs, by cluster IPs.
	simulator, prometheus string
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	return &cluster{T: t, pace: paceHere(t)}
}

// on is the same cluster in another test.
func (c *cluster) on(t *testing.T) *cluster {
	t.Helper()
	other := *c
	other.T = t
	return &other
}

func (c *cluster) run(name string, args ...string) (string, error) {
	return c.runWith("", name, args...)
}

// runWith runs a program that reads input.
func (c *cluster) runWith(input, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(c.Context(), patience)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &errs
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

// apply applies a file of manifests/, with words in it replaced: each by the one behind it.
func (c *cluster) apply(file string, words ...string) {
	c.Helper()
	text, err := os.ReadFile(filepath.Join("manifests", file))
	if err != nil {
		c.Fatal(err)
	}
	c.applyText(strings.NewReplacer(words...).Replace(string(text)))
}

func (c *cluster) applyText(manifests string) {
	c.Helper()
	if _, err := c.runWith(manifests, "kubectl", "apply", "--server-side", "-f", "-"); err != nil {
		c.Fatal(err)
	}
}

// ctr talks to the node's containerd.
func (c *cluster) ctr(args ...string) string {
	c.Helper()
	out, err := c.run("ctr", append([]string{"--address", os.Getenv("NODE_CONTAINERD"), "--namespace", "k8s.io"}, args...)...)
	if err != nil {
		c.Fatal(err)
	}
	return out
}

// eventually repeats a check until it holds, and fails with its last words.
func (c *cluster) eventually(what string, check func() error) {
	c.Helper()
	c.within(patience, what, check)
}

func (c *cluster) within(limit time.Duration, what string, check func() error) {
	c.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			c.Fatalf("%s: not within %s: %v", what, limit, err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func (c *cluster) rolledOut(deployment, namespace string) {
	c.Helper()
	c.kubectl("rollout", "status", "--timeout=170s", "-n", namespace, "deployment/"+deployment)
}

func (c *cluster) serviceURL(namespace, name, port string) string {
	c.Helper()
	return "http://" + c.kubectl("get", "service", "-n", namespace, name, "-o", "jsonpath={.spec.clusterIP}") + ":" + port
}

func (c *cluster) get(url string, into any) error {
	ctx, cancel := context.WithTimeout(c.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json") // of those that have two forms, the one to be read by programs
	return do(req, into)
}

func (c *cluster) post(url, body string) error { return c.send(http.MethodPost, url, body) }

func (c *cluster) delete(url string) error { return c.send(http.MethodDelete, url, "") }

func (c *cluster) send(method, url, body string) error {
	ctx, cancel := context.WithTimeout(c.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
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
