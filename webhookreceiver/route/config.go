// SPDX-License-Identifier: Apache-2.0

package route

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verification"
)

// Config is what an Endpoint is made from, in a form that can be kept on disk. It has the keys, so it is as secret as they are.
type Config struct {
	Key        types.NamespacedName `json:"key"`
	UID        types.UID            `json:"uid"`
	Generation int64                `json:"generation"`

	// Keys are those that count for the endpoint, without their sources.
	Keys       []verification.Key       `json:"keys,omitempty"`
	Algorithms []notification.Algorithm `json:"algorithms,omitempty"`
	PublicKeys []string                 `json:"publicKeys,omitempty"`

	MaxAge      time.Duration `json:"maxAge"`
	RetryMaxAge time.Duration `json:"retryMaxAge"`

	Targets  []Target        `json:"targets,omitempty"`
	Triggers []TriggerConfig `json:"triggers,omitempty"`
	// MoreTriggers says that there are others, which do not count.
	MoreTriggers bool   `json:"moreTriggers,omitempty"`
	Redrive      string `json:"redrive,omitempty"`

	// Former are triggers as they were: see Remember.
	Former []Former `json:"former,omitempty"`

	// Paths are those of requests for the endpoint. A snapshot of a version that knew none has null.
	Paths []string `json:"paths"`
	// FormerPaths are those before: see Remember.
	FormerPaths []FormerPath `json:"formerPaths,omitempty"`
	// ShorterAge is MaxAge as it was: see Remember.
	ShorterAge ShorterAge `json:"shorterAge,omitzero"`
}

// TriggerConfig is a trigger that notifies the endpoint.
type TriggerConfig struct {
	Trigger
	// Templated says that the trigger replaces the body, and TypePaths where that has the event type.
	Templated bool       `json:"templated,omitempty"`
	TypePaths [][]string `json:"typePaths,omitempty"`
	Identity  Identity   `json:"identity,omitempty"`
	// MorePaths says that the template has more places for the event type than count.
	MorePaths bool `json:"morePaths,omitempty"`
	// Generation is that of the spec, and Refused says that nothing of it counts.
	Generation int64 `json:"generation,omitempty"`
	Refused    bool  `json:"refused,omitempty"`
	// Synced says that Cloudinary has the trigger as it is here.
	Synced bool `json:"synced,omitempty"`
}

// Identity reports whether bodies made from a template have an id of their own.
type Identity string

// The kinds of identity.
const (
	// NoIdentity means that the template does not write the members that could have an id.
	NoIdentity Identity = ""
	// RequestIdentity means that the body has the id of the API call as request_id.
	RequestIdentity Identity = "request"
	// DoubtfulIdentity means that the template writes something else there, so that what looks like an id may be the same for
	// two notifications.
	DoubtfulIdentity Identity = "doubtful"
)

// doubtfulIdentity reports whether what looks like an id in a body may be none. Two event types of one API call share its request_id: only
// bodies that say their type are told apart by it.
func doubtfulIdentity(triggers []TriggerConfig) bool {
	shared := 0
	for i := range triggers {
		t := &triggers[i]
		switch {
		case t.Identity == DoubtfulIdentity:
			return true
		case t.Identity == RequestIdentity && len(t.TypePaths) == 0:
			shared += len(t.EventTypes)
			if slices.Contains(t.EventTypes, allEventTypes) {
				return true // one word, and more than one type
			}
		}
	}
	return shared > 1
}

// What counts where a manifest does not say.
const (
	DefaultMaxAge         = notification.DefaultMaxAge
	DefaultRetryMaxAge    = 72 * time.Hour
	DefaultServiceTimeout = 15 * time.Second
)

// Compile makes an Endpoint. What has ended by now, such as a key, is left out; until is when the first of the rest ends, or zero. So
// is what cannot be used, and problems says why: one wrong public key must not keep the others from counting, nor from ending.
func (c *Config) Compile(now time.Time) (_ *Endpoint, until time.Time, problems []error) {
	e := &Endpoint{
		Key: c.Key, UID: c.UID, Generation: c.Generation,
		MaxAge: c.MaxAge, ShorterAge: c.ShorterAge, RetryMaxAge: c.RetryMaxAge, Targets: c.Targets, Redrive: c.Redrive,
	}
	for i := range c.Triggers {
		e.Triggers = append(e.Triggers, c.Triggers[i].Trigger)
	}
	former, ends := c.former(now)
	told := append(inTurns(c.Key.Namespace, c.Triggers), former...)
	paths, morePaths := typePaths(told)
	e.TypePaths, e.DoubtfulIdentity = paths, doubtfulIdentity(told)
	e.SoleTemplatedType = soleType(c.Triggers, former)
	e.Policy, until, problems = c.policy(now)
	var moved time.Time
	e.Paths, moved = c.servedAt(now)
	return e, earlier(earlier(until, ends), moved), append(problems, c.tooMany(morePaths)...)
}

// tooMany says of what there is more than counts. It says not how many: a text that is the same is logged once.
func (c *Config) tooMany(paths bool) (problems []error) {
	if c.MoreTriggers {
		problems = append(problems, fmt.Errorf("more than %d triggers notify it: those after them do not count", maxTriggers))
	}
	if slices.ContainsFunc(c.Triggers, func(t TriggerConfig) bool { return t.MorePaths }) {
		problems = append(problems, fmt.Errorf("a template has more places for the event type than %d, or further down, or with longer names, than count",
			notification.MaxTemplatePaths))
	}
	if paths {
		problems = append(problems, fmt.Errorf("the templates have their event type at more than %d places in all, or too far down: those after them do not count",
			notification.MaxTypePaths))
	}
	return problems
}

// policy is nil where there is no key to verify anything with, or nothing says how.
func (c *Config) policy(now time.Time) (_ *notification.Policy, until time.Time, problems []error) {
	o := notification.PolicyOptions{Algorithms: c.Algorithms, MaxAge: c.MaxAge}
	for _, key := range c.Keys {
		if key.NotAfter != nil && !now.Before(*key.NotAfter) {
			continue
		}
		if key.NotAfter != nil {
			until = earlier(until, *key.NotAfter)
		}
		o.Keys = append(o.Keys, notification.Key{ID: key.ID, Secret: []byte(key.Secret)})
	}
	for i, text := range c.PublicKeys {
		key, err := notification.ParseEd25519PublicKey(text)
		if err != nil {
			problems = append(problems, fmt.Errorf("public key %d: %w", i, err))
			continue
		}
		o.Ed25519 = append(o.Ed25519, key)
	}
	if len(o.Keys) == 0 && len(o.Ed25519) == 0 {
		return nil, until, problems
	}
	p, err := notification.NewPolicy(o)
	if err != nil {
		return nil, until, append(problems, err)
	}
	return p, until, problems
}
