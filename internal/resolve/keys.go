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

// Keys is what an environment's keys depend on. Each Secret is looked at once, since another pass
// may judge it meanwhile: one that is not known yet at the first look, and accepted at the second,
// would seem to have lost its keys.
type Keys struct {
	environment cloudinary.Environment
	secrets     map[plan.Key]keySecret           // that an endpoint names, or something here was written with
	Receivers   []*v1alpha1.NotificationEndpoint // those with a receiver that belong here, did so last, or may turn out to
	accepted    bool                             // one of these is accepted here
}

type keySecret struct {
	Secret
	known, accepted bool
}

// Keys looks at all Secrets and endpoints that may have a part in an environment's keys.
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
	for _, key := range s.Members {
		look(key)
	}
	for _, ep := range s.World.Endpoints {
		key := EndpointSecret(ep)
		look(key)
		if ep.Spec.Receiver != nil && v.mayHave(ep, v.secrets[key]) {
			v.Receivers = append(v.Receivers, ep)
			v.accepted = v.accepted || v.secrets[key].accepted
		}
	}
	return v
}

// mayHave reports whether an endpoint belongs here by its Secret or, while that says nothing, did so
// last or may turn out to. The receiver goes by status too.
func (v *Keys) mayHave(ep *v1alpha1.NotificationEndpoint, s keySecret) bool {
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

// endpoints are the receivers' endpoints whose own Secret is such a one.
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

// known are the keys of the Secrets that are accepted here. Beside an OAuth token api_key and
// api_secret are unchecked: no call is made with them.
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

// undecided reports whether it is not known now if a Secret has a part in the environment. What nobody
// names any more has none.
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

// awaited reports whether an endpoint for which keys of the entry count may yet turn out to belong
// here.
func (v *Keys) awaited(keys []verification.Key) bool {
	pool := verification.NewPool(keys)
	return slices.ContainsFunc(v.endpoints(v.isUndecided), func(e verification.Endpoint) bool { return len(pool.Select(e)) > 0 })
}

// Entry is what an environment's entry of verification keys is to be:
//
//	endpoints with a receiver        | the entry
//	---------------------------------+--------------------------------------------------------------------
//	one is accepted here             | has what counts for those that are, of the keys of all accepted Secrets; others go as Update says
//	of one that has keys there it is | stays as it is
//	not known yet whether it is      |
//	some say so, none is accepted    | its keys go, each after the grace
//	there is none                    | goes at once: nothing arrives for it any more
//
// Whose credentials Cloudinary did not accept has no part in it, so that nobody can plant a key for
// another's environment.
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

// Pool are the keys that can count, with those of an entry which may be in Secrets of which nothing
// is known now; nil: no endpoint with a receiver is accepted. A note must not come and go with a
// restart.
func (v *Keys) Pool(entry []verification.Key) *verification.Pool {
	if !v.accepted {
		return nil
	}
	undecided := slices.DeleteFunc(slices.Clone(entry), func(k verification.Key) bool { return k.NotAfter != nil })
	return verification.NewPool(slices.Concat(v.known(), undecided))
}

// Complete reports whether all Secrets are known that may have a part in it.
func (v *Keys) Complete() bool {
	for _, s := range v.secrets {
		if !s.known {
			return false
		}
	}
	return true
}

// keyFrom reads what plan.Key's String writes.
func keyFrom(text string) plan.Key {
	namespace, name, _ := strings.Cut(text, "/")
	return plan.Key{Namespace: namespace, Name: name}
}
