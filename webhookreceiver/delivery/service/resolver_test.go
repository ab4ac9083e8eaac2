// SPDX-License-Identifier: Apache-2.0

package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/cloudinary-operator/cloudinary-operator/internal/kube"
)

// reader is an API server that has one Service.
type reader struct {
	service *corev1.Service
	slices  []discoveryv1.EndpointSlice
	err     error
	hang    bool
	name    string // of the Service, "" for catalog

	mu   sync.Mutex
	gets int
}

func (r *reader) Get(ctx context.Context, key types.NamespacedName, into kube.Object) error {
	r.mu.Lock()
	r.gets++
	r.mu.Unlock()
	if r.hang {
		<-ctx.Done()
		return ctx.Err()
	}
	if r.err != nil {
		return r.err
	}
	if r.service == nil || key.Namespace != "shop" || key.Name != cmp.Or(r.name, "catalog") {
		return apierrors.NewNotFound(schema.GroupResource{Resource: "services"}, key.Name)
	}
	r.service.DeepCopyInto(into.(*corev1.Service))
	return nil
}

func (r *reader) List(_ context.Context, namespace, labels string, into runtime.Object) error {
	if namespace != "shop" || labels != "kubernetes.io/service-name="+cmp.Or(r.name, "catalog") {
		return fmt.Errorf("listed %s in %s", labels, namespace)
	}
	into.(*discoveryv1.EndpointSliceList).Items = r.slices
	return nil
}

func aService(change func(*corev1.ServiceSpec)) *corev1.Service {
	s := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "catalog"},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeClusterIP, ClusterIP: "10.96.0.7", Selector: map[string]string{"app": "catalog"},
			Ports: []corev1.ServicePort{
				{Name: "dns", Port: 80, Protocol: corev1.ProtocolUDP},
				{Name: "http", Port: 80, Protocol: corev1.ProtocolTCP, TargetPort: intstr.FromString("web")},
				{Name: "admin", Port: 8080, TargetPort: intstr.FromInt32(9090)},
			},
		},
	}
	if change != nil {
		change(&s.Spec)
	}
	return s
}

func headless(s *corev1.ServiceSpec) { s.ClusterIP = corev1.ClusterIPNone }

// pods is a slice with the ports http: 8081 and admin: 9090.
func pods(endpoints ...discoveryv1.Endpoint) []discoveryv1.EndpointSlice {
	return []discoveryv1.EndpointSlice{{
		ObjectMeta: metav1.ObjectMeta{Name: "catalog-abcde", Labels: map[string]string{discoveryv1.LabelManagedBy: managedByKubernetes}},
		Ports: []discoveryv1.EndpointPort{
			{Name: new("dns"), Port: new(int32(53)), Protocol: new(corev1.ProtocolUDP)},
			{Name: new("http"), Port: new(int32(8081)), Protocol: new(corev1.ProtocolTCP)},
			{Name: new("admin"), Port: new(int32(9090))},
		},
		Endpoints: endpoints,
	}}
}

func pod(address string, ready *bool) discoveryv1.Endpoint {
	return discoveryv1.Endpoint{Addresses: []string{address}, Conditions: discoveryv1.EndpointConditions{Ready: ready}}
}

// handmade are slices that somebody else than Kubernetes has written.
func handmade(by string, endpoints ...discoveryv1.Endpoint) []discoveryv1.EndpointSlice {
	all := pods(endpoints...)
	all[0].Name, all[0].Labels = "mine", map[string]string{discoveryv1.LabelManagedBy: by}
	return all
}

func withoutSelector(s *corev1.ServiceSpec) { s.Selector = nil }

const (
	wantNoSelector = "Service catalog has no selector, which is refused: name a Service that selects Pods, or have the receiver started with --allow-selectorless-services"
	wantHandmade   = "Service catalog has the EndpointSlice mine, which Kubernetes does not manage, which is refused: delete it, or have the receiver started with --allow-selectorless-services"
	wantAddress    = "Service catalog leads to an address that is refused: it must not be loopback, link-local, multicast, of a metadata service, or in --deny-target-cidrs"
)

func number(n int32) intstr.IntOrString { return intstr.FromInt32(n) }

