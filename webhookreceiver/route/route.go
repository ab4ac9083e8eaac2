// SPDX-License-Identifier: Apache-2.0

// Package route is what the receiver knows of the endpoints it serves: an immutable table, made anew when an endpoint, a
// trigger or a verification key changes. It is pure: it neither watches nor serves.
package route

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
)

// Table has the endpoints that are served. It does not change; one that is nil has none.
type Table struct {
	endpoints map[types.NamespacedName]*Endpoint
	paths     map[string]*Endpoint
}

// NewTable makes a table of endpoints.
func NewTable(endpoints []*Endpoint) *Table {
	t := &Table{endpoints: make(map[types.NamespacedName]*Endpoint, len(endpoints)), paths: make(map[string]*Endpoint, len(endpoints))}
	for _, e := range endpoints {
		t.endpoints[e.Key] = e
		for _, path := range e.Paths {
			t.paths[path] = e
		}
	}
	return t
}

// At returns the endpoint that is served at exactly this path, see PathOf, or nil where there is none.
//
// A map compares in a time that depends on what is compared. With a path that nobody can guess that gives nothing away: whether two strings are
// compared at all depends on a hash with a seed of this process, so that no guess comes nearer than another.
func (t *Table) At(path string) *Endpoint {
	if t == nil {
		return nil
	}
	return t.paths[path]
}

// Lookup returns an endpoint, or nil where there is none.
func (t *Table) Lookup(key types.NamespacedName) *Endpoint {
	if t == nil {
		return nil
	}
	return t.endpoints[key]
}

// Len is how many endpoints there are.
func (t *Table) Len() int {
	if t == nil {
		return 0
	}
	return len(t.endpoints)
}

// All visits the endpoints in no particular order, until visit returns false.
func (t *Table) All(visit func(*Endpoint) bool) {
	if t == nil {
		return
	}
	for _, e := range t.endpoints {
		if !visit(e) {
			return
		}
	}
}

// Endpoint is a NotificationEndpoint with a receiver, as the receiver needs it.
type Endpoint struct {
	Key        types.NamespacedName
	UID        types.UID
	Generation int64
	// Paths are those of requests for it.
	Paths []string

	// Policy judges signatures; nil where there is no key to judge with yet.
	Policy *notification.Policy
	// MaxAge is how old a notification may be.
	MaxAge time.Duration
	// ShorterAge is the maximum age of what was signed before MaxAge was raised.
	ShorterAge ShorterAge
	// RetryMaxAge is how long after its receipt a delivery is tried.
	RetryMaxAge time.Duration

	// Targets in the order of the spec.
	Targets []Target
	// Triggers are those that notify this endpoint, sorted by namespace and name.
	Triggers []Trigger
	// TypePaths are where templated bodies of this endpoint have their event type; nil: nowhere.
	TypePaths *notification.TypePaths
	// SoleTemplatedType is the event type of a body that does not tell its own, if by the templates it can be of just one.
	SoleTemplatedType string
	// DoubtfulIdentity says that what looks like an id in a body may have been put there by a template, the same for two
	// notifications: then only a timestamp tells them apart.
	DoubtfulIdentity bool
	// Redrive is the value of the annotation that asks for dead letters to be delivered again.
	Redrive string
}

// Forgotten reports whether a notification that was signed at a time is too old to be told from one sent again, although MaxAge allows it.
func (e *Endpoint) Forgotten(signed, now time.Time) bool {
	return signed.Before(e.ShorterAge.Before) && now.Sub(signed) >= e.ShorterAge.MaxAge
}

// Target returns a target by name, or nil.
func (e *Endpoint) Target(name string) *Target {
	for i := range e.Targets {
		if e.Targets[i].Name == name {
			return &e.Targets[i]
		}
	}
	return nil
}

// TargetsFor returns the names of the targets that take an event type, in the order of the spec.
func (e *Endpoint) TargetsFor(eventType string) []string {
	var names []string
	for i := range e.Targets {
		if e.Targets[i].Takes(eventType) {
			names = append(names, e.Targets[i].Name)
		}
	}
	return names
}

// TriggerFor returns the trigger that fired: the first with the event type, else the first for all, else nil.
func (e *Endpoint) TriggerFor(eventType string) *Trigger {
	var all *Trigger
	for i := range e.Triggers {
		t := &e.Triggers[i]
		if slices.Contains(t.EventTypes, eventType) {
			return t
		}
		if all == nil && slices.Contains(t.EventTypes, allEventTypes) {
			all = t
		}
	}
	return all
}

// allEventTypes is Cloudinary's word for every event type.
const allEventTypes = "all"

// Target is something that gets an endpoint's notifications. Exactly one of Service and Event is set.
type Target struct {
	Name    string
	Service *Service
	Event   bool
	// EventTypes are the only ones it takes; none, and Cloudinary's word for all: all.
	EventTypes []string
}

// Takes reports whether the target gets notifications of an event type.
func (t *Target) Takes(eventType string) bool {
	return len(t.EventTypes) == 0 || slices.Contains(t.EventTypes, eventType) || slices.Contains(t.EventTypes, allEventTypes)
}

// Service is a Service in the endpoint's namespace.
type Service struct {
	Name string
	// Port is a number, or the name of one of the Service's ports.
	Port intstr.IntOrString
	// TLS is nil for requests without it.
	TLS *TLS
	// Path starts with a slash and may have a query.
	Path string
	// CloudEvents is binary mode; otherwise body and headers go out as they came.
	CloudEvents bool
	// Timeout of one request, its answer included.
	Timeout time.Duration
}

// TLS says how the certificate of a Service is judged.
type TLS struct {
	// CAConfigMap is the ConfigMap in the endpoint's namespace whose CAKey has the authorities' certificates; "": those of the system.
	CAConfigMap, CAKey string
	// ServerName is the name that the certificate must be for; "": the Service's.
	ServerName string
}

// Trigger is a CloudinaryTrigger that notifies an endpoint.
type Trigger struct {
	Key        types.NamespacedName
	UID        types.UID
	EventTypes []string
}
