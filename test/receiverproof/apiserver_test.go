// SPDX-License-Identifier: Apache-2.0

package receiverproof

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/kube"
)

// The resources that the API server has.
const (
	endpointsResource = "notificationendpoints"
	triggersResource  = "cloudinarytriggers"
	secretsResource   = "secrets"
	servicesResource  = "services"
	slicesResource    = "endpointslices"
	eventsResource    = "events"
)

// apiServer is as much of an API server as the receiver uses: it lists, watches, gets, creates Events, and takes server-side apply
// of a status. A call that it does not know fails the history.
type apiServer struct {
	h      *history
	chance *chance

	mu      sync.Mutex
	version int64
	objects map[string]map[types.NamespacedName]kube.Object
	changes map[string][]change
	watches map[*watching]struct{}
	away    atomic.Bool
	late    time.Duration // how long it may take to answer
	failing int           // of so many calls one fails; 0: none
	events  map[types.NamespacedName]*eventsv1.Event
	writes  int
}

// change is a line of a watch.
type change struct {
	version int64
	key     types.NamespacedName
	line    []byte
}

// watching is a client that watches a resource.
type watching struct {
	resource string
	name     string // the only one; "": all
	body     *stream
}

func newAPIServer(h *history) *apiServer {
	a := &apiServer{
		h: h, chance: newChance(h.seed, "API server"), version: 100, objects: map[string]map[types.NamespacedName]kube.Object{},
		changes: map[string][]change{}, watches: map[*watching]struct{}{}, events: map[types.NamespacedName]*eventsv1.Event{},
	}
	for _, r := range []string{endpointsResource, triggersResource, secretsResource, servicesResource, slicesResource} {
		a.objects[r] = map[types.NamespacedName]kube.Object{}
	}
	return a
}

func keyOf(o metav1.Object) types.NamespacedName {
	return types.NamespacedName{Namespace: o.GetNamespace(), Name: o.GetName()}
}

// put writes an object as a person or the manager does.
func (a *apiServer) put(resource string, o kube.Object) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.putLocked(resource, o)
}

func (a *apiServer) putLocked(resource string, o kube.Object) {
	kind := "MODIFIED"
	if _, there := a.objects[resource][keyOf(o)]; !there {
		kind = "ADDED"
	}
	a.version++
	o.SetResourceVersion(strconv.FormatInt(a.version, 10))
	a.objects[resource][keyOf(o)] = o
	a.tell(resource, kind, o)
}

func (a *apiServer) remove(resource string, key types.NamespacedName) {
	a.mu.Lock()
	defer a.mu.Unlock()
	o := a.objects[resource][key]
	if o == nil {
		return
	}
	delete(a.objects[resource], key)
	o = o.DeepCopyObject().(kube.Object)
	a.version++
	o.SetResourceVersion(strconv.FormatInt(a.version, 10))
	a.tell(resource, "DELETED", o)
}

func (a *apiServer) tell(resource, kind string, o kube.Object) {
	line, err := json.Marshal(map[string]any{"type": kind, "object": o})
	if err != nil {
		panic(err)
	}
	c := change{a.version, keyOf(o), append(line, '\n')}
	a.changes[resource] = append(a.changes[resource], c)
	for w := range a.watches {
		if w.resource == resource && (w.name == "" || w.name == c.key.Name) {
			w.body.add(c.line)
		}
	}
}

// leave has nobody reach the API server until it comes back. Watches end.
func (a *apiServer) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.away.Store(true)
	for w := range a.watches {
		w.body.end()
	}
	clear(a.watches)
}

func (a *apiServer) comeBack() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.late, a.failing = 0, 0
	a.away.Store(false)
}

func (a *apiServer) isAway() bool { return a.away.Load() }

// endpoint is an endpoint as it is there, or nil. It must not be changed.
func (a *apiServer) endpoint(key types.NamespacedName) *v1alpha1.NotificationEndpoint {
	a.mu.Lock()
	defer a.mu.Unlock()
	e, _ := a.objects[endpointsResource][key].(*v1alpha1.NotificationEndpoint)
	return e
}

// apiWire is how one process reaches the API server. It is an http.RoundTripper.
type apiWire struct {
	api  *apiServer
	wire *wire
}

var errAway = &netError{syscall.ECONNREFUSED}

type netError struct{ cause error }

func (e *netError) Error() string { return "dial tcp: connect: " + e.cause.Error() }
func (e *netError) Unwrap() error { return e.cause }

