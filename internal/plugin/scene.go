// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/forecast"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// scene gathers the input of a plan: the cluster with the manifests applied, Secrets, and lists of
// triggers.
type scene struct {
	*cli
	cluster   *cluster
	options   planOptions
	applier   applier
	bases     cloudinary.APIBases
	manifests *manifests
	namespace string // of the objects that are shown besides those of the manifests; empty: all

	endpoints []v1alpha1.NotificationEndpoint
	triggers  []v1alpha1.CloudinaryTrigger
	added     map[string]bool // kind and key of what only the manifests have
	changed   map[string]bool // kind and key of what the manifests change the spec of
	// Kind and key of all that they have, and of the triggers of their endpoints
	given   map[string]bool
	invalid map[string]string // kind and key of what the API server would refuse, and why
	secrets map[plan.Key]forecast.Secret
	lists   map[cloudinary.Credentials]*forecast.List
	sight
}

func (s *scene) gather(ctx context.Context) (forecast.Input, error) {
	s.added, s.changed, s.given, s.invalid = map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]string{}
	s.secrets, s.lists = map[plan.Key]forecast.Secret{}, map[cloudinary.Credentials]*forecast.List{}
	if err := s.readCluster(ctx); err != nil {
		return forecast.Input{}, err
	}
	if err := s.layOver(ctx); err != nil {
		return forecast.Input{}, err
	}
	s.follow()
	s.standIn()
	s.doubt()
	if err := s.readSecrets(ctx, s.neededSecrets(), true); err != nil {
		return forecast.Input{}, err
	}
	if err := s.readSecrets(ctx, s.neighbors(), false); err != nil {
		return forecast.Input{}, err
	}
	namespaces, err := s.readLabels(ctx)
	if err != nil {
		return forecast.Input{}, err
	}
	options := forecast.DefaultOptions()
	options.AllowInsecureAPIBase, options.AllowedAPIBases = s.options.insecure, s.bases
	options.URLLimit = s.urlLimit(options.URLLimit)
	options.ReceiverBaseURL = s.receiverBaseURL()
	return forecast.Input{
		Endpoints: s.endpoints, Triggers: s.triggers, Namespaces: namespaces, Partial: s.partial, Secrets: s.secrets, Now: s.Now(), Options: options,
	}, nil
}

// readLabels reads the labels of namespaces if an endpoint selects by them.
func (s *scene) readLabels(ctx context.Context) (map[string]labels.Set, error) {
	if !slices.ContainsFunc(s.endpoints, func(ep v1alpha1.NotificationEndpoint) bool {
		return ep.Spec.AllowedTriggers != nil && ep.Spec.AllowedTriggers.Namespaces.From == v1alpha1.NamespacesFromSelector
	}) {
		return nil, nil // nobody asks for them
	}
	var all metav1.PartialObjectMetadataList
	all.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("NamespaceList"))
	if err := s.cluster.List(ctx, &all); apierrors.IsForbidden(err) {
		s.warn("the labels of namespaces cannot be read, so triggers that depend on them to use an endpoint of another namespace are not planned")
		return nil, nil // nobody knows them
	} else if err != nil {
		return nil, fmt.Errorf("list namespaces: %w", err)
	}
	found := make(map[string]labels.Set, len(all.Items))
	for i := range all.Items {
		found[all.Items[i].Name] = all.Items[i].Labels
	}
	return found, nil
}

func identity(kind string, key plan.Key) string { return kind + " " + key.String() }

// layOver applies the manifests to the objects of the cluster. The resulting specs count, with the
// status of the cluster.
func (s *scene) layOver(ctx context.Context) error {
	for i := range s.manifests.endpoints {
		ep := &s.manifests.endpoints[i]
		if _, err := layOne(ctx, s, kindEndpoint, &s.endpoints, ep, &v1alpha1.NotificationEndpoint{ObjectMeta: s.newMeta(ep)}, nil); err != nil {
			return err
		}
	}
	for i := range s.manifests.triggers {
		t := &s.manifests.triggers[i]
		changed, err := layOne(ctx, s, kindTrigger, &s.triggers, t, &v1alpha1.CloudinaryTrigger{ObjectMeta: s.newMeta(t)}, specProblems(&t.Spec))
		if err != nil {
			return err
		}
		if changed {
			s.warnOfNulls(t)
		}
	}
	return nil
}

