// SPDX-License-Identifier: Apache-2.0

package program

import (
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// proxyCase is which of the configurations below a process of its own connects by: the environment's proxy is read once a process.
const proxyCase = "TEST_PROXY_CASE"

const namedProxy = "TEST_NAMED_PROXY"

func configOf(t *testing.T, name string) *rest.Config {
	t.Helper()
	config := &rest.Config{Host: "https://kubernetes.invalid", Timeout: 30 * time.Second}
	switch name {
	case "a Pod's service account":
		config.BearerToken, config.BearerTokenFile = "token", podTokenFile
	case "a kubeconfig with a proxy-url":
		proxy, err := url.Parse(os.Getenv(namedProxy))
		if err != nil {
			t.Fatal(err)
		}
		config.Proxy = http.ProxyURL(proxy)
	}
	return config
}

func TestOnlyThePodsClusterIsReachedPastTheProxy(t *testing.T) {
	if name := os.Getenv(proxyCase); name != "" {
		config := configOf(t, name)
		reachPodsClusterDirectly(config)
		client, err := rest.HTTPClientFor(config)
		if err != nil {
			t.Fatal(err)
		}
		if response, err := client.Get(config.Host + "/version"); err == nil { //nolint:noctx // a process for this alone
			t.Errorf("something answers for a host that cannot be: %s", response.Status)
			_ = response.Body.Close()
		}
		return
	}
	const environment, named = "the environment's", "the kubeconfig's"
	for name, want := range map[string]string{
		"a Pod's service account":       "",
		"a kubeconfig":                  environment,
		"a kubeconfig with a proxy-url": named,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := make(chan string, 16)
			command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOnlyThePodsClusterIsReachedPastTheProxy$")
			command.Env = append(os.Environ(), proxyCase+"="+name, "NO_PROXY=", "no_proxy=",
				"HTTPS_PROXY="+listen(t, environment, asked), namedProxy+"="+listen(t, named, asked))
			if output, err := command.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, output)
			}
			got := ""
			select {
			case got = <-asked:
			default:
			}
			if got != want {
				t.Errorf("the proxy that was asked is %q, want %q", got, want)
			}
		})
	}
}

// listen is the address of a proxy that only tells that it was asked.
func listen(t *testing.T, name string, asked chan<- string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it returns at once
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			asked <- name
			_ = connection.Close()
		}
	}()
	return "http://" + listener.Addr().String()
}
