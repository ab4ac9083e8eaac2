// SPDX-License-Identifier: Apache-2.0

package test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

// arrival is a request that a target got.
type arrival struct {
	asset   string
	seq     int
	body    string
	header  http.Header
	genuine bool // its signature still fits
}

// target is somebody's Service, served by the test.
type target struct {
	mu       sync.Mutex
	arrivals []arrival
	answer   func(arrival) int // nil: 200
}

// targetAddress is one that an EndpointSlice may have: Kubernetes permits no loopback address there.
func targetAddress(t *testing.T) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	t.Fatal("this machine has no IPv4 address but its loopback, so no Service can lead to a target of the test: give it one (ip addr add)")
	return ""
}

// target starts a target and makes the Service that leads to it, catalog.
func (s *receiverSetting) target() *target {
	s.Helper()
	t := &target{}
	listener, err := (&net.ListenConfig{}).Listen(s.Context(), "tcp", net.JoinHostPort(targetAddress(s.T), "0"))
	s.must(err)
	server := httptest.NewUnstartedServer(t)
	_ = server.Listener.Close() // the one that httptest made
	server.Listener = listener
	server.Start()
	s.Cleanup(server.Close)
	s.service("catalog", listener.Addr().String())
	return t
}

// service makes a Service, and where it leads, as Kubernetes would for the Pods that it selects.
func (s *receiverSetting) service(name, address string) {
	s.Helper()
	host, portText, err := net.SplitHostPort(address)
	s.must(err)
	number, err := strconv.ParseInt(portText, 10, 32)
	s.must(err)
	port := int32(number)
	s.must(cluster.Client.Create(s.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: s.namespace},
		Spec: corev1.ServiceSpec{
			ClusterIP: corev1.ClusterIPNone, Selector: map[string]string{"app": name}, Ports: []corev1.ServicePort{{Name: "http", Port: 80}},
		},
	}))
	s.must(cluster.Client.Create(s.Context(), &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Name: name + "-1", Namespace: s.namespace,
			Labels: map[string]string{discoveryv1.LabelServiceName: name, discoveryv1.LabelManagedBy: "endpointslice-controller.k8s.io"},
		},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{host}}},
		Ports:       []discoveryv1.EndpointPort{{Name: new("http"), Port: &port}},
	}))
}

// toCatalog is the target of an endpoint.
func toCatalog() v1alpha1.DeliveryTarget {
	return v1alpha1.DeliveryTarget{Name: "catalog", Service: &v1alpha1.ServiceTarget{Name: "catalog", Port: intstr.FromInt32(80), Path: "/hooks?from=receiver"}}
}

func (t *target) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // it was cut off: nothing has arrived
	}
	var fields struct {
		AssetID string  `json:"asset_id"`
		Seq     float64 `json:"seq"`
	}
	_ = json.Unmarshal(body, &fields) // what is not there stays empty
	a := arrival{
		asset: fields.AssetID, seq: int(fields.Seq), body: string(body), header: r.Header.Clone(),
		genuine: r.Header.Get("X-Cld-Signature") == signature(body, r.Header.Get("X-Cld-Timestamp"), theKey().Secret),
	}
	t.mu.Lock()
	t.arrivals = append(t.arrivals, a)
	answer := t.answer
	t.mu.Unlock()
	status := http.StatusOK
	if answer != nil {
		status = answer(a)
	}
	w.WriteHeader(status)
}

// answers has the target answer otherwise from now on; nil: 200.
func (t *target) answers(with func(arrival) int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.answer = with
}

// got is what has arrived so far.
func (t *target) got() []arrival {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clip(t.arrivals)
}

// bodies counts the arrivals by body.
func (t *target) bodies() map[string]int {
	counts := map[string]int{}
	for _, a := range t.got() {
		counts[a.body]++
	}
	return counts
}

// always is an answer for every request.
func always(status int) func(arrival) int { return func(arrival) int { return status } }