// warnOfNulls warns of a manifest with another meaning under kubectl apply than under server-side
// apply.
func (s *scene) warnOfNulls(t *v1alpha1.CloudinaryTrigger) {
	if nulls := nullMembers(t); len(nulls) > 0 && !s.applier.serverSide {
		s.warn("%s drops null members of the manifest %s, %s; server-side apply keeps them", s.applier.spoken(), resolve.KeyOf(t), strings.Join(nulls, ", "))
	}
}

// follow adds the triggers of the manifests' endpoints to the shown objects: a change of an
// endpoint changes them too.
func (s *scene) follow() {
	for i := range s.triggers {
		t := &s.triggers[i]
		if s.given[identity(kindEndpoint, resolve.TriggerEndpoint(t))] {
			s.given[identity(kindTrigger, resolve.KeyOf(t))] = true
		}
	}
}

func (s *scene) markManifest(kind string, o metav1.Object, added bool) {
	if s.given[identity(kind, resolve.KeyOf(o))] {
		s.warn("%s %s is more than once in the manifests: the last one counts", kind, resolve.KeyOf(o))
		return
	}
	s.given[identity(kind, resolve.KeyOf(o))] = true
	s.added[identity(kind, resolve.KeyOf(o))] = added
}

// newMeta is the metadata of an object that is created now: the youngest one, so that it wins no
// conflict.
func (s *scene) newMeta(o metav1.Object) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: o.GetNamespace(), Name: o.GetName(), Labels: o.GetLabels(), Annotations: o.GetAnnotations(),
		CreationTimestamp: metav1.NewTime(s.Now()),
	}
}

func (s *scene) isNew(kind string, key plan.Key) bool { return s.added[identity(kind, key)] }

// shows reports whether an object is shown: with manifests those and their dependents, else the
// objects of the namespace.
func (s *scene) shows(kind string, key plan.Key) bool {
	if kind == kindEndpoint && s.standIns[key] {
		return false
	}
	if s.options.files.given() && !s.options.all {
		return s.given[identity(kind, key)]
	}
	return s.namespace == "" || s.namespace == key.Namespace || s.given[identity(kind, key)]
}

// neededSecrets are the Secrets of the shown objects.
func (s *scene) neededSecrets() []plan.Key {
	var keys []plan.Key
	byKey := map[plan.Key]*v1alpha1.NotificationEndpoint{}
	for i := range s.endpoints {
		ep := &s.endpoints[i]
		if s.standIns[resolve.KeyOf(ep)] {
			continue
		}
		byKey[resolve.KeyOf(ep)] = ep
		if s.shows(kindEndpoint, resolve.KeyOf(ep)) {
			keys = append(keys, resolve.EndpointSecret(ep))
		}
	}
	for i := range s.triggers {
		t := &s.triggers[i]
		if !s.shows(kindTrigger, resolve.KeyOf(t)) {
			continue
		}
		if ep := byKey[resolve.TriggerEndpoint(t)]; ep != nil {
			keys = append(keys, resolve.EndpointSecret(ep))
		}
		for _, r := range t.Status.Registrations {
			keys = append(keys, plan.Key{Namespace: r.SecretRef.Namespace, Name: r.SecretRef.Name})
		}
	}
	return keys
}

// neighbors are the Secrets of other endpoints in a listed product environment: their triggers
// count there too.
func (s *scene) neighbors() []plan.Key {
	listed := map[cloudinary.Environment]bool{}
	for credentials := range s.lists {
		listed[credentials.Environment()] = true
	}
	var keys []plan.Key
	for i := range s.endpoints {
		ep := &s.endpoints[i]
		if env := ep.Status.Environment; env != nil && listed[cloudinary.Environment{APIBase: env.APIBase, CloudName: env.CloudName}] {
			keys = append(keys, resolve.EndpointSecret(ep))
		}
	}
	return keys
}

