// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/check"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verification"
)

// pathKeyEntry is the key's name in the Secret's data.
const pathKeyEntry = "key"

// pathKeys is the key as it was last read. Every pass asks for it, so that it is not read each time: that it was deleted is
// noticed that much later.
type pathKeys struct {
	mu     sync.Mutex
	key    []byte
	readAt time.Time
}

// errPathKeyInvalid is no reason to overwrite what somebody may have put there for a purpose.
var errPathKeyInvalid = fmt.Errorf("its %s has not %d bytes; restore it, or delete the Secret: the manager makes another, and moves every address that rests on it",
	pathKeyEntry, notification.PathKeyBytes)

// pathKey returns the key, and makes it where there is none. While it cannot be read, the last one counts.
func (r *Reconciler) pathKey(ctx context.Context) ([]byte, *problem, error) {
	if r.Options.VerificationNamespace == "" {
		return nil, &problem{v1alpha1.ReasonPathKeyUnavailable, "the manager knows no namespace for the key of the address; start it with --verification-namespace, " +
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
func pathKeyProblem(namespace string, err error) *problem {
	said := "see the manager's log"
	if errors.Is(err, errPathKeyInvalid) {
		said = errPathKeyInvalid.Error()
	} else if reason := apierrors.ReasonForError(err); reason != metav1.StatusReasonUnknown {
		said = "the API server says " + string(reason)
	}
	return &problem{v1alpha1.ReasonPathKeyUnavailable, fmt.Sprintf(
		"the address cannot be computed: Secret %s/%s can be neither read nor made (%s)", namespace, verification.PathKeySecretName, said)}
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
func (r *Reconciler) readPathKey(ctx context.Context, w *world) error {
	for _, ep := range w.endpoints {
		if !needsPathKey(ep) {
			continue
		}
		key, p, err := r.pathKey(ctx)
		if err != nil {
			return err
		}
		w.pathToken = func(ep *v1alpha1.NotificationEndpoint) (string, *problem) {
			if p != nil {
				return "", p
			}
			return notification.PathToken(key, ep.Namespace, ep.Name), nil
		}
		return nil
	}
	return nil
}

// noPathKey is for a world in which no endpoint needs the key.
func noPathKey(*v1alpha1.NotificationEndpoint) (string, *problem) {
	return "", &problem{v1alpha1.ReasonPathKeyUnavailable, "the key of the address has not been read yet"}
}

// plainPath says whether an endpoint's address ends with its name. Where the spec does not say, one that has had such an address keeps it:
// callers may have it as notification_url, and would lose their notifications by the update of an operator.
func plainPath(ep *v1alpha1.NotificationEndpoint) bool {
	if ep.Spec.Receiver.Path != "" {
		return ep.Spec.Receiver.Path == v1alpha1.ReceiverPathPlain
	}
	return hasPlainURL(ep)
}

func hasPlainURL(ep *v1alpha1.NotificationEndpoint) bool {
	_, token, ok := notification.CutPath(ep.Status.URL, ep.Namespace, ep.Name)
	return ok && token == ""
}

// needsPathKey says whether an endpoint's address is computed with the key.
func needsPathKey(ep *v1alpha1.NotificationEndpoint) bool {
	return ep.Spec.Receiver != nil && !plainPath(ep)
}

// presentToken is that of the address that the endpoint has; empty: it has none.
func presentToken(ep *v1alpha1.NotificationEndpoint) string {
	_, token, _ := notification.CutPath(ep.Status.URL, ep.Namespace, ep.Name)
	return token
}

// receiverPath is the path of an endpoint with a receiver. While there is no key, an address that rests on one stays as it is.
func (w *world) receiverPath(ep *v1alpha1.NotificationEndpoint) (path, note string, _ *problem) {
	path = notification.Path(ep.Namespace, ep.Name)
	if plainPath(ep) {
		return path, "", nil
	}
	token, p := w.pathToken(ep)
	if p == nil {
		return path + "/" + token, "", nil
	}
	if token = presentToken(ep); token != "" {
		return path + "/" + token, "the address stays as it is: " + p.message, nil
	}
	return "", "", p
}

// pathNotes are what the owner of an endpoint should know of its address.
func pathNotes(ep *v1alpha1.NotificationEndpoint) []check.Finding {
	if ep.Spec.Receiver == nil || ep.Spec.Receiver.Path != "" || !hasPlainURL(ep) {
		return nil
	}
	return []check.Finding{{
		Why:    "the address can be guessed, and is kept since the endpoint has had it before",
		Advice: "set spec.receiver.path: Unguessable for one that cannot, to which the triggers move by themselves, or Plain to keep this one for good",
	}}
}

// keepURL is the URL to show while there is a problem with that of the spec: Cloudinary goes on notifying the one before, and the receiver
// serves what it finds here.
func keepURL(ep *v1alpha1.NotificationEndpoint) string {
	if _, _, own := notification.CutPath(ep.Status.URL, ep.Namespace, ep.Name); own && ep.Spec.Receiver != nil {
		return ep.Status.URL
	}
	return ""
}
