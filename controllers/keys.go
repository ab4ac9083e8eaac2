// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/check"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verification"
)

// keepKeys brings the environment's entry of verification keys up to date, and returns how many keys it has:
//
//	endpoints with a receiver        | the entry
//	---------------------------------+--------------------------------------------------------------------
//	one is accepted here             | has what counts for those that are, of the keys of all accepted Secrets; others go as Update says
//	of one that has keys there it is | stays as it is
//	not known yet whether it is      |
//	some say so, none is accepted    | its keys go, each after the grace
//	there is none                    | goes at once: nothing arrives for it any more
//
// Whose credentials Cloudinary did not accept has no part in it, so that nobody can plant a key for another's environment.
func (r *Reconciler) keepKeys(ctx context.Context, g *gathered) (int, error) {
	view := r.viewKeys(g)
	g.keys = nil
	update := verification.Update{Now: r.Now(), Grace: r.Options.VerificationKeyGrace, Undecided: view.undecided}
	if view.accepted {
		update.Known, update.Endpoints, update.Awaited = view.known(), view.endpoints(view.isAccepted), view.endpoints(view.isUndecided)
		g.keys = verification.NewPool(update.Known)
	}
	if r.Options.VerificationNamespace == "" {
		return 0, nil
	}
	w, err := r.changeEntry(ctx, verification.Environment(g.environment), func(keys []verification.Key) []verification.Key {
		switch {
		case len(view.receivers) == 0:
			return nil
		case !view.accepted && view.awaited(keys):
			return keys
		default:
			return update.Apply(keys)
		}
	})
	if len(view.receivers) == 0 && apierrors.IsForbidden(err) {
		return 0, nil // who uses no receiver need not grant the rights for it
	}
	g.keysRefused = w.refused
	if view.accepted {
		g.keys = verification.NewPool(slices.Concat(update.Known, undecidedOf(w.keys)))
	}
	return len(w.keys), err
}

// undecidedOf are keys of an entry that may be in Secrets of which nothing is known now, beside those that are. A note must not come and go
// with a restart.
func undecidedOf(keys []verification.Key) []verification.Key {
	return slices.DeleteFunc(slices.Clone(keys), func(k verification.Key) bool { return k.NotAfter != nil })
}

// keysProblemOf is why the receiver has not got all keys that count for an endpoint; nil: it has.
func (g *gathered) keysProblemOf(ep *endpointView) *problem {
	if cause, refused := g.keysRefused[ep.key.Namespace]; refused && g.keysProblem == nil {
		return roomProblem(cause)
	}
	return g.keysProblem
}

// keepLastKeys looks after an environment that has nothing left but keys, if that: it returns when to do so again.
func (r *Reconciler) keepLastKeys(ctx context.Context, g *gathered) (time.Duration, error) {
	n, err := r.keepKeys(ctx, g)
	if err != nil || n == 0 {
		return 0, err
	}
	return r.jittered(r.Options.SyncInterval), nil
}

// keyView is what an environment's keys depend on. Each Secret is looked at once, since another pass may judge it meanwhile: one that is not
// known yet at the first look, and accepted at the second, would seem to have lost its keys.
type keyView struct {
	environment cloudinary.Environment
	secrets     map[plan.Key]keySecret           // that an endpoint names, or something here was written with
	receivers   []*v1alpha1.NotificationEndpoint // those with a receiver that belong here, did so last, or may turn out to
	accepted    bool                             // one of these is accepted here
}

type keySecret struct {
	secretState
	known, accepted bool
}

func (r *Reconciler) viewKeys(g *gathered) *keyView {
	v := &keyView{environment: g.environment, secrets: map[plan.Key]keySecret{}}
	look := func(key plan.Key) {
		if _, seen := v.secrets[key]; seen {
			return
		}
		s, known := r.directory.secret(key)
		here := known && s.problem == nil && s.credentials.Environment() == g.environment
		v.secrets[key] = keySecret{s, known, here && r.directory.isAccepted(s.credentials)}
	}
	for _, key := range g.members {
		look(key)
	}
	for _, ep := range g.world.endpoints {
		key := ownSecret(ep)
		look(key)
		if ep.Spec.Receiver != nil && v.mayHave(ep, v.secrets[key]) {
			v.receivers = append(v.receivers, ep)
			v.accepted = v.accepted || v.secrets[key].accepted
		}
	}
	return v
}

// mayHave says whether an endpoint belongs here by its Secret or, while that says nothing, did so last or may turn out to. The receiver
// goes by status too.
func (v *keyView) mayHave(ep *v1alpha1.NotificationEndpoint, s keySecret) bool {
	if s.known && s.problem == nil {
		return s.credentials.Environment() == v.environment
	}
	if e := ep.Status.Environment; e != nil {
		return e.APIBase == v.environment.APIBase && e.CloudName == v.environment.CloudName
	}
	return !s.known
}

