// SPDX-License-Identifier: Apache-2.0

package rights

import (
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery/service"
)

// catalog is somebody's Service, served by the test.
type catalog struct {
	refuse atomic.Bool // for good
	taken  atomic.Int64
}

func (c *catalog) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	if c.refuse.Load() {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.taken.Add(1)
}

func (c *catalog) has(n int64) error {
	if got := c.taken.Load(); got < n {
		return fmt.Errorf("%d of %d notifications have arrived", got, n)
	}
	return nil
}

// target is how the catalog is reached: over TLS, by a certificate for the name that httptest's have.
func (c *catalog) target() *v1alpha1.ServiceTarget {
	return &v1alpha1.ServiceTarget{
		Name: "catalog", Port: intstr.FromString("http"), Scheme: v1alpha1.SchemeHTTPS,
		TLS: &v1alpha1.ServiceTLS{CAConfigMapRef: &v1alpha1.ConfigMapKeyReference{Name: service.TargetCAName}, ServerName: "example.com"},
	}
}

// newCatalog makes a headless Service, so that EndpointSlices say where it is.
func (s *story) newCatalog() *catalog {
	s.Helper()
	c := &catalog{}
	listener, err := (&net.ListenConfig{}).Listen(s.Context(), "tcp", net.JoinHostPort(s.outerAddress(), "0"))
	s.must(err)
	server := httptest.NewUnstartedServer(c)
	_ = server.Listener.Close() // the one that httptest made
	server.Listener = listener
	server.StartTLS()
	s.Cleanup(server.Close)
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		s.Fatalf("the target listens at %v", listener.Addr())
	}
	port := int32(address.Port)
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: s.meta("catalog-1"), AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints: []discoveryv1.Endpoint{{Addresses: []string{address.IP.String()}}},
		Ports:     []discoveryv1.EndpointPort{{Name: new("http"), Port: &port}},
	}
	slice.Labels = map[string]string{discoveryv1.LabelServiceName: "catalog", discoveryv1.LabelManagedBy: "endpointslice-controller.k8s.io"}
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	s.create(slice, &corev1.ConfigMap{
		ObjectMeta: s.meta(service.TargetCAName), Data: map[string]string{v1alpha1.DefaultCAKey: string(authority)},
	}, &corev1.Service{
		ObjectMeta: s.meta("catalog"),
		Spec: corev1.ServiceSpec{
			ClusterIP: corev1.ClusterIPNone, Selector: map[string]string{"app": "catalog"}, Ports: []corev1.ServicePort{{Name: "http", Port: 80}},
		},
	})
	return c
}

// outerAddress is one that an EndpointSlice may have: Kubernetes permits no loopback address there.
func (s *story) outerAddress() string {
	s.Helper()
	addresses, err := net.InterfaceAddrs()
	s.must(err)
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	s.Fatal("this machine has no IPv4 address but its loopback, so no Service can lead to a target of the test: give it one (ip addr add)")
	return ""
}
