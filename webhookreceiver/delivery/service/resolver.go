// SPDX-License-Identifier: Apache-2.0

package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/cloudinary-operator/cloudinary-operator/internal/excerpt"
	"github.com/cloudinary-operator/cloudinary-operator/internal/kube"
)

// Address is where a request goes.
type Address struct {
	// HostPort is what is dialed.
	HostPort string
	// Host is the Service's name in the cluster's DNS, and Port its number there; 0: not known.
	Host string
	Port int32
}

// header is the Host header of a request over a scheme whose port need not be named.
func (a *Address) header(usual int32) string {
	if a.Port == usual || a.Port == 0 {
		return a.Host
	}
	return a.Host + ":" + strconv.Itoa(int(a.Port))
}

// Resolver says where a Service is.
type Resolver interface {
	// Resolve returns one address of a port of a Service, possibly another one each time. An error that is a *ResolveError
	// has a text that is fit for a status.
	Resolve(ctx context.Context, namespace, name string, port intstr.IntOrString) (Address, error)
	// Check is called before a connection is made to an address that Resolve returned, and says why there must be none now.
	Check(ctx context.Context, namespace, name string, port intstr.IntOrString) error
	// Forget is called when an address did not work.
	Forget(namespace, name string, port intstr.IntOrString)
}

// ResolveError means that a Service cannot be a target as it is. It is tried again: a manifest may be on its way.
type ResolveError struct{ Message string }

// Error says what is wrong and what to do.
func (e *ResolveError) Error() string { return e.Message }

func unusable(format string, args ...any) error {
	return &ResolveError{Message: fmt.Sprintf(format, args...)}
}

// Mode is what connections are made to.
type Mode string

// The modes.
const (
	// ClusterIP connects to the Service's address, and leaves it to the cluster which Pod answers. Those of a headless
	// Service are connected to directly.
	ClusterIP Mode = "ClusterIP"
	// Endpoints connects to the Pods that are ready, chosen at random for each attempt.
	Endpoints Mode = "Endpoints"
)

const (
	// knownFor is how long an address counts for requests. checkedFor is how long it counts for new connections, which are fewer: where a
	// Service leads to may have changed since.
	knownFor    = 30 * time.Second
	checkedFor  = 5 * time.Second
	unknownFor  = 5 * time.Second
	maxResolved = 4096
	lookupTime  = 10 * time.Second
)

// Reader asks the API server. A kube.Client is one.
type Reader interface {
	Get(ctx context.Context, key types.NamespacedName, into kube.Object) error
	List(ctx context.Context, namespace, labels string, into runtime.Object) error
}

// ResolverOptions say how a ClusterResolver works. Reader is needed.
type ResolverOptions struct {
	// Reader gets Services and lists EndpointSlices, nothing else.
	Reader Reader
	// Mode is ClusterIP if empty.
	Mode Mode
	// Addresses are judged of everything that a Service leads to, also where the cluster chooses among it.
	Addresses Addresses
	// AllowSelectorless allows Services of which others than Kubernetes say where they lead: those without a selector, and those with
	// EndpointSlices that Kubernetes does not manage.
	AllowSelectorless bool
	// Overrides are addresses as host:port that take the place of a Service's, by namespace/name:port. For development.
	Overrides map[string]string
	// Now tells the time. Nil: the system's.
	Now func() time.Time
}

// ClusterResolver finds Services by the Kubernetes API. It remembers what it found for half a minute.
type ClusterResolver struct {
	o       ResolverOptions
	judge   *judge
	lookups singleflight.Group

	mu    sync.Mutex
	known map[string]resolved
}

type resolved struct {
	addresses []string
	port      int32 // of the Service
	err       error
	asked     time.Time
	until     time.Time
}

// NewResolver makes a ClusterResolver.
func NewResolver(o ResolverOptions) *ClusterResolver {
	if o.Now == nil {
		o.Now = time.Now //nolint:forbidigo // the one place where the injected clock gets its default
	}
	return &ClusterResolver{o: o, judge: o.Addresses.judge(), known: map[string]resolved{}}
}