// readSecrets reads unknown Secrets, and lists with their credentials. Without a Secret, or without
// its list, the objects that need it are not planned. For neighbors that is no loss.
func (s *scene) readSecrets(ctx context.Context, keys []plan.Key, needed bool) error {
	for _, key := range keys {
		if _, known := s.secrets[key]; known || s.refused[key] {
			continue
		}
		secret, err := s.readSecret(ctx, key)
		switch {
		case apierrors.IsForbidden(err):
			s.refuse(key, "Secret %s cannot be read, so the objects that need it are not planned. --credentials-from-env uses CLOUDINARY_URL instead", key)
			continue
		case errors.Is(err, errEncrypted), errors.Is(err, errInvalidSecret):
			s.refuse(key, "Secret %s of the manifests %v, so the objects that need it are not planned. --credentials-from-env uses CLOUDINARY_URL instead", key, err)
			continue
		case err != nil && !apierrors.IsNotFound(err):
			return fmt.Errorf("read Secret %s: %w", key, err)
		}
		list := s.list(ctx, secret)
		s.secrets[key] = forecast.Secret{Secret: secret, List: list}
		switch {
		case list != nil && list.Err != nil:
			s.refuse(key, "objects that need Secret %s are not planned: %v", key, list.Err)
		case secret == nil && needed:
			s.miss("Secret %s, which does not exist", key)
		case list == nil && needed:
			s.miss("Secret %s, of which the credentials cannot be used", key)
		}
	}
	return nil
}

// readSecret returns nil without an error if there is no such Secret.
func (s *scene) readSecret(ctx context.Context, key plan.Key) (*corev1.Secret, error) {
	if s.options.fromEnv {
		return s.secretFromEnv(key)
	}
	if secret, err := s.manifests.secret(key); secret != nil || err != nil {
		return secret, err
	}
	secret, err := s.cluster.secret(ctx, key.Namespace, key.Name)
	return secret, client.IgnoreNotFound(err)
}

func (s *scene) secretFromEnv(key plan.Key) (*corev1.Secret, error) {
	value := s.Getenv(cloudinary.KeyCloudinaryURL)
	if value == "" {
		return nil, errors.New("--credentials-from-env needs the environment variable CLOUDINARY_URL")
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name},
		Data:       map[string][]byte{cloudinary.KeyCloudinaryURL: []byte(value)},
	}, nil
}

// list lists once for each set of credentials. The forecast reports problems of the Secret.
func (s *scene) list(ctx context.Context, secret *corev1.Secret) *forecast.List {
	if secret == nil {
		return nil
	}
	credentials, err := cloudinary.ParseSecret(secret.Data)
	if err != nil || credentials.Insecure() && !s.options.insecure || !s.bases.Allows(credentials.Environment().APIBase) {
		return nil
	}
	if s.lists[credentials] == nil {
		l := &forecast.List{Begun: s.Now()}
		l.Triggers, l.Meta, l.Err = s.adminAPI(credentials, s.options.timeout, s.bases).ListTriggers(ctx)
		s.lists[credentials] = l
	}
	return s.lists[credentials]
}

// urlLimit is the value of the flag, else of an endpoint's status, else the default.
func (s *scene) urlLimit(fallback int) int {
	if s.options.urlLimit > 0 {
		return s.options.urlLimit
	}
	for i := range s.endpoints {
		if env := s.endpoints[i].Status.Environment; env != nil && env.URLLimit != nil {
			return int(*env.URLLimit)
		}
	}
	return fallback
}

// receiverBaseURL is the value of the flag, else the base of an endpoint's URL that has no base URL
// of its own.
func (s *scene) receiverBaseURL() string {
	if s.options.receiverBaseURL != "" {
		return s.options.receiverBaseURL
	}
	for i := range s.endpoints {
		ep := &s.endpoints[i]
		if s.isNew(kindEndpoint, resolve.KeyOf(ep)) || ep.Spec.Receiver == nil || ep.Spec.Receiver.BaseURL != "" {
			continue
		}
		if base, _, ok := notification.CutPath(ep.Status.URL, ep.Namespace, ep.Name); ok && base != "" {
			return base
		}
	}
	return ""
}