func changed(slices []discoveryv1.EndpointSlice, change func(*discoveryv1.EndpointSlice)) []discoveryv1.EndpointSlice {
	for i := range slices {
		change(&slices[i])
	}
	return slices
}

func TestResolve(t *testing.T) {
	cases := map[string]struct {
		reader  *reader
		options ResolverOptions
		port    intstr.IntOrString
		want    Address
		message string
	}{
		"a cluster IP": {
			reader: &reader{service: aService(nil)}, port: number(80), want: Address{HostPort: "10.96.0.7:80", Host: "catalog.shop.svc", Port: 80},
		},
		"another port": {
			reader: &reader{service: aService(nil)}, port: number(8080), want: Address{HostPort: "10.96.0.7:8080", Host: "catalog.shop.svc", Port: 8080},
		},
		"a cluster IP in IPv6": {
			reader: &reader{service: aService(func(s *corev1.ServiceSpec) { s.ClusterIP = "fd00::7" })}, port: number(80),
			want: Address{HostPort: "[fd00::7]:80", Host: "catalog.shop.svc", Port: 80},
		},
		"a headless Service": {
			reader: &reader{service: aService(headless), slices: pods(pod("10.244.0.1", new(false)), pod("10.244.0.2", new(true)))}, port: number(80),
			want: Address{HostPort: "10.244.0.2:8081", Host: "catalog.shop.svc", Port: 80},
		},
		"readiness unknown means ready": {
			reader: &reader{service: aService(headless), slices: pods(pod("10.244.0.2", nil))}, port: number(8080),
			want: Address{HostPort: "10.244.0.2:9090", Host: "catalog.shop.svc", Port: 8080},
		},
		"Pods where that is asked for": {
			reader: &reader{service: aService(nil), slices: pods(pod("fd00::2", nil))}, options: ResolverOptions{Mode: Endpoints}, port: number(80),
			want: Address{HostPort: "[fd00::2]:8081", Host: "catalog.shop.svc", Port: 80},
		},
		"one that takes its place": {
			reader: &reader{}, options: ResolverOptions{Overrides: map[string]string{"shop/catalog:80": "localhost:3000"}}, port: number(80),
			want: Address{HostPort: "localhost:3000", Host: "catalog.shop.svc", Port: 80},
		},
		"a port by its name": {
			reader: &reader{service: aService(nil)}, port: intstr.FromString("admin"), want: Address{HostPort: "10.96.0.7:8080", Host: "catalog.shop.svc", Port: 8080},
		},
		"a port by its name, of Pods": {
			reader: &reader{service: aService(headless), slices: pods(pod("10.244.0.2", nil))}, port: intstr.FromString("http"),
			want: Address{HostPort: "10.244.0.2:8081", Host: "catalog.shop.svc", Port: 80},
		},
		"a name that no port has": {
			reader: &reader{service: aService(nil)}, port: intstr.FromString("web"),
			message: `Service catalog has no TCP port "web": it has 80 (http), 8080 (admin)`,
		},
		"a name that a UDP port has": {
			reader: &reader{service: aService(nil)}, port: intstr.FromString("dns"),
			message: `Service catalog has no TCP port "dns": it has 80 (http), 8080 (admin)`,
		},
		"no TCP port": {
			reader: &reader{service: aService(func(s *corev1.ServiceSpec) { s.Ports = s.Ports[:1] })}, port: number(80),
			message: "Service catalog has no TCP port 80, nor any other",
		},
		"no Pods": {
			reader: &reader{service: aService(headless)}, port: number(80),
			message: "Service catalog has no endpoints: no Pod has the labels of its selector",
		},
		"slices whose port has another name": {
			reader: &reader{service: aService(headless), slices: changed(pods(pod("10.244.0.1", nil)), func(s *discoveryv1.EndpointSlice) {
				s.Ports = []discoveryv1.EndpointPort{{Name: new("web"), Port: new(int32(8081))}}
			})}, port: number(80),
			message: `Service catalog has endpoints, but none for its port 80: the port's name is "http", and those in its EndpointSlices are "web". They must be equal`,
		},
		"slices without ports": {
			reader:  &reader{service: aService(headless), slices: changed(pods(pod("10.244.0.1", nil)), func(s *discoveryv1.EndpointSlice) { s.Ports = nil })},
			port:    number(80),
			message: "Service catalog has endpoints, but its EndpointSlices have no ports: no Pod has a port for port 80 of the Service",
		},
		"slices of names": {
			reader: &reader{service: aService(headless), slices: changed(pods(pod("catalog.example.com", nil)), func(s *discoveryv1.EndpointSlice) {
				s.AddressType = discoveryv1.AddressTypeFQDN
			})}, port: number(80),
			message: "EndpointSlice catalog-abcde of Service catalog has the addressType FQDN, which is refused, since DNS is not asked: it needs addresses, as IPv4 or IPv6",
		},
		"no selector": {reader: &reader{service: aService(withoutSelector), slices: pods(pod("10.244.0.1", nil))}, port: number(80), message: wantNoSelector},
		"no selector, headless": {
			reader:  &reader{service: aService(func(s *corev1.ServiceSpec) { headless(s); withoutSelector(s) }), slices: pods(pod("10.244.0.1", nil))},
			options: ResolverOptions{Mode: Endpoints}, port: number(80), message: wantNoSelector,
		},
		"no selector where that is allowed": {
			reader:  &reader{service: aService(withoutSelector), slices: handmade("", pod("10.244.0.1", nil))},
			options: ResolverOptions{AllowSelectorless: true}, port: number(80), want: Address{HostPort: "10.96.0.7:80", Host: "catalog.shop.svc", Port: 80},
		},
		"no selector, allowed, but it leads to metadata": {
			reader:  &reader{service: aService(withoutSelector), slices: handmade("", pod("168.63.129.16", nil))},
			options: ResolverOptions{AllowSelectorless: true}, port: number(80), message: wantAddress,
		},
		"a slice of somebody's beside a selector": {
			reader: &reader{service: aService(nil), slices: append(pods(pod("10.244.0.1", nil)), handmade("", pod("10.0.0.9", nil))...)}, port: number(80), message: wantHandmade,
		},
		"a slice of another controller's": {
			reader: &reader{service: aService(nil), slices: handmade("mesh.example.com", pod("10.0.0.9", nil))}, port: number(80), message: wantHandmade,
		},
		"a slice of the mirror's, beside a selector": {
			reader: &reader{service: aService(nil), slices: handmade("endpointslicemirroring-controller.k8s.io", pod("10.0.0.9", nil))}, port: number(80), message: wantHandmade,
		},
		"a slice of somebody's, headless": {
			reader: &reader{service: aService(headless), slices: handmade("", pod("10.0.0.9", nil))}, port: number(80), message: wantHandmade,
		},
		"a slice of somebody's with Pods where that is asked for": {
			reader: &reader{service: aService(nil), slices: handmade("", pod("10.0.0.9", nil))}, options: ResolverOptions{Mode: Endpoints}, port: number(80), message: wantHandmade,
		},
		"a slice of somebody's where that is allowed": {
			reader:  &reader{service: aService(headless), slices: handmade("mesh.example.com", pod("10.0.0.9", nil))},
			options: ResolverOptions{AllowSelectorless: true}, port: number(80), want: Address{HostPort: "10.0.0.9:8081", Host: "catalog.shop.svc", Port: 80},
		},
		"an empty slice of somebody's": {
			reader: &reader{service: aService(nil), slices: handmade("")}, port: number(80), want: Address{HostPort: "10.96.0.7:80", Host: "catalog.shop.svc", Port: 80},
		},
		"a cluster IP behind which there is metadata": {
			reader: &reader{service: aService(nil), slices: pods(pod("10.244.0.1", nil), pod("100.100.100.200", nil))}, port: number(80), message: wantAddress,
		},
		"a cluster IP behind which there is metadata that is not ready": {
			reader: &reader{service: aService(nil), slices: pods(pod("fd00:ec2::23", new(false)))}, port: number(80), message: wantAddress,
		},
		"a Pod where the administrator wants none": {
			reader:  &reader{service: aService(nil), slices: pods(pod("10.244.0.1", nil))},
			options: ResolverOptions{Addresses: Addresses{Deny: []netip.Prefix{netip.MustParsePrefix("10.244.0.0/16")}}}, port: number(80), message: wantAddress,
		},
		"no Service": {reader: &reader{}, port: number(80), message: "Service catalog does not exist"},
		"ExternalName": {
			reader: &reader{service: aService(func(s *corev1.ServiceSpec) {
				s.Type, s.ExternalName = corev1.ServiceTypeExternalName, "169.254.169.254"
			})}, port: number(80),
			message: "Service catalog has the type ExternalName, which is refused: name a Service that selects Pods",
		},
		"a port that it does not have": {reader: &reader{service: aService(nil)}, port: number(443), message: "Service catalog has no TCP port 443: it has 80 (http), 8080 (admin)"},
		"no cluster IP yet": {
			reader: &reader{service: aService(func(s *corev1.ServiceSpec) { s.ClusterIP = "" })}, port: number(80), message: "Service catalog has no cluster IP yet",
		},
		"no Pod that is ready": {
			reader: &reader{service: aService(headless), slices: pods(pod("10.244.0.1", new(false)))}, port: number(80), message: "Service catalog has no ready endpoints: none of its 1 is ready",
		},
		"endpoints that are names": {
			reader: &reader{service: aService(headless), slices: pods(pod("metadata.example", nil))}, port: number(80), message: "Service catalog has no ready endpoints: none of its 1 is ready",
		},
		"not allowed": {
			reader: &reader{err: apierrors.NewForbidden(schema.GroupResource{Resource: "services"}, "catalog", errors.New("no"))}, port: number(80),
			message: "the receiver may not read Service catalog or its EndpointSlices: grant it get of services and list of endpointslices",
		},
		"an API server that fails": {
			reader: &reader{err: errors.New("dial tcp 10.0.0.1:443: secret")}, port: number(80), message: "the API server did not say where Service catalog is",
		},
		"an API server that hangs": {
			reader: &reader{hang: true}, port: number(80), message: "the API server did not say in time where Service catalog is",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			c.options.Reader = c.reader
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			if c.reader.hang {
				cancel()
				ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
			}
			defer cancel()
			got, err := NewResolver(c.options).Resolve(ctx, "shop", "catalog", c.port)
			message := ""
			if err != nil {
				message = resolveMessage(err, "catalog")
			}
			if got != c.want || message != c.message {
				t.Errorf("%+v, %q, want %+v, %q", got, message, c.want, c.message)
			}
			fitsAStatus(t, c.reader, c.options, c.port)
		})
	}
}

