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
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verification"
)

// keepKeys brings the environment's entry of verification keys up to date, and returns how many keys it has:
//
//	endpoints with a receiver        | the entry
//	---------------------------------+--------------------------------------------------------------------
//	one is accepted here             | has the keys of all accepted Secrets; others go as Update says
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
		update.Present = view.present()
		g.keys = &update
	}
	if r.Options.VerificationNamespace == "" {
		return 0, nil
	}
	keys, err := r.changeEntry(ctx, verification.Environment(g.environment), func(keys []verification.Key) []verification.Key {
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
	return len(keys), err
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
	secrets     map[plan.Key]keySecret // that an endpoint names, or something here was written with
	receivers   []plan.Key             // Secrets of the endpoints with a receiver that belong here, did so last, or may turn out to
	accepted    bool                   // one of these is accepted here
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
		key := plan.Key{Namespace: ep.Namespace, Name: ep.Spec.CredentialsSecretRef.Name}
		look(key)
		if ep.Spec.Receiver != nil && v.mayHave(ep, v.secrets[key]) {
			v.receivers = append(v.receivers, key)
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

// present are the keys of the Secrets that are accepted here.
func (v *keyView) present() []verification.Key {
	var keys []verification.Key
	for _, key := range slices.SortedFunc(maps.Keys(v.secrets), compareKeys) {
		s := v.secrets[key]
		if !s.accepted {
			continue
		}
		sources := []string{key.String()}
		if s.credentials.APISecret != "" {
			keys = append(keys, verification.Key{ID: s.credentials.APIKey, Secret: s.credentials.APISecret, Sources: sources})
		}
		for _, k := range s.signing {
			keys = append(keys, verification.Key{ID: k.APIKey, Secret: k.Secret, Signing: true, Sources: sources})
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

// awaited says whether an endpoint whose Secret has given keys to the entry may yet turn out to belong here.
func (v *keyView) awaited(keys []verification.Key) bool {
	return slices.ContainsFunc(v.receivers, func(secret plan.Key) bool {
		return v.undecided(secret.String()) && slices.ContainsFunc(keys, func(k verification.Key) bool {
			return slices.Contains(k.Sources, secret.String())
		})
	})
}

// keyNotes are what a person should know of the keys for an endpoint.
func (r *Reconciler) keyNotes(g *gathered, ep *endpointView) []string {
	switch {
	case ep.Spec.Receiver == nil || g.keys == nil:
		return nil
	case r.Options.VerificationNamespace == "":
		return []string{"the manager knows no namespace for the receiver's verification keys, so that the receiver gets none; start it with --verification-namespace"}
	case len(g.keys.Present) == 0 && len(publicKeys(ep.NotificationEndpoint)) == 0:
		return []string{"no Secret of the product environment has a key to verify notifications with: beside an OAuth token set api_key and api_secret, or signing.<API_KEY>"}
	case g.keys.TooMany():
		return []string{fmt.Sprintf("the Secrets of the product environment have more keys to verify notifications with than the %d that count: each Secret's own API key "+
			"first, then signing.<API_KEY> in the order of the API keys; remove those that Cloudinary does not sign with any more", notification.MaxKeys)}
	default:
		return nil
	}
}

// keyFrom reads what plan.Key's String writes.
func keyFrom(text string) plan.Key {
	namespace, name, _ := strings.Cut(text, "/")
	return plan.Key{Namespace: namespace, Name: name}
}
