// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// reasonInvalid is the plugin's own reason: the operator never sees a manifest that the API server
// refuses.
const reasonInvalid = "Invalid"

// layOne applies a manifest to the object with its name, or to a new one, and reports whether that
// changes something. A dry run finds out whether the API server would refuse the result. Without
// the right to that, or before the namespace exists, the known parts of the CRD's schema are
// checked.
func layOne[T any, P interface {
	*T
	client.Object
}](ctx context.Context, s *scene, kind string, all *[]T, manifest, fresh P, known []string) (changed bool, err error) {
	at := slices.IndexFunc(*all, func(have T) bool { return resolve.KeyOf(P(&have)) == resolve.KeyOf(manifest) })
	s.markManifest(kind, manifest, at < 0)
	after := fresh
	if at >= 0 {
		after, _ = P(&(*all)[at]).DeepCopyObject().(P)
	}
	if changed, err = become(s, kind, after, manifest); err != nil {
		return false, err
	}
	if changed || at < 0 {
		if err := s.dryRun(ctx, kind, after, known); err != nil {
			return false, err
		}
		if s.invalid[identity(kind, resolve.KeyOf(manifest))] != "" {
			return false, nil
		}
	}
	if at < 0 {
		*all = append(*all, *after)
		return changed, nil
	}
	(*all)[at] = *after
	s.changed[identity(kind, resolve.KeyOf(manifest))] = changed
	return changed, nil
}

// dryRun records why the API server would refuse an object. If it cannot be asked, dryRun records
// the known problems.
func (s *scene) dryRun(ctx context.Context, kind string, o client.Object, known []string) error {
	key := identity(kind, resolve.KeyOf(o))
	err := s.tryToWrite(ctx, o)
	switch {
	case err == nil:
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		s.invalid[key] = causes(err)
	case apierrors.IsForbidden(err), apierrors.IsNotFound(err), apierrors.IsAlreadyExists(err), apierrors.IsConflict(err):
		if len(known) > 0 {
			s.invalid[key] = strings.Join(known, "; ")
		}
	default:
		return fmt.Errorf("try %s with the API server: %w", key, err)
	}
	return nil
}

func (s *scene) tryToWrite(ctx context.Context, o client.Object) error {
	o, _ = o.DeepCopyObject().(client.Object) // the answer would be written over it
	if o.GetResourceVersion() != "" {
		return s.cluster.Update(ctx, o, client.DryRunAll) //nolint:wrapcheck // its kind counts, and dryRun wraps the rest
	}
	o.SetGeneration(0)
	return s.cluster.Create(ctx, o, client.DryRunAll) //nolint:wrapcheck // as above
}

// causes are the API server's errors about an object, field by field.
func causes(err error) string {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok || status.ErrStatus.Details == nil || len(status.ErrStatus.Details.Causes) == 0 {
		return err.Error()
	}
	var said []string
	for _, cause := range status.ErrStatus.Details.Causes {
		text := cause.Message
		if cause.Field != "" && cause.Field != "<nil>" {
			text = cause.Field + ": " + text
		}
		if !slices.Contains(said, text) {
			said = append(said, text)
		}
	}
	return strings.Join(said, "; ")
}