// fitsAStatus resolves once more, with names as long as Kubernetes takes them: what to do about an error stands last, where a message that
// is too long is cut off.
func fitsAStatus(t *testing.T, r *reader, o ResolverOptions, port intstr.IntOrString) {
	t.Helper()
	if r.hang {
		return
	}
	r.name = strings.Repeat("n", validation.DNS1035LabelMaxLength)
	for i := range r.slices {
		r.slices[i].Name = strings.Repeat("s", validation.DNS1123SubdomainMaxLength)
		for j := range r.slices[i].Ports {
			r.slices[i].Ports[j].Name = new(longest("s" + *r.slices[i].Ports[j].Name))
		}
	}
	if r.service != nil {
		r.service.Name = r.name
		for i := range r.service.Spec.Ports {
			r.service.Spec.Ports[i].Name = longest(r.service.Spec.Ports[i].Name)
		}
	}
	if _, err := NewResolver(o).Resolve(t.Context(), "shop", r.name, port); err != nil {
		if message := resolveMessage(err, r.name); len(message) > maxMessage {
			t.Errorf("%d bytes, and a status has room for %d: %s", len(message), maxMessage, message)
		}
	}
}

// longest makes a name as long as that of a port may be.
func longest(name string) string {
	return name + strings.Repeat("p", validation.DNS1123LabelMaxLength-len(name))
}

