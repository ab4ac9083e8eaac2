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
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verdict"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verification"
)

// pathKeys is the key as it was last read. Every pass asks for it, so that it is not read each
// time: that it was deleted is noticed that much later.
type pathKeys struct {
	client  client.Client
	live    client.Reader
	lease   lease
	now     func() time.Time
	options *Options

	mu     sync.Mutex
	cached []byte
	readAt time.Time
}

// key returns the key, and makes it where there is none. While it cannot be read, the last one
// counts.
func (p *pathKeys) key(ctx context.Context) ([]byte, *resolve.Problem, error) {
	if p.options.VerificationNamespace == "" {
		return nil, verdict.PathKeyHasNoNamespace(), nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cached != nil && p.now().Sub(p.readAt) < min(keysFresh, p.options.SyncInterval) {
		return p.cached, nil, nil
	}
	key, err := p.readOrMake(ctx)
	switch {
	case err == nil:
		p.cached, p.readAt = key, p.now()
		return key, nil, nil
	case errors.Is(err, errNotLeader), ctx.Err() != nil:
		return nil, nil, err
	case errors.Is(err, resolve.ErrPathKeyInvalid):
		p.cached = nil
	case p.cached != nil:
		logf.FromContext(ctx).Info("The key of addresses cannot be read, going on with that of before", "reason", err.Error())
		return p.cached, nil, nil
	}
	return nil, verdict.PathKeyUnavailable(p.options.VerificationNamespace, err), nil
}

func (p *pathKeys) readOrMake(ctx context.Context) ([]byte, error) {
	name := client.ObjectKey{Namespace: p.options.VerificationNamespace, Name: verification.PathKeySecretName}
	secret := &corev1.Secret{}
	err := p.live.Get(ctx, name, secret)
	if apierrors.IsNotFound(err) {
		err = p.make(ctx, name)
		if err == nil || apierrors.IsAlreadyExists(err) {
			err = p.live.Get(ctx, name, secret) // whoever made it: all managers go by the same
		}
	}
	if err != nil {
		logf.FromContext(ctx).Info("The key of addresses can be neither read nor made", "reason", err.Error())
		return nil, fmt.Errorf("path key %s: %w", name, err)
	}
	key, err := resolve.ParsePathKey(secret.Data)
	if err != nil {
		return nil, fmt.Errorf("path key %s: %w", name, err)
	}
	return key, nil
}

// make makes the Secret, within the leader's lease. It is immutable, since a key that is edited
// moves every address: to want that, one has to delete it.
func (p *pathKeys) make(ctx context.Context, name client.ObjectKey) error {
	ctx, cancel, err := p.lease.fenced(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	key := make([]byte, notification.PathKeyBytes)
	rand.Read(key) // it never fails: the process ends instead
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name, Labels: keyLabels()},
		Data:       map[string][]byte{resolve.PathKeyEntry: key},
		Immutable:  new(true),
	}
	// Waiting for its own writes the client would begin to cache all Secrets with their content.
	if err := p.client.Create(ctx, secret, client.DisableReadYourWritesConsistency); err != nil {
		return err
	}
	logf.FromContext(ctx).Info("Made the key that addresses of endpoints are computed with", "secret", name)
	return nil
}

// readInto lets the world compute addresses, if any of its endpoints has one that needs the key:
// who uses no receiver need not grant the rights for it.
func (p *pathKeys) readInto(ctx context.Context, w *resolve.World) error {
	for _, ep := range w.Endpoints {
		if !resolve.NeedsPathKey(ep) {
			continue
		}
		key, problem, err := p.key(ctx)
		if err != nil {
			return err
		}
		w.PathToken = func(ep *v1alpha1.NotificationEndpoint) (string, *resolve.Problem) {
			if problem != nil {
				return "", problem
			}
			return notification.PathToken(key, ep.Namespace, ep.Name), nil
		}
		return nil
	}
	return nil
}
