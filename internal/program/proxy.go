// SPDX-License-Identifier: Apache-2.0

package program

import (
	"net/http"
	"net/url"

	"k8s.io/client-go/rest"
)

// podTokenFile is what client-go authenticates with by the Pod's service account, and then alone.
const podTokenFile = "/var/run/secrets/kubernetes.io/serviceaccount/token" //nolint:gosec // a path, not a token

// reachPodsClusterDirectly keeps calls to the API server of the Pod's own cluster from the proxy in HTTPS_PROXY, which client-go would send
// them to: that is for Cloudinary, on the internet, and need not know the way back into the cluster. A kubeconfig says itself whether its
// cluster is behind a proxy, and without a proxy-url the environment counts, as with kubectl.
func reachPodsClusterDirectly(config *rest.Config) {
	if config.BearerTokenFile == podTokenFile && config.Proxy == nil {
		config.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil } //nolint:nilnil // no proxy, says http.Transport
	}
}