func keyOf(namespace, name string, port intstr.IntOrString) string {
	return namespace + "/" + name + ":" + port.String()
}

// Resolve implements Resolver.
func (r *ClusterResolver) Resolve(ctx context.Context, namespace, name string, port intstr.IntOrString) (Address, error) {
	host := name + "." + namespace + ".svc"
	key := keyOf(namespace, name, port)
	if to, ok := r.o.Overrides[key]; ok {
		return Address{HostPort: to, Host: host, Port: port.IntVal}, nil
	}
	found, err := r.find(ctx, namespace, name, port, knownFor)
	if err != nil {
		return Address{}, err
	}
	to := found.addresses[rand.IntN(len(found.addresses))] //nolint:gosec // which of them does not matter
	return Address{HostPort: to, Host: host, Port: found.port}, nil
}

// Check implements Resolver.
func (r *ClusterResolver) Check(ctx context.Context, namespace, name string, port intstr.IntOrString) error {
	if _, ok := r.o.Overrides[keyOf(namespace, name, port)]; ok {
		return nil
	}
	_, err := r.find(ctx, namespace, name, port, checkedFor)
	return err
}

// find is what is known of a Service if that was asked within age, else what the API server says now.
func (r *ClusterResolver) find(ctx context.Context, namespace, name string, port intstr.IntOrString, age time.Duration) (resolved, error) {
	key := keyOf(namespace, name, port)
	found, ok := r.recall(key, age)
	if !ok {
		var err error
		if found, err = r.lookup(ctx, key, types.NamespacedName{Namespace: namespace, Name: name}, port, age); err != nil {
			return resolved{}, err
		}
	}
	return found, found.err
}

// Forget implements Resolver.
func (r *ClusterResolver) Forget(namespace, name string, port intstr.IntOrString) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if found, ok := r.known[keyOf(namespace, name, port)]; ok {
		found.until = time.Time{}
		r.known[keyOf(namespace, name, port)] = found
	}
}

func (r *ClusterResolver) recall(key string, age time.Duration) (resolved, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	found, ok := r.known[key]
	now := r.o.Now()
	return found, ok && now.Before(found.until) && now.Before(found.asked.Add(age))
}

func (r *ClusterResolver) remember(key string, found resolved) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.known) >= maxResolved {
		clear(r.known) // all of it can be had again
	}
	r.known[key] = found
}

// lookup asks the API server, once for all who want to know the same. The question outlives a caller that gives up.
func (r *ClusterResolver) lookup(ctx context.Context, key string, service types.NamespacedName, port intstr.IntOrString, age time.Duration) (resolved, error) {
	answer := r.lookups.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookupTime)
		defer cancel()
		found, ok := r.recall(key, age)
		if ok {
			return found, nil // just now
		}
		now := r.o.Now()
		asked := resolved{asked: now, until: now.Add(knownFor)}
		asked.addresses, asked.port, asked.err = r.addresses(ctx, service, port)
		if asked.err != nil {
			asked.until = now.Add(unknownFor)
		}
		if known := (*ResolveError)(nil); asked.err != nil && len(found.addresses) > 0 && !errors.As(asked.err, &known) {
			// The API server does not say. Where the Service was is most likely where it is.
			asked.addresses, asked.port, asked.err = found.addresses, found.port, nil
		}
		r.remember(key, asked)
		return asked, nil
	})
	select {
	case a := <-answer:
		return a.Val.(resolved), a.Err // see above
	case <-ctx.Done():
		return resolved{}, ctx.Err()
	}
}

