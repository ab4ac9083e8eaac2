// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verification"
)

// pathKeyEntry is the key's name in the Secret's data.
const pathKeyEntry = "key"

// errPathKeyInvalid is no reason to overwrite what somebody may have put there for a purpose.
var errPathKeyInvalid = fmt.Errorf("its %s has not %d bytes; restore it, or delete the Secret: the manager makes another, and moves every address that rests on it",
	pathKeyEntry, notification.PathKeyBytes)

// pathKey returns the key, and makes it where there is none. While it cannot be read, the last one counts.
func (r *Reconciler) pathKey(ctx context.Context) ([]byte, *resolve.Problem, error) {
	if r.Options.VerificationNamespace == "" {
		return nil, &resolve.Problem{Reason: v1alpha1.ReasonPathKeyUnavailable, Message: "the manager has no namespace for the key of the address. Start it with --verification-namespace, " +
			"or set spec.receiver.path: Plain"}, nil
	}
	r.paths.mu.Lock()
	defer r.paths.mu.Unlock()
	if r.paths.key != nil && r.Now().Sub(r.paths.readAt) < min(keysFresh, r.Options.SyncInterval) {
		return r.paths.key, nil, nil
	}
	key, err := r.readOrMakePathKey(ctx)
	switch {
	case err == nil:
		r.paths.key, r.paths.readAt = key, r.Now()
		return key, nil, nil
	case errors.Is(err, errNotLeader), ctx.Err() != nil:
		return nil, nil, err
	case errors.Is(err, errPathKeyInvalid):
		r.paths.key = nil
	case r.paths.key != nil:
		logf.FromContext(ctx).Info("The key of addresses cannot be read, going on with that of before", "reason", err.Error())
		return r.paths.key, nil, nil
	}
	return nil, pathKeyProblem(r.Options.VerificationNamespace, err), nil
}

// pathKeyProblem has nothing that is another at each try.
func pathKeyProblem(namespace string, err error) *resolve.Problem {
	said := "see the manager's log"
	if errors.Is(err, errPathKeyInvalid) {
		said = errPathKeyInvalid.Error()
	} else if reason := apierrors.ReasonForError(err); reason != metav1.StatusReasonUnknown {
		said = "the API server says " + string(reason)
	}
	return &resolve.Problem{Reason: v1alpha1.ReasonPathKeyUnavailable, Message: fmt.Sprintf(
		"the address cannot be computed: Secret %s/%s can neither be read nor created (%s)", namespace, verification.PathKeySecretName, said)}
}

func (r *Reconciler) readOrMakePathKey(ctx context.Context) ([]byte, error) {
	name := client.ObjectKey{Namespace: r.Options.VerificationNamespace, Name: verification.PathKeySecretName}
	secret := &corev1.Secret{}
	err := r.Live.Get(ctx, name, secret)
	if apierrors.IsNotFound(err) {
		err = r.makePathKey(ctx, name)
		if err == nil || apierrors.IsAlreadyExists(err) {
			err = r.Live.Get(ctx, name, secret) // whoever made it: all managers go by the same
		}
	}
	if err != nil {
		logf.FromContext(ctx).Info("The key of addresses can be neither read nor made", "reason", err.Error())
		return nil, fmt.Errorf("path key %s: %w", name, err)
	}
	key := secret.Data[pathKeyEntry]
	if len(key) != notification.PathKeyBytes {
		return nil, fmt.Errorf("path key %s: %w", name, errPathKeyInvalid)
	}
	return key, nil
}

// makePathKey makes the Secret, within the leader's lease. It is immutable, since a key that is edited moves every address: to want
// that, one has to delete it.
func (r *Reconciler) makePathKey(ctx context.Context, name client.ObjectKey) error {
	ctx, cancel, err := r.fenced(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	key := make([]byte, notification.PathKeyBytes)
	rand.Read(key) // it never fails: the process ends instead
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name, Labels: keyLabels()},
		Data:       map[string][]byte{pathKeyEntry: key},
		Immutable:  new(true),
	}
	// Waiting for its own writes the client would begin to cache all Secrets with their content.
	if err := r.Client.Create(ctx, secret, client.DisableReadYourWritesConsistency); err != nil {
		return err
	}
	logf.FromContext(ctx).Info("Made the key that addresses of endpoints are computed with", "secret", name)
	return nil
}

// readPathKey lets the world compute addresses, if any of its endpoints has one that needs the key: who uses no receiver need not grant
// the rights for it.
func (r *Reconciler) readPathKey(ctx context.Context, w *resolve.World) error {
	for _, ep := range w.Endpoints {
		if !resolve.NeedsPathKey(ep) {
			continue
		}
		key, p, err := r.pathKey(ctx)
		if err != nil {
			return err
		}
		w.PathToken = func(ep *v1alpha1.NotificationEndpoint) (string, *resolve.Problem) {
			if p != nil {
				return "", p
			}
			return notification.PathToken(key, ep.Namespace, ep.Name), nil
		}
		return nil
	}
	return nil
}
