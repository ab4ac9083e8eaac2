// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verdict"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verification"
)

// keep brings the environment's entry of verification keys up to date. It returns what its
// endpoints have to know, and how many keys the entry has. An error is that of a process which is
// not the leader any more, or one that is in what the endpoints have to know.
func (k *keyStore) keep(ctx context.Context, s *resolve.Scope) (told verdict.Keys, entries int, err error) {
	view := s.Keys()
	told.Pool = view.Pool(nil)
	if k.options.VerificationNamespace == "" {
		return told, 0, nil
	}
	w, err := k.changeEntry(ctx, verification.Environment(s.Environment), func(present []verification.Key) []verification.Key {
		return view.Entry(present, k.now(), k.options.VerificationKeyGrace)
	})
	if len(view.Receivers) == 0 && apierrors.IsForbidden(err) {
		return told, 0, nil // who uses no receiver need not grant the rights for it
	}
	told.Refused, told.Pool = w.refused, view.Pool(w.keys)
	if err != nil && !errors.Is(err, errNotLeader) {
		told.Problem = verdict.KeysNotWritten(err)
	}
	return told, len(w.keys), err
}

// keepLastKeys looks after an environment that has nothing left but keys, if that: it returns when
// to do so again.
func (r *Reconciler) keepLastKeys(ctx context.Context, s *resolve.Scope) (time.Duration, error) {
	_, n, err := r.keys.keep(ctx, s)
	if err != nil || n == 0 {
		return 0, err
	}
	return r.jittered(r.Options.SyncInterval), nil
}
