// SPDX-License-Identifier: Apache-2.0

package route

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verification"
)

// Configs works out what is served: every endpoint with a receiver, the triggers that notify it, and those keys of its product
// environment that count for it, as far as they are known. An endpoint that is being deleted is served until it is gone: Cloudinary may still notify it.
// The answer is sorted by namespace and name.
func Configs(
	endpoints []*v1alpha1.NotificationEndpoint, triggers []*KeptTrigger, keys map[verification.Environment]verification.Keys,
) []Config {
	byEndpoint := map[types.NamespacedName][]*KeptTrigger{}
	for _, t := range triggers {
		byEndpoint[t.endpoint] = append(byEndpoint[t.endpoint], t)
	}
	pools := make(map[verification.Environment]*verification.Pool, len(keys))
	for env, entry := range keys {
		pools[env] = verification.NewPool(entry.Keys)
	}
	var configs []Config
	for _, ep := range endpoints {
		if ep.Spec.Receiver == nil {
			continue
		}
		c := config(ep)
		counted := slices.DeleteFunc(byEndpoint[c.Key], func(t *KeptTrigger) bool { return !allowed(ep, t) })
		slices.SortFunc(counted, func(a, b *KeptTrigger) int { return compare(a.config.Key, b.config.Key) })
		for _, t := range counted {
			c.Triggers = append(c.Triggers, t.config)
		}
		c.Triggers, c.MoreTriggers = counting(c.Key.Namespace, c.Triggers)
		c.Paths = paths(ep, counted)
		if env := ep.Status.Environment; env != nil {
			if pool := pools[verification.Environment{APIBase: env.APIBase, CloudName: env.CloudName}]; pool != nil {
				c.Keys = pool.Select(verifier(ep))
			}
		}
		configs = append(configs, c)
	}
	slices.SortFunc(configs, func(a, b Config) int { return compare(a.Key, b.Key) })
	return configs
}

func compare(a, b types.NamespacedName) int {
	if c := strings.Compare(a.Namespace, b.Namespace); c != 0 {
		return c
	}
	return strings.Compare(a.Name, b.Name)
}

func endpointOf(t *v1alpha1.CloudinaryTrigger) types.NamespacedName {
	key := types.NamespacedName{Namespace: t.Spec.EndpointRef.Namespace, Name: t.Spec.EndpointRef.Name}
	if key.Namespace == "" {
		key.Namespace = t.Namespace
	}
	return key
}

// verifier is the endpoint as far as it decides whose signatures count for it.
func verifier(ep *v1alpha1.NotificationEndpoint) verification.Endpoint {
	e := verification.Endpoint{Namespace: ep.Namespace, Secret: ep.Spec.CredentialsSecretRef.Name}
	if r := ep.Spec.Receiver; r != nil && r.Verification != nil {
		e.APIKeys = r.Verification.APIKeys
	}
	return e
}

// config is what the endpoint itself says.
func config(ep *v1alpha1.NotificationEndpoint) Config {
	r := ep.Spec.Receiver
	c := Config{
		Key: types.NamespacedName{Namespace: ep.Namespace, Name: ep.Name}, UID: ep.UID, Generation: ep.Generation,
		MaxAge: DefaultMaxAge, RetryMaxAge: DefaultRetryMaxAge, Redrive: ep.Annotations[v1alpha1.AnnotationRedrive],
	}
	if v := r.Verification; v != nil {
		c.MaxAge = duration(v.MaxAge, DefaultMaxAge)
		c.PublicKeys = v.Ed25519PublicKeys
		for _, a := range v.Algorithms {
			c.Algorithms = append(c.Algorithms, notification.Algorithm(a))
		}
	}
	if r.Retry != nil {
		c.RetryMaxAge = duration(r.Retry.MaxAge, DefaultRetryMaxAge)
	}
	for i := range r.DeliverTo {
		c.Targets = append(c.Targets, target(&r.DeliverTo[i]))
	}
	return c
}

func target(d *v1alpha1.DeliveryTarget) Target {
	t := Target{Name: d.Name, Event: d.Event != nil, EventTypes: d.EventTypes}
	if s := d.Service; s != nil {
		t.Service = &Service{
			Name: s.Name, Port: s.Port, Path: s.Path, CloudEvents: s.Format == v1alpha1.FormatCloudEvents,
			Timeout: duration(s.Timeout, DefaultServiceTimeout), TLS: targetTLS(s),
		}
		if t.Service.Path == "" {
			t.Service.Path = "/"
		}
	}
	return t
}

// targetTLS is nil where a Service is reached without TLS.
func targetTLS(s *v1alpha1.ServiceTarget) *TLS {
	if s.Scheme != v1alpha1.SchemeHTTPS {
		return nil
	}
	t := &TLS{}
	if s.TLS == nil {
		return t
	}
	t.ServerName = s.TLS.ServerName
	if ca := s.TLS.CAConfigMapRef; ca != nil {
		t.CAConfigMap, t.CAKey = ca.Name, cmp.Or(ca.Key, v1alpha1.DefaultCAKey)
	}
	return t
}

// duration reads what the CRD's pattern has let through.
func duration(text v1alpha1.Duration, otherwise time.Duration) time.Duration {
	d, err := time.ParseDuration(string(text))
	if err != nil || d <= 0 {
		return otherwise
	}
	return d
}