// addresses are where a port of a Service is, and its number.
func (r *ClusterResolver) addresses(ctx context.Context, key types.NamespacedName, port intstr.IntOrString) ([]string, int32, error) {
	var s corev1.Service
	if err := r.o.Reader.Get(ctx, key, &s); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, 0, unusable("Service %s does not exist", key.Name)
		}
		return nil, 0, fmt.Errorf("get Service %s: %w", key, err)
	}
	at, err := r.portOf(&s, port)
	if err != nil {
		return nil, 0, err
	}
	var list discoveryv1.EndpointSliceList
	if err := r.o.Reader.List(ctx, key.Namespace, discoveryv1.LabelServiceName+"="+key.Name, &list); err != nil {
		return nil, 0, fmt.Errorf("list EndpointSlices of Service %s: %w", key, err)
	}
	if err := r.leadsToPods(key, list.Items); err != nil {
		return nil, 0, err
	}
	switch {
	case r.o.Mode == Endpoints || s.Spec.ClusterIP == corev1.ClusterIPNone:
		found, err := readyAddresses(key, list.Items, at)
		return found, at.Port, err
	case s.Spec.ClusterIP == "":
		return nil, 0, unusable("Service %s has no cluster IP yet", key.Name)
	default:
		return []string{net.JoinHostPort(s.Spec.ClusterIP, strconv.Itoa(int(at.Port)))}, at.Port, nil
	}
}

// portOf is the port of a Service that can be a target.
func (r *ClusterResolver) portOf(s *corev1.Service, port intstr.IntOrString) (*corev1.ServicePort, error) {
	switch {
	case s.Spec.Type == corev1.ServiceTypeExternalName:
		return nil, unusable("Service %s has the type ExternalName, which is refused: name a Service that selects Pods", s.Name)
	case len(s.Spec.Selector) == 0 && !r.o.AllowSelectorless:
		return nil, unusable("Service %s has no selector, which is refused: name a Service that selects Pods, or have the receiver started with %s",
			s.Name, flagSelectorless)
	}
	i := slices.IndexFunc(s.Spec.Ports, func(p corev1.ServicePort) bool {
		is := p.Port == port.IntVal
		if port.Type == intstr.String {
			is = p.Name == port.StrVal
		}
		return is && overTCP(&p.Protocol)
	})
	if i < 0 {
		return nil, noSuchPort(s.Name, s.Spec.Ports, port)
	}
	return &s.Spec.Ports[i], nil
}

func overTCP(protocol *corev1.Protocol) bool {
	return protocol == nil || cmp.Or(*protocol, corev1.ProtocolTCP) == corev1.ProtocolTCP
}

// noSuchPort names the ports that there are, as far as a message has room.
func noSuchPort(service string, ports []corev1.ServicePort, port intstr.IntOrString) error {
	wanted := port.String()
	if port.Type == intstr.String {
		wanted = strconv.Quote(port.StrVal)
	}
	var has []string
	for i := range ports {
		p := &ports[i]
		if !overTCP(&p.Protocol) {
			continue
		}
		text := strconv.Itoa(int(p.Port))
		if p.Name != "" {
			text += " (" + short(p.Name) + ")"
		}
		has = append(has, text)
	}
	if len(has) == 0 {
		return unusable("Service %s has no TCP port %s, nor any other", service, wanted)
	}
	return unusable("Service %s has no TCP port %s: it has %s", service, wanted, firstOf(has))
}

// A message has room for so many bytes of a name that is not the Service's, and of a list of names: the advice comes after them.
const (
	maxNameBytes  = 24
	maxNamesBytes = 48
)

func short(name string) string { return excerpt.Shorten(name, maxNameBytes) }

// firstOf lists as many as fit into a message, and at least one.
func firstOf(names []string) string {
	list := names[0]
	for _, name := range names[1:] {
		if len(list)+len(name) > maxNamesBytes {
			return list + " and more"
		}
		list += ", " + name
	}
	return list
}

const flagSelectorless = "--allow-selectorless-services"

// managedByKubernetes is how Kubernetes labels the EndpointSlices that it makes for a selector. What others label so, it corrects.
const managedByKubernetes = "endpointslice-controller.k8s.io"

