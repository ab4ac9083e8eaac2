// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verification"
)

const (
	// keysFresh is for how long the Secret is not read again, so that passes which follow each
	// other cost one read. What somebody else does to the Secret is put right this much later, at
	// the next pass.
	keysFresh = 30 * time.Second
	// keyTries is how often a write is tried against somebody else's.
	keyTries = 5
)

// keyStore is the Secret with the receiver's verification keys as it was last read or written. All
// environments share it: passes take turns, and the resourceVersion turns away what another process
// has written meanwhile.
type keyStore struct {
	client  client.Client
	live    client.Reader
	lease   lease
	queue   *unitQueue
	now     func() time.Time
	options *Options

	mu     sync.Mutex
	secret *corev1.Secret // nil: to be read; without a resourceVersion: there is none
	readAt time.Time
	swept  bool // the environments of all entries that were there at the start have been woken
}

// written is what an environment's entry has, and why the Secrets of a namespace have less there
// than they should.
type written struct {
	keys    []verification.Key
	refused map[string]error
}

// changeEntry sets an environment's entry to what next makes of the present one, as far as there is
// room, and removes it where that has no keys. Nothing is written where nothing changes.
func (k *keyStore) changeEntry(ctx context.Context, env verification.Environment, next func([]verification.Key) []verification.Key) (written, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for range keyTries {
		w, err := k.tryEntry(ctx, env, next)
		if !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) && !apierrors.IsNotFound(err) {
			return w, err
		}
		logf.FromContext(ctx).V(1).Info("Somebody else wrote the verification keys, reading them again", "reason", err.Error())
	}
	// No error of the API server: that would be taken for a race about one of the pass's objects,
	// and tried again at once. It is more likely that the namespace does not exist.
	return written{}, fmt.Errorf("the verification keys cannot be written to namespace %s, or somebody else keeps writing them", k.options.VerificationNamespace)
}

// tryEntry changes an entry once. keyStore.mu is held.
func (k *keyStore) tryEntry(ctx context.Context, env verification.Environment, next func([]verification.Key) []verification.Key) (written, error) {
	secret, err := k.readKeys(ctx)
	if err != nil {
		return written{}, err
	}
	name := verification.EntryName(env)
	var w written
	w.keys, w.refused = verification.Fit(secret.Data, env, next(entryOf(ctx, secret, name)))
	entry, err := encodeEntry(env, w.keys)
	if err != nil {
		return written{}, err
	}
	if old, exists := secret.Data[name]; bytes.Equal(old, entry) && exists == (entry != nil) {
		return w, nil
	}
	k.secret = nil // whatever comes of it, unless it is all well
	if err := k.writeEntry(ctx, secret, name, entry); err != nil {
		return written{}, err
	}
	logf.FromContext(ctx).V(1).Info("Changed the verification keys")
	return w, nil
}

// entryOf are the keys of an entry. One that cannot be read has none: it is written anew.
func entryOf(ctx context.Context, secret *corev1.Secret, name string) []verification.Key {
	raw, ok := secret.Data[name]
	if !ok {
		return nil
	}
	entry, err := verification.Decode(raw)
	if err != nil {
		logf.FromContext(ctx).Info("An entry of the verification keys cannot be read, writing it anew", "reason", err.Error())
		return nil
	}
	return entry.Keys
}

// encodeEntry is nil where there are no keys.
func encodeEntry(env verification.Environment, keys []verification.Key) ([]byte, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	return verification.Keys{Environment: env, Keys: keys}.Encode()
}

// readKeys returns the Secret, or an empty one without a resourceVersion where there is none.
// keyStore.mu is held.
func (k *keyStore) readKeys(ctx context.Context) (*corev1.Secret, error) {
	if k.secret != nil && k.now().Sub(k.readAt) < min(keysFresh, k.options.SyncInterval) {
		return k.secret, nil
	}
	secret := &corev1.Secret{}
	key := client.ObjectKey{Namespace: k.options.VerificationNamespace, Name: verification.SecretName}
	if err := k.live.Get(ctx, key, secret); apierrors.IsNotFound(err) {
		secret = &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
	} else if err != nil {
		return nil, fmt.Errorf("read verification keys %s: %w", key, err)
	}
	k.secret, k.readAt = secret, k.now()
	k.sweepKeys(secret)
	return secret, nil
}

// sweep reads the Secret at the start, so that entries which nothing needs any more go even where
// there is no endpoint left to wake a pass. Where that fails, the first pass that reads the Secret
// does it.
func (k *keyStore) sweep(ctx context.Context) {
	if k.options.VerificationNamespace == "" {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, err := k.readKeys(ctx); err != nil {
		logf.FromContext(ctx).Info("The verification keys cannot be read", "reason", err.Error())
	}
}

// sweepKeys wakes the environments of all entries once: one may have lost its last endpoint while
// no manager ran.
func (k *keyStore) sweepKeys(secret *corev1.Secret) {
	if k.swept {
		return
	}
	k.swept = true
	entries, _ := verification.DecodeSecret(secret.Data) // what cannot be read belongs to no environment
	for env := range entries {
		k.queue.wake(resolve.UnitOfEnvironment(cloudinary.Environment{APIBase: env.APIBase, CloudName: env.CloudName}))
	}
}

// keyLabels are those of the Secrets that the manager makes.
func keyLabels() map[string]string {
	return map[string]string{
		"app.kubernetes.io/managed-by": "cloudinary-operator",
		"app.kubernetes.io/part-of":    "cloudinary-operator",
		"app.kubernetes.io/component":  "receiver",
	}
}

// writeEntry writes the Secret with one entry changed, or removed if it is nil, within the leader's
// lease. keyStore.mu is held.
func (k *keyStore) writeEntry(ctx context.Context, read *corev1.Secret, name string, entry []byte) error {
	ctx, cancel, err := k.lease.fenced(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	secret := read.DeepCopy()
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	secret.Data[name] = entry
	if entry == nil {
		delete(secret.Data, name)
	}
	if secret.Labels == nil {
		secret.Labels = map[string]string{}
	}
	maps.Copy(secret.Labels, keyLabels())
	// Waiting for its own writes the client would begin to cache all Secrets with their content.
	if secret.ResourceVersion == "" {
		err = k.client.Create(ctx, secret, client.DisableReadYourWritesConsistency)
	} else {
		err = k.client.Update(ctx, secret, client.DisableReadYourWritesConsistency)
	}
	if err != nil {
		return fmt.Errorf("write verification keys %s/%s: %w", secret.Namespace, secret.Name, err)
	}
	k.secret, k.readAt = secret, k.now()
	return nil
}