// RoundTrip implements http.RoundTripper.
func (w *apiWire) RoundTrip(r *http.Request) (*http.Response, error) {
	a := w.api
	a.mu.Lock()
	away, late := a.away.Load(), a.late
	fails := a.failing > 0 && a.chance.one(a.failing)
	a.mu.Unlock()
	if late > 0 {
		select {
		case <-r.Context().Done():
			return nil, r.Context().Err()
		case <-time.After(a.chance.between(0, late)):
		}
	}
	if away || w.wire.isSevered() {
		return nil, errAway
	}
	if fails {
		switch a.chance.below(3) {
		case 0:
			return nil, errAway
		case 1:
			return status(r, http.StatusInternalServerError, metav1.StatusReasonInternalError, "etcd is not well"), nil
		default:
			if r.Method == http.MethodPatch {
				a.h.come(apiConflict)
				return status(r, http.StatusConflict, metav1.StatusReasonConflict, "the object has been modified"), nil
			}
			return status(r, http.StatusTooManyRequests, metav1.StatusReasonTooManyRequests, "too many requests"), nil
		}
	}
	return a.serve(r)
}

// serve finds out what is asked for: /api/v1/… or /apis/GROUP/VERSION/…, then namespaces/NAMESPACE, RESOURCE, NAME and status.
func (a *apiServer) serve(r *http.Request) (*http.Response, error) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if parts[0] == "apis" {
		parts = parts[1:]
	}
	parts = parts[2:]
	namespace := ""
	if len(parts) > 2 && parts[0] == "namespaces" {
		namespace, parts = parts[1], parts[2:]
	}
	resource, name := parts[0], ""
	if len(parts) > 1 {
		name = parts[1]
	}
	query := r.URL.Query()
	if field, ok := strings.CutPrefix(query.Get("fieldSelector"), "metadata.name="); ok {
		name = field
	}
	key := types.NamespacedName{Namespace: namespace, Name: name}
	switch {
	case r.Method == http.MethodGet && query.Get("watch") != "":
		return a.watch(r, resource, name)
	case r.Method == http.MethodGet && len(parts) == 1:
		return a.list(r, resource, namespace, name)
	case r.Method == http.MethodGet:
		return a.get(r, resource, key)
	case r.Method == http.MethodPost && resource == eventsResource:
		return a.createEvent(r)
	case r.Method == http.MethodPatch && len(parts) == 3 && parts[2] == "status":
		return a.apply(r, resource, key)
	default:
		a.h.broken("the API server is asked for what it does not know: %s %s", r.Method, r.URL)
		return status(r, http.StatusMethodNotAllowed, metav1.StatusReasonMethodNotAllowed, "not known"), nil
	}
}

func (a *apiServer) get(r *http.Request, resource string, key types.NamespacedName) (*http.Response, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	o := a.objects[resource][key]
	if o == nil {
		return status(r, http.StatusNotFound, metav1.StatusReasonNotFound, key.String()+" not found"), nil
	}
	return answer(r, http.StatusOK, o), nil
}

func (a *apiServer) list(r *http.Request, resource, namespace, name string) (*http.Response, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	items := []kube.Object{}
	_, label, _ := strings.Cut(r.URL.Query().Get("labelSelector"), "=")
	for _, key := range slices.SortedFunc(maps.Keys(a.objects[resource]), func(x, y types.NamespacedName) int { return strings.Compare(x.String(), y.String()) }) {
		o := a.objects[resource][key]
		if (namespace == "" || key.Namespace == namespace) && (name == "" || key.Name == name) &&
			(label == "" || o.GetLabels()[discoveryv1.LabelServiceName] == label) {
			items = append(items, o)
		}
	}
	kinds := map[string][2]string{
		endpointsResource: {v1alpha1.GroupVersion.String(), "NotificationEndpointList"}, triggersResource: {v1alpha1.GroupVersion.String(), "CloudinaryTriggerList"},
		secretsResource: {"v1", "SecretList"}, servicesResource: {"v1", "ServiceList"}, slicesResource: {"discovery.k8s.io/v1", "EndpointSliceList"},
	}
	return answer(r, http.StatusOK, map[string]any{
		"apiVersion": kinds[resource][0], "kind": kinds[resource][1],
		"metadata": map[string]any{"resourceVersion": strconv.FormatInt(a.version, 10)}, "items": items,
	}), nil
}