// leadsToPods looks at all that a Service leads to. Connections to a cluster IP are spread over it by the cluster, whoever wrote it and
// whether it is ready or not, where the guard of connections cannot see it.
func (r *ClusterResolver) leadsToPods(key types.NamespacedName, all []discoveryv1.EndpointSlice) error {
	for i := range all {
		slice := &all[i]
		if len(slice.Endpoints) > 0 && slice.Labels[discoveryv1.LabelManagedBy] != managedByKubernetes && !r.o.AllowSelectorless {
			return unusable("Service %s has the EndpointSlice %s, which Kubernetes does not manage, which is refused: delete it, or have the receiver started with %s",
				key.Name, short(slice.Name), flagSelectorless)
		}
		for j := range slice.Endpoints {
			for _, text := range slice.Endpoints[j].Addresses {
				a, err := netip.ParseAddr(text)
				if err == nil && !r.judge.allows(a) { // a name is never asked for
					return unusable("Service %s leads to an address that is refused: %s", key.Name, addressesRefused)
				}
			}
		}
	}
	return nil
}

// readyAddresses are where the Pods are that are ready.
func readyAddresses(key types.NamespacedName, all []discoveryv1.EndpointSlice, port *corev1.ServicePort) ([]string, error) {
	var found []string
	for i := range all {
		found = append(found, readyIn(&all[i], port)...)
	}
	if len(found) == 0 {
		return nil, whyNotReady(key, all, port)
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// whyNotReady says what EndpointSlices have instead of addresses that can be used.
func whyNotReady(key types.NamespacedName, all []discoveryv1.EndpointSlice, port *corev1.ServicePort) error {
	endpoints, reachable := 0, 0
	var names []string
	for i := range all {
		slice := &all[i]
		endpoints += len(slice.Endpoints)
		if len(slice.Endpoints) > 0 && slice.AddressType == discoveryv1.AddressTypeFQDN {
			return unusable("EndpointSlice %s of Service %s has the addressType FQDN, which is refused, since DNS is not asked: "+
				"it needs addresses, as IPv4 or IPv6", short(slice.Name), key.Name)
		}
		if _, ok := portIn(slice, port); ok {
			reachable += len(slice.Endpoints)
			continue
		}
		for j := range slice.Ports {
			names = append(names, strconv.Quote(short(ptr.Deref(slice.Ports[j].Name, ""))))
		}
	}
	switch {
	case endpoints == 0:
		return unusable("Service %s has no endpoints: no Pod has the labels of its selector", key.Name)
	case reachable > 0:
		return unusable("Service %s has no ready endpoints: none of its %d is ready", key.Name, reachable)
	case len(names) == 0:
		return unusable("Service %s has endpoints, but its EndpointSlices have no ports: no Pod has a port for port %d of the Service", key.Name, port.Port)
	default:
		slices.Sort(names)
		return unusable("Service %s has endpoints, but none for its port %d: the port's name is %q, and those in its EndpointSlices are %s. "+
			"They must be equal", key.Name, port.Port, short(port.Name), firstOf(slices.Compact(names)))
	}
}

func readyIn(slice *discoveryv1.EndpointSlice, port *corev1.ServicePort) []string {
	number, ok := portIn(slice, port)
	if !ok {
		return nil
	}
	var found []string
	for i := range slice.Endpoints {
		e := &slice.Endpoints[i]
		if e.Conditions.Ready != nil && !*e.Conditions.Ready {
			continue
		}
		for _, a := range e.Addresses {
			if _, err := netip.ParseAddr(a); err == nil { // not a name: DNS is not asked
				found = append(found, net.JoinHostPort(a, number))
			}
		}
	}
	return found
}

// portIn is the Pods' number of a Service's port. The two have the same name, which may be empty.
func portIn(slice *discoveryv1.EndpointSlice, port *corev1.ServicePort) (string, bool) {
	for i := range slice.Ports {
		p := &slice.Ports[i]
		if p.Port != nil && (p.Name == nil && port.Name == "" || p.Name != nil && *p.Name == port.Name) &&
			overTCP(p.Protocol) {
			return strconv.Itoa(int(*p.Port)), true
		}
	}
	return "", false
}