// maxMessage is up to how many bytes a status takes of an error of a delivery.
const maxMessage = 256

func TestResolverSpreadsOverPods(t *testing.T) {
	r := NewResolver(ResolverOptions{Reader: &reader{service: aService(headless), slices: pods(pod("10.244.0.1", nil), pod("10.244.0.2", nil))}})
	got := map[string]bool{}
	for range 100 {
		a, err := r.Resolve(t.Context(), "shop", "catalog", number(80))
		if err != nil {
			t.Fatal(err)
		}
		got[a.HostPort] = true
	}
	if len(got) != 2 {
		t.Errorf("100 attempts went to %v, want both", got)
	}
}

func TestResolverRemembers(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	api := &reader{service: aService(nil)}
	r := NewResolver(ResolverOptions{Reader: api, Now: func() time.Time { return now }})
	ask := func(name string, want int) {
		t.Helper()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { _, _ = r.Resolve(t.Context(), "shop", name, number(80)) })
		}
		wg.Wait()
		if api.gets != want {
			t.Errorf("the API server was asked %d times in all, want %d", api.gets, want)
		}
	}
	ask("catalog", 1)
	now = now.Add(29 * time.Second)
	ask("catalog", 1)
	now = now.Add(time.Second)
	ask("catalog", 2)
	r.Forget("shop", "catalog", number(80))
	ask("catalog", 3)
	ask("missing", 4)
	now = now.Add(4 * time.Second)
	ask("missing", 4)
	now = now.Add(time.Second)
	ask("missing", 5)

	for i := range 2 * maxResolved {
		_, _ = r.Resolve(t.Context(), "shop", fmt.Sprint(i), number(80))
	}
	if len(r.known) > maxResolved {
		t.Errorf("%d Services are remembered, want %d at most", len(r.known), maxResolved)
	}
}

