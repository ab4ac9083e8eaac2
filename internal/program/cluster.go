// SPDX-License-Identifier: Apache-2.0

package program

import (
	"fmt"
	"os"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client/config"
)

// Cluster is how a program reaches the API server.
type Cluster struct {
	// Kubeconfig is the path of a file. Empty: KUBECONFIG, then the Pod's service account, then ~/.kube/config.
	Kubeconfig string
	UserAgent  string
	// QPS and Burst bound calls.
	QPS   float32
	Burst int
}

// Config finds the cluster. Nothing is asked of the API server.
func (c Cluster) Config() (*rest.Config, error) {
	var found *rest.Config
	var err error
	if c.Kubeconfig != "" {
		found, err = clientcmd.BuildConfigFromFlags("", c.Kubeconfig)
	} else {
		found, err = config.GetConfig()
	}
	if err != nil {
		return nil, fmt.Errorf("find the cluster: %w", err)
	}
	reachPodsClusterDirectly(found)
	found.UserAgent, found.QPS, found.Burst = c.UserAgent, c.QPS, c.Burst
	return found, nil
}

const namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// PodNamespace is the namespace of the program's Pod; empty outside a cluster.
func PodNamespace() string { return namespaceIn(namespaceFile) }

func namespaceIn(file string) string {
	raw, err := os.ReadFile(file) //nolint:gosec // a constant but in tests
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(raw))
}