func ownSecret(ep *v1alpha1.NotificationEndpoint) plan.Key {
	return plan.Key{Namespace: ep.Namespace, Name: ep.Spec.CredentialsSecretRef.Name}
}

// verifier is the endpoint as far as it decides whose signatures count for it.
func verifier(ep *v1alpha1.NotificationEndpoint) verification.Endpoint {
	e := verification.Endpoint{Namespace: ep.Namespace, Secret: ep.Spec.CredentialsSecretRef.Name}
	if r := ep.Spec.Receiver; r != nil && r.Verification != nil {
		e.APIKeys = r.Verification.APIKeys
	}
	return e
}

// endpoints are the receivers' endpoints whose own Secret is such a one.
func (v *keyView) endpoints(whose func(secret plan.Key) bool) []verification.Endpoint {
	var all []verification.Endpoint
	for _, ep := range v.receivers {
		if whose(ownSecret(ep)) {
			all = append(all, verifier(ep))
		}
	}
	return all
}

func (v *keyView) isAccepted(secret plan.Key) bool  { return v.secrets[secret].accepted }
func (v *keyView) isUndecided(secret plan.Key) bool { return v.undecided(secret.String()) }

// known are the keys of the Secrets that are accepted here. Beside an OAuth token api_key and api_secret are unchecked: no call is made with them.
func (v *keyView) known() []verification.Key {
	var keys []verification.Key
	for _, key := range slices.SortedFunc(maps.Keys(v.secrets), compareKeys) {
		s := v.secrets[key]
		if !s.accepted {
			continue
		}
		sources := []string{key.String()}
		if c := s.credentials; c.APISecret != "" {
			keys = append(keys, verification.Key{ID: c.APIKey, Secret: c.APISecret, Unchecked: !c.CallsWithKey(), Sources: sources})
		}
		for _, k := range s.signing {
			keys = append(keys, verification.Key{ID: k.APIKey, Secret: k.Secret, Unchecked: true, Sources: sources})
		}
	}
	return keys
}

// undecided says whether it is not known now if a Secret has a part in the environment. What nobody names any more has none.
func (v *keyView) undecided(source string) bool {
	s, named := v.secrets[keyFrom(source)]
	switch {
	case !named:
		return false
	case !s.known:
		return true
	case s.problem != nil, s.refused, s.credentials.Environment() != v.environment:
		return false
	default:
		return !s.accepted
	}
}

// awaited says whether an endpoint for which keys of the entry count may yet turn out to belong here.
func (v *keyView) awaited(keys []verification.Key) bool {
	pool := verification.NewPool(keys)
	return slices.ContainsFunc(v.endpoints(v.isUndecided), func(e verification.Endpoint) bool { return len(pool.Select(e)) > 0 })
}

// keyNotes are what a person should know of the keys for an endpoint.
func (r *Reconciler) keyNotes(g *gathered, ep *endpointView) []check.Finding {
	if _, member := r.directory.member(ep.secret, g.environment); !member || ep.Spec.Receiver == nil || g.keys == nil {
		return nil
	}
	if r.Options.VerificationNamespace == "" {
		return []check.Finding{{Why: "the manager knows no namespace for the receiver's verification keys, so that the receiver gets none; start it with --verification-namespace"}}
	}
	endpoint := verifier(ep.NotificationEndpoint)
	keys := g.keys.All(endpoint)
	unknown := slices.DeleteFunc(slices.Clone(endpoint.APIKeys), func(id string) bool {
		return slices.ContainsFunc(keys, func(k verification.Key) bool { return k.ID == id })
	})
	switch {
	case len(unknown) > 0:
		return []check.Finding{{Why: fmt.Sprintf("spec.receiver.verification.apiKeys names %s, of which no secret is known: it is not in Secret %s, and no other Secret of the product "+
			"environment makes calls with it; put it into %s as signing.<API_KEY>, or take it out of apiKeys", strings.Join(unknown, ", "), ep.secret, ep.secret)}}
	case len(keys) == 0 && len(publicKeys(ep.NotificationEndpoint)) == 0:
		return []check.Finding{{Why: fmt.Sprintf("Secret %s has no key to verify notifications with: beside an OAuth token set api_key and api_secret, or signing.<API_KEY>; "+
			"or name another Secret's API key in spec.receiver.verification.apiKeys", ep.secret)}}
	case len(keys) > notification.MaxKeys:
		return []check.Finding{{Why: fmt.Sprintf("Secret %s has more keys to verify notifications with than the %d that count: its own API key first, then signing.<API_KEY> in the order "+
			"of the API keys; remove those that Cloudinary does not sign with any more, or name those that count in spec.receiver.verification.apiKeys", ep.secret, notification.MaxKeys)}}
	default:
		return nil
	}
}

// keyFrom reads what plan.Key's String writes.
func keyFrom(text string) plan.Key {
	namespace, name, _ := strings.Cut(text, "/")
	return plan.Key{Namespace: namespace, Name: name}
}
