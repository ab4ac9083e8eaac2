// SPDX-License-Identifier: Apache-2.0

package test

import (
	"net"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
)

// failing waits until the endpoint says why its target fails.
func (s *receiverSetting) failing(parts ...string) {
	s.Helper()
	testenv.Eventually(s.T, patience, func() error {
		for _, c := range s.readEndpoint().Status.Conditions {
			if c.Type != v1alpha1.ConditionDelivering || c.Reason != v1alpha1.ReasonTargetFailing {
				continue
			}
			for _, part := range parts {
				if !strings.Contains(c.Message, part) {
					return errNot("Delivering says %q, want %q", c.Message, part)
				}
			}
			if strings.Contains(c.Message, targetAddress(s.T)) {
				s.Errorf("Delivering says %q, which has an address", c.Message)
			}
			return nil
		}
		return errNot("the endpoint has no Delivering=False/TargetFailing: %+v", s.readEndpoint().Status.Conditions)
	})
}

// A real API server takes all of these from whoever may write Services and EndpointSlices in a namespace.
func TestTargetsMustLeadToPods(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		slice   func(*discoveryv1.EndpointSlice)
		service func(*corev1.Service)
		flags   []string
		says    []string
	}{
		"no selector": {
			service: func(s *corev1.Service) { s.Spec.Selector = nil },
			says:    []string{"catalog has no selector", "--allow-selectorless-services"},
		},
		"a slice of somebody's": {
			slice: func(s *discoveryv1.EndpointSlice) { delete(s.Labels, discoveryv1.LabelManagedBy) },
			says:  []string{"has the EndpointSlice catalog-1", "--allow-selectorless-services"},
		},
		"a cloud's metadata": {
			slice: func(s *discoveryv1.EndpointSlice) { s.Endpoints[0].Addresses = []string{"168.63.129.16"} },
			says:  []string{"leads to an address that is refused", "metadata"},
		},
		"a network that is denied": {
			flags: []string{"--deny-target-cidrs=0.0.0.0/0"},
			says:  []string{"leads to an address that is refused", "--deny-target-cidrs"},
		},
		"a metadata service, where Services need no selector": {
			slice: func(s *discoveryv1.EndpointSlice) { s.Endpoints[0].Addresses = []string{"100.100.100.200"} },
			flags: []string{"--allow-selectorless-services"},
			says:  []string{"leads to an address that is refused", "metadata"},
		},
		"nobody listens": {
			slice: func(s *discoveryv1.EndpointSlice) { *s.Ports[0].Port = 1 },
			says:  []string{"connection refused"},
		},
	} {
		for _, routing := range []string{"ClusterIP", "Endpoints"} {
			if name == "nobody listens" && routing == "ClusterIP" {
				continue // no cluster IP leads anywhere here
			}
			t.Run(name+"/"+routing, func(t *testing.T) {
				t.Parallel()
				s := newReceiverSetting(t)
				s.keys(theKey())
				s.endpoint("media", toCatalog())
				listens := s.target()
				s.leads(routing, test.service, test.slice)
				p := s.start(append(test.flags, "--service-routing="+routing)...)
				s.ready(p)
				s.served("media")
				s.send("media", signedNow(`{"notification_type":"upload","public_id":"shoe"}`))
				s.failing(test.says...)
				if got := listens.got(); len(got) > 0 {
					t.Errorf("the target got %+v", got)
				}
			})
		}
	}
}

func TestServicesWithoutSelectorWorkWhereTheyAreAllowed(t *testing.T) {
	t.Parallel()
	s := newReceiverSetting(t)
	s.keys(theKey())
	s.endpoint("media", toCatalog())
	listens := s.target()
	s.leads("Endpoints", func(service *corev1.Service) { service.Spec.Selector = nil }, func(slice *discoveryv1.EndpointSlice) { delete(slice.Labels, discoveryv1.LabelManagedBy) })
	p := s.start("--allow-selectorless-services", "--service-routing=Endpoints")
	s.ready(p)
	s.served("media")
	s.send("media", signedNow(`{"notification_type":"upload","public_id":"shoe"}`))
	testenv.Eventually(t, patience, func() error {
		if got := len(listens.got()); got != 1 {
			return errNot("the target got %d notifications, want 1", got)
		}
		return nil
	})
}

// leads makes the Service catalog, which is headless, anew: with a cluster IP, or as it was, and with changes.
func (s *receiverSetting) leads(routing string, service func(*corev1.Service), slice func(*discoveryv1.EndpointSlice)) {
	s.Helper()
	meta := metav1.ObjectMeta{Namespace: s.namespace, Name: "catalog"}
	have := &corev1.Service{ObjectMeta: meta}
	s.must(cluster.Client.Get(s.Context(), client.ObjectKeyFromObject(have), have))
	s.must(cluster.Client.Delete(s.Context(), have))
	anew := &corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{Selector: have.Spec.Selector, Ports: have.Spec.Ports}}
	if service != nil {
		service(anew)
	}
	s.must(cluster.Client.Create(s.Context(), anew))
	if net.ParseIP(anew.Spec.ClusterIP) == nil {
		s.Fatalf("with --service-routing=%s the Service has the cluster IP %q", routing, anew.Spec.ClusterIP)
	}
	of := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "catalog-1"}}
	s.must(cluster.Client.Get(s.Context(), client.ObjectKeyFromObject(of), of))
	if slice != nil {
		slice(of)
		s.must(cluster.Client.Update(s.Context(), of))
	}
}
