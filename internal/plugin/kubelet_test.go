// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"

	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// kubelet forwards ports as a node's does: for the API server, which is what the plugin speaks to.
// All of a Pod's ports lead to one address, and which were asked for is noted.
type kubelet struct {
	*httptest.Server
	leadsTo string
	paths   chan string
}

func newKubelet(t *testing.T, leadsTo string) *kubelet {
	t.Helper()
	k := &kubelet{leadsTo: leadsTo, paths: make(chan string, 16)}
	k.Server = httptest.NewTLSServer(http.HandlerFunc(k.forward))
	t.Cleanup(k.CloseClientConnections)
	return k
}

func (k *kubelet) forward(w http.ResponseWriter, r *http.Request) {
	if _, err := httpstream.Handshake(r, w, []string{"portforward.k8s.io"}); err != nil {
		return
	}
	streams := make(chan httpstream.Stream)
	conn := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(s httpstream.Stream, _ <-chan struct{}) error {
		streams <- s
		return nil
	})
	if conn == nil {
		return
	}
	defer func() { _ = conn.Close() }()
	// namespace, Pod and perhaps its UID
	path := strings.Split(strings.TrimPrefix(r.URL.Path, "/portForward/"), "/")
	for {
		select {
		case s := <-streams:
			if s.Headers().Get(corev1.StreamType) == corev1.StreamTypeError {
				_ = s.Close() // there is no error
				continue
			}
			k.paths <- path[0] + "/" + path[1] + ":" + s.Headers().Get(corev1.PortHeader)
			go k.join(r.Context(), s)
		case <-conn.CloseChan():
			return
		}
	}
}

func (k *kubelet) join(ctx context.Context, s httpstream.Stream) {
	to, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", k.leadsTo)
	if err != nil {
		_ = s.Reset()
		return
	}
	defer func() { _ = to.Close() }()
	go func() {
		_, _ = io.Copy(to, s)
		_ = to.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(s, to)
	_ = s.Close()
}

// receiverPodOn makes the receiver's Pod, on a node that the kubelet is.
func (f *fixture) receiverPodOn(k *kubelet) {
	f.Helper()
	address, err := url.Parse(k.URL)
	f.must(err)
	port, err := strconv.ParseInt(address.Port(), 10, 32)
	f.must(err)
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: f.namespace}}
	f.create(node)
	node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: address.Hostname()}}
	node.Status.DaemonEndpoints.KubeletEndpoint.Port = int32(port)
	f.must(api.Client.Status().Update(f.Context(), node))
	f.create(&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default", Namespace: f.namespace}})
	f.withStatusOfPod(&corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "receiver", Namespace: f.namespace, Labels: map[string]string{
			"app.kubernetes.io/name": "cloudinary-operator", "app.kubernetes.io/component": "receiver",
		}},
		Spec: corev1.PodSpec{NodeName: node.Name, Containers: []corev1.Container{{Name: "receiver", Image: "none"}}},
	}, corev1.PodRunning)
}

func TestDeadLettersByPortForward(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.now = noon
	store, listener := f.realListener()
	k := newKubelet(t, strings.TrimPrefix(listener, "http://"))
	f.receiverPodOn(k)
	call := func(args ...string) string {
		t.Helper()
		return f.succeeds(append(append([]string{"deadletters"}, args...), "--operator-namespace", f.namespace)...)
	}
	if listed := call("list", "media", "--admin-bind-address", "127.0.0.1:9999"); strings.Count(listed, "the Service answered 400") != 3 {
		t.Errorf("listed:\n%s", listed)
	}
	if diff := cmp.Diff(f.namespace+"/receiver:9999", <-k.paths); diff != "" {
		t.Errorf("forwarded to (-want +got):\n%s", diff)
	}
	call("discard", "media", "--all", "--yes")
	if diff := cmp.Diff([]string{}, dead(store)); diff != "" {
		t.Errorf("dead letters after all were discarded (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(f.namespace+"/receiver:8082", <-k.paths); diff != "" {
		t.Errorf("forwarded to (-want +got):\n%s", diff)
	}
}