func (a *apiServer) watch(r *http.Request, resource, name string) (*http.Response, error) {
	if r.URL.Query().Get("sendInitialEvents") != "" {
		return status(r, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, "sendInitialEvents is not allowed"), nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	from, _ := strconv.ParseInt(r.URL.Query().Get("resourceVersion"), 10, 64)
	s := &watching{resource: resource, name: name, body: newStream(r)}
	for _, c := range a.changes[resource] {
		if c.version > from && (name == "" || c.key.Name == name) {
			s.body.add(c.line)
		}
	}
	a.watches[s] = struct{}{}
	return &http.Response{
		StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Content-Type": {"application/json"}}, Body: s.body, Request: r,
	}, nil
}

func (a *apiServer) createEvent(r *http.Request) (*http.Response, error) {
	var e eventsv1.Event
	if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
		return nil, err
	}
	a.h.eventAsked(&e)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.events[keyOf(&e)] != nil {
		return status(r, http.StatusConflict, metav1.StatusReasonAlreadyExists, "already exists"), nil
	}
	a.events[keyOf(&e)] = &e
	a.h.eventWritten(&e)
	return answer(r, http.StatusCreated, &e), nil
}

// apply takes over the receiver's part of a status.
func (a *apiServer) apply(r *http.Request, resource string, key types.NamespacedName) (*http.Response, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	was := a.objects[resource][key]
	if was == nil {
		return status(r, http.StatusNotFound, metav1.StatusReasonNotFound, key.String()+" not found"), nil
	}
	var head struct {
		Metadata struct{ ResourceVersion string }
		Status   json.RawMessage
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return nil, err
	}
	if v := head.Metadata.ResourceVersion; v != "" && v != was.GetResourceVersion() {
		a.h.come(apiConflict)
		return status(r, http.StatusConflict, metav1.StatusReasonConflict, "the object has been modified"), nil
	}
	is := was.DeepCopyObject().(kube.Object)
	switch o := is.(type) {
	case *v1alpha1.NotificationEndpoint:
		var part v1alpha1.NotificationEndpointStatus
		if err := json.Unmarshal(head.Status, &part); err != nil {
			return nil, err
		}
		o.Status.Receiver, o.Status.Conditions = part.Receiver, part.Conditions
	case *v1alpha1.CloudinaryTrigger:
		var part v1alpha1.CloudinaryTriggerStatus
		if err := json.Unmarshal(head.Status, &part); err != nil {
			return nil, err
		}
		o.Status.LastNotification = part.LastNotification
	default:
		return nil, errors.New("no status is applied of " + resource)
	}
	a.writes++
	a.putLocked(resource, is)
	return answer(r, http.StatusOK, is), nil
}

func answer(r *http.Request, code int, value any) *http.Response {
	raw, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", code, http.StatusText(code)), StatusCode: code, ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, ContentLength: int64(len(raw)), Body: io.NopCloser(bytes.NewReader(raw)), Request: r,
	}
}

func status(r *http.Request, code int32, reason metav1.StatusReason, message string) *http.Response {
	return answer(r, int(code), &metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Code: code, Reason: reason, Message: message,
	})
}

// stream is the body of an answer that goes on.
type stream struct {
	mu      sync.Mutex
	waiting bytes.Buffer
	ended   bool
	more    chan struct{}
	request *http.Request
}

func newStream(r *http.Request) *stream { return &stream{more: make(chan struct{}, 1), request: r} }

func (s *stream) poke() {
	select {
	case s.more <- struct{}{}:
	default:
	}
}

func (s *stream) add(line []byte) {
	s.mu.Lock()
	s.waiting.Write(line)
	s.mu.Unlock()
	s.poke()
}

func (s *stream) end() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.poke()
}

// Read implements io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	for {
		s.mu.Lock()
		if s.waiting.Len() > 0 {
			defer s.mu.Unlock()
			return s.waiting.Read(p)
		}
		ended := s.ended
		s.mu.Unlock()
		if ended {
			return 0, io.EOF
		}
		select {
		case <-s.more:
		case <-s.request.Context().Done():
			return 0, s.request.Context().Err()
		}
	}
}

// Close implements io.Closer.
func (s *stream) Close() error {
	s.end()
	return nil
}

// serviceAt makes a Service with one Pod.
func (a *apiServer) serviceAt(namespace, name, ip string) {
	a.put(servicesResource, &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(namespace + name)},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeClusterIP, ClusterIP: ip, Selector: map[string]string{"app": name}, Ports: []corev1.ServicePort{{Port: 80}},
		},
	})
	a.put(slicesResource, &discoveryv1.EndpointSlice{
		TypeMeta: metav1.TypeMeta{APIVersion: "discovery.k8s.io/v1", Kind: "EndpointSlice"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name + "-1", Labels: map[string]string{
			discoveryv1.LabelServiceName: name, discoveryv1.LabelManagedBy: "endpointslice-controller.k8s.io",
		}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{"10.2.0.1"}}},
	})
}
