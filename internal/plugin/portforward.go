// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// receiverOptions say where the receiver is.
type receiverOptions struct {
	namespace string
	address   string // of the admin listener within the Pod
	url       string // of the admin listener, where no Pod is to be looked for
}

// addReceiver adds the flags that say where the receiver is.
func (c *cli) addReceiver(cmd *cobra.Command, o *receiverOptions) {
	f := cmd.Flags()
	c.addOperatorNamespace(cmd, &o.namespace, "The namespace of the receiver's Pod.")
	f.StringVar(&o.address, "admin-bind-address", "127.0.0.1:8082", "The receiver's flag of this name.")
	f.StringVar(&o.url, "receiver-admin-url", "", "The receiver's admin listener, instead of a port-forward to its Pod.")
	orEnv(f, "receiver-admin-url", envReceiverAdminURL)
}

func (c *cli) addOperatorNamespace(cmd *cobra.Command, namespace *string, usage string) {
	const name = "operator-namespace"
	cmd.Flags().StringVar(namespace, name, "cloudinary-operator-system", usage)
	orEnv(cmd.Flags(), name, envOperatorNamespace)
	// Fails only for a flag that does not exist
	_ = cmd.RegisterFlagCompletionFunc(name, c.completeFlag(namespaceNames))
}

// reach returns a client of the receiver's admin listener: at its URL if given, else by a
// port-forward.
func (c *cli) reach(ctx context.Context, cl *cluster, o receiverOptions) (*adminClient, error) {
	if o.url != "" {
		u, err := url.Parse(o.url)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, errors.New("--receiver-admin-url must be an http or https address, for example http://127.0.0.1:8082")
		}
		return newAdminClient(o.url, func() {}), nil
	}
	port, err := adminPort(o.address)
	if err != nil {
		return nil, err
	}
	pod, err := cl.receiverPod(ctx, o.namespace)
	if err != nil {
		return nil, &unreachableError{err}
	}
	local, stop, err := forwardPort(ctx, cl.rest, pod, port)
	if err != nil {
		return nil, &unreachableError{fmt.Errorf("port-forward to Pod %s/%s: %w", pod.Namespace, pod.Name, err)}
	}
	return newAdminClient("http://127.0.0.1:"+strconv.Itoa(int(local)), stop), nil
}

func adminPort(address string) (uint16, error) {
	host, port, err := net.SplitHostPort(address)
	number, numberErr := strconv.ParseUint(port, 10, 16)
	ip, ipErr := netip.ParseAddr(host)
	loopback := host == "localhost" || ipErr == nil && ip.IsLoopback()
	if err != nil || numberErr != nil || number == 0 || !loopback {
		return 0, errors.New("--admin-bind-address must be that of the receiver's flag of this name, a loopback address with a port, for example 127.0.0.1:8082")
	}
	return uint16(number), nil
}

// receiverPod finds a running Pod of the receiver, the youngest first.
func (cl *cluster) receiverPod(ctx context.Context, namespace string) (*corev1.Pod, error) {
	var pods corev1.PodList
	labels := client.MatchingLabels{"app.kubernetes.io/name": "cloudinary-operator", "app.kubernetes.io/component": "receiver"}
	if err := cl.List(ctx, &pods, client.InNamespace(namespace), labels); err != nil {
		return nil, err
	}
	running := slices.DeleteFunc(pods.Items, func(p corev1.Pod) bool { return p.Status.Phase != corev1.PodRunning || p.DeletionTimestamp != nil })
	if len(running) == 0 {
		return nil, fmt.Errorf("no Pod of the receiver runs in namespace %s; see --operator-namespace, and --receiver-admin-url for a receiver outside of Pods", namespace)
	}
	slices.SortFunc(running, func(a, b corev1.Pod) int {
		return cmp.Or(b.CreationTimestamp.Compare(a.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	return &running[0], nil
}

// forwardPort forwards a free local port until stop is called. The errors include the log of its
// libraries.
func forwardPort(ctx context.Context, config *rest.Config, pod *corev1.Pod, port uint16) (local uint16, stop func(), err error) {
	dialer, err := newDialer(config, pod)
	if err != nil {
		return 0, nil, err
	}
	ctx, cancel := context.WithCancel(logr.NewContext(ctx, logr.Discard()))
	ready := make(chan struct{})
	forwarder, err := portforward.NewOnAddressesForStreamingWithContext(
		ctx, dialer, []string{"127.0.0.1"}, []string{fmt.Sprintf("0:%d", port)}, ready, io.Discard, io.Discard)
	if err != nil {
		cancel()
		return 0, nil, err
	}
	ended := make(chan error, 1)
	go func() {
		ended <- forwarder.ForwardPorts()
		close(ended)
	}()
	end := func() {
		cancel()
		for range ended {
		}
	}
	select {
	case err := <-ended:
		cancel()
		return 0, nil, cmp.Or(err, errors.New("it ended at once"))
	case <-ctx.Done():
		end()
		return 0, nil, ctx.Err()
	case <-ready:
	}
	ports, err := forwarder.GetPorts()
	if err != nil || len(ports) == 0 {
		end()
		return 0, nil, cmp.Or(err, errors.New("it has no port"))
	}
	return ports[0].Local, end, nil
}

// newDialer uses WebSocket, or SPDY for API servers without it, as kubectl does.
func newDialer(config *rest.Config, pod *corev1.Pod) (httpstream.Dialer, error) {
	target, err := podURL(config, pod)
	if err != nil {
		return nil, err
	}
	roundTripper, upgrader, err := spdy.RoundTripperFor(config)
	if err != nil {
		return nil, err
	}
	overSPDY := spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: roundTripper}, http.MethodPost, target)
	overWebSocket, err := portforward.NewSPDYOverWebsocketDialerForStreamingWithLogger(logr.Discard(), target, config)
	if err != nil {
		return nil, err
	}
	return portforward.NewFallbackDialerForStreaming(overWebSocket, overSPDY, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	}), nil
}

func podURL(config *rest.Config, pod *corev1.Pod) (*url.URL, error) {
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, err
	}
	return base.JoinPath("api", "v1", "namespaces", pod.Namespace, "pods", pod.Name, "portforward"), nil
}