// A Service that was fine may have got an EndpointSlice of somebody's since. New connections do not wait for it to be resolved anew.
func TestConnectionsGoByWhatTheServiceLeadsToNow(t *testing.T) {
	now := time.Unix(1_795_000_000, 0)
	api := &reader{service: aService(nil), slices: pods(pod("10.244.0.1", nil))}
	r := NewResolver(ResolverOptions{Reader: api, Now: func() time.Time { return now }})
	if _, err := r.Resolve(t.Context(), "shop", "catalog", number(80)); err != nil {
		t.Fatal(err)
	}
	api.slices = append(api.slices, handmade("", pod("10.0.0.9", nil))...)
	now = now.Add(checkedFor - 1)
	if err := r.Check(t.Context(), "shop", "catalog", number(80)); err != nil || api.gets != 1 {
		t.Errorf("%v after %d questions, want none so soon: each connection would ask", err, api.gets)
	}
	now = now.Add(1)
	if err := r.Check(t.Context(), "shop", "catalog", number(80)); err == nil || err.Error() != wantHandmade {
		t.Errorf("a connection may be made: %v, want %s", err, wantHandmade)
	}
	if _, err := r.Resolve(t.Context(), "shop", "catalog", number(80)); err == nil {
		t.Error("it is resolved as before")
	}
	api.err = errors.New("connection refused")
	now = now.Add(time.Hour)
	if err := r.Check(t.Context(), "shop", "catalog", number(80)); err == nil {
		t.Error("it may be connected to while the API server is away")
	}
}

func TestResolverGoesOnWhileTheAPIServerIsAway(t *testing.T) {
	now := time.Unix(1_795_000_000, 0)
	api := &reader{service: aService(nil)}
	r := NewResolver(ResolverOptions{Reader: api, Now: func() time.Time { return now }})
	resolve := func() (Address, error) { return r.Resolve(t.Context(), "shop", "catalog", number(80)) }
	if _, err := resolve(); err != nil {
		t.Fatal(err)
	}
	api.err = errors.New("connection refused")
	now = now.Add(time.Hour)
	if a, err := resolve(); err != nil || a.HostPort != "10.96.0.7:80" {
		t.Errorf("%v, %v, want the address that was there before", a, err)
	}
	r.Forget("shop", "catalog", number(80))
	if a, err := resolve(); err != nil || a.HostPort != "10.96.0.7:80" {
		t.Errorf("after it did not work: %v, %v", a, err)
	}
	api.err, api.service = nil, nil
	now = now.Add(time.Minute)
	if _, err := resolve(); err == nil {
		t.Error("a Service that is gone is still resolved")
	}
}
