// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verification"
)

// Keys is the input for an environment's verification keys. It looks at each Secret once, because
// another pass may change the knowledge about it meanwhile. A Secret that is unknown at the first
// look and accepted at the second would seem to have lost its keys.
type Keys struct {
	environment cloudinary.Environment
	// Secrets that an endpoint names, or that wrote a trigger here
	secrets map[plan.Key]keySecret
	// Endpoints with a receiver that may belong here, see mayBelong
	Receivers []*v1alpha1.NotificationEndpoint
	accepted  bool // one of these is accepted here
}

type keySecret struct {
	Secret
	known, accepted bool
}

// Keys looks at all Secrets and endpoints that may contribute to an environment's keys.
func (s *Scope) Keys() *Keys {
	v := &Keys{environment: s.Environment, secrets: map[plan.Key]keySecret{}}
	look := func(key plan.Key) {
		if _, seen := v.secrets[key]; seen {
			return
		}
		state, known := s.World.Secret(key)
		here := known && state.Problem == nil && state.Credentials.Environment() == s.Environment
		v.secrets[key] = keySecret{Secret: state, known: known, accepted: here && s.World.Accepted(state.Credentials)}
	}
	for _, key := range s.Secrets {
		look(key)
	}
	for _, ep := range s.World.Endpoints {
		key := EndpointSecret(ep)
		look(key)
		if ep.Spec.Receiver != nil && v.mayBelong(ep, v.secrets[key]) {
			v.Receivers = append(v.Receivers, ep)
			v.accepted = v.accepted || v.secrets[key].accepted
		}
	}
	return v
}

// mayBelong reports whether the endpoint counts here: by its Secret; if that is unreadable, by
// status.environment; if nothing is known yet, yes. The receiver goes by status too.
func (v *Keys) mayBelong(ep *v1alpha1.NotificationEndpoint, s keySecret) bool {
	if s.known && s.Problem == nil {
		return s.Credentials.Environment() == v.environment
	}
	if e := ep.Status.Environment; e != nil {
		return e.APIBase == v.environment.APIBase && e.CloudName == v.environment.CloudName
	}
	return !s.known
}

// EndpointSecret is the Secret that an endpoint names.
func EndpointSecret(ep *v1alpha1.NotificationEndpoint) plan.Key {
	return plan.Key{Namespace: ep.Namespace, Name: ep.Spec.CredentialsSecretRef.Name}
}

// Verifier is the endpoint as far as it decides whose signatures count for it.
func Verifier(ep *v1alpha1.NotificationEndpoint) verification.Endpoint {
	e := verification.Endpoint{Namespace: ep.Namespace, Secret: ep.Spec.CredentialsSecretRef.Name}
	if r := ep.Spec.Receiver; r != nil && r.Verification != nil {
		e.APIKeys = r.Verification.APIKeys
	}
	return e
}

// endpoints are the endpoints with a receiver whose own Secret matches.
func (v *Keys) endpoints(whose func(secret plan.Key) bool) []verification.Endpoint {
	var all []verification.Endpoint
	for _, ep := range v.Receivers {
		if whose(EndpointSecret(ep)) {
			all = append(all, Verifier(ep))
		}
	}
	return all
}

func (v *Keys) isAccepted(secret plan.Key) bool { return v.secrets[secret].accepted }

func (v *Keys) isUndecided(secret plan.Key) bool { return v.undecided(secret.String()) }

// known are the keys of the Secrets that are accepted here. Beside an OAuth token, api_key and
// api_secret are unchecked: the operator makes no call with them.
func (v *Keys) known() []verification.Key {
	var keys []verification.Key
	for _, key := range slices.SortedFunc(maps.Keys(v.secrets), plan.Key.Compare) {
		s := v.secrets[key]
		if !s.accepted {
			continue
		}
		sources := []string{key.String()}
		if c := s.Credentials; c.APISecret != "" {
			keys = append(keys, verification.Key{ID: c.APIKey, Secret: c.APISecret, Unchecked: !c.CallsWithKey(), Sources: sources})
		}
		for _, k := range s.signing {
			keys = append(keys, verification.Key{ID: k.APIKey, Secret: k.Secret, Unchecked: true, Sources: sources})
		}
	}
	return keys
}

// undecided reports whether it is unknown if a Secret contributes to the environment. A Secret that
// nobody names any more does not.
func (v *Keys) undecided(source string) bool {
	s, named := v.secrets[keyFrom(source)]
	switch {
	case !named:
		return false
	case !s.known:
		return true
	case s.Problem != nil, s.Refused, s.Credentials.Environment() != v.environment:
		return false
	default:
		return !s.accepted
	}
}

// awaited reports whether an endpoint that uses keys of the entry may still turn out to belong
// here.
func (v *Keys) awaited(keys []verification.Key) bool {
	pool := verification.NewPool(keys)
	return slices.ContainsFunc(v.endpoints(v.isUndecided), func(e verification.Endpoint) bool { return len(pool.Select(e)) > 0 })
}

// Entry is the next content of an environment's entry of verification keys:
//
//	endpoints with a receiver        | the entry
//	---------------------------------+--------------------------------------------------------------------
//	one is accepted here             | has what counts for those that are, of the keys of all accepted Secrets; others go as Update says
//	of one that has keys there it is | stays as it is
//	not known yet whether it is      |
//	some say so, none is accepted    | its keys go, each after the grace
//	there is none                    | goes at once: nothing arrives for it any more
//
// A Secret contributes only after Cloudinary has accepted its credentials, so that nobody can plant
// a key for the environment of somebody else.
func (v *Keys) Entry(present []verification.Key, now time.Time, grace time.Duration) []verification.Key {
	switch {
	case len(v.Receivers) == 0:
		return nil
	case !v.accepted && v.awaited(present):
		return present
	default:
		update := v.update(now, grace)
		return update.Apply(present)
	}
}

func (v *Keys) update(now time.Time, grace time.Duration) verification.Update {
	update := verification.Update{Now: now, Grace: grace, Undecided: v.undecided}
	if v.accepted {
		update.Known, update.Endpoints, update.Awaited = v.known(), v.endpoints(v.isAccepted), v.endpoints(v.isUndecided)
	}
	return update
}

// Pool has the keys that can count, and those of the entry that may be in Secrets without
// knowledge. Nil: no endpoint with a receiver is accepted. A note must not come and go with a
// restart.
func (v *Keys) Pool(entry []verification.Key) *verification.Pool {
	if !v.accepted {
		return nil
	}
	undecided := slices.DeleteFunc(slices.Clone(entry), func(k verification.Key) bool { return k.NotAfter != nil })
	return verification.NewPool(slices.Concat(v.known(), undecided))
}

// Complete reports whether all Secrets that may contribute are known.
func (v *Keys) Complete() bool {
	for _, s := range v.secrets {
		if !s.known {
			return false
		}
	}
	return true
}

// keyFrom parses the text of plan.Key's String.
func keyFrom(text string) plan.Key {
	namespace, name, _ := strings.Cut(text, "/")
	return plan.Key{Namespace: namespace, Name: name}
}
