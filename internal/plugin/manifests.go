// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/check"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

// exported are the manifests of a product environment's triggers.
type exported struct {
	endpoints []v1alpha1.NotificationEndpoint
	triggers  []v1alpha1.CloudinaryTrigger
	skipped   []skipped
}

// skipped is a trigger without a manifest, and the reason.
type skipped struct {
	cloudinary.Trigger
	reason string
}

// target is the namespace and the Secret of the manifests.
type target struct {
	namespace, secret string
	environment       cloudinary.Environment
	present           present
}

// export turns triggers into manifests: an endpoint for each URL, and for it a trigger for each set
// of settings.
func export(triggers []cloudinary.Trigger, to target) exported {
	e := exporter{target: to, places: map[plan.Place]string{}, byURL: map[string][]expressed{}}
	sorted := slices.Clone(triggers)
	// The oldest comes first, as in an adoption by the operator.
	slices.SortStableFunc(sorted, func(a, b cloudinary.Trigger) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	for _, t := range sorted {
		e.sort(t)
	}
	urls := make([]string, 0, len(e.byURL))
	for canonical := range e.byURL {
		urls = append(urls, canonical)
	}
	slices.Sort(urls)
	e.names = newNames(to, urls)
	for _, canonical := range urls {
		e.write(canonical, e.byURL[canonical])
	}
	return e.out
}

type exporter struct {
	target
	names  *names
	places map[plan.Place]string // the id that has it
	byURL  map[string][]expressed
	out    exported
}

// expressed is a trigger as a manifest can have it.
type expressed struct {
	cloudinary.Trigger
	settings plan.Settings
}

func (e *exporter) sort(t cloudinary.Trigger) {
	settings, err := expressible(t)
	place := plan.Place{URL: plan.CanonicalURL(t.URI), EventType: t.EventType}
	if err == nil && e.places[place] != "" {
		err = fmt.Errorf("is a second one for the same URL and event type, of which a manifest has one: %s is exported; "+
			"the operator leaves this one alone, and both fire", e.places[place])
	}
	if err != nil {
		e.out.skipped = append(e.out.skipped, skipped{t, err.Error()})
		return
	}
	e.places[place] = t.ID
	e.byURL[place.URL] = append(e.byURL[place.URL], expressed{t, settings})
}

var (
	eventTypePattern = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)
	asciiPattern     = regexp.MustCompile(`^[!-~]+$`)
	badEscape        = regexp.MustCompile(`%([^0-9a-fA-F]|.[^0-9a-fA-F]|.?$)`)
)

// expressible returns the settings of a trigger for a spec, or why no spec can have them.
func expressible(t cloudinary.Trigger) (plan.Settings, error) {
	if t.URIType != "" && t.URIType != plan.WebhookType {
		return plan.Settings{}, fmt.Errorf("is no webhook but %q: the operator never touches those", t.URIType)
	}
	if !eventTypePattern.MatchString(t.EventType) {
		return plan.Settings{}, errors.New("has an event type that spec.eventTypes does not allow")
	}
	if err := checkURL(t.URI); err != nil {
		return plan.Settings{}, fmt.Errorf("its URL %w", err)
	}
	s := plan.Settings{AuthScheme: plan.DefaultAuthScheme}
	if t.AuthScheme != nil {
		s.AuthScheme = *t.AuthScheme
	}
	schemes := []v1alpha1.AuthScheme{v1alpha1.AuthSchemeDefault, v1alpha1.AuthSchemeLegacyHMAC, v1alpha1.AuthSchemeEdDSAV2}
	if !slices.Contains(schemes, v1alpha1.AuthScheme(s.AuthScheme)) {
		return plan.Settings{}, fmt.Errorf("has the auth_scheme %q, which spec.authScheme does not allow", s.AuthScheme)
	}
	s.Additive = t.Additive != nil && *t.Additive
	var err error
	if s.Filter, err = checkedJSON(t.Filter, plan.CheckFilter); err != nil {
		return plan.Settings{}, fmt.Errorf("its filter would not be accepted: %w", err)
	}
	if s.PayloadTemplate, err = checkedJSON(t.PayloadTemplate, plan.CheckTemplate); err != nil {
		return plan.Settings{}, fmt.Errorf("its payload template would not be accepted: %w", err)
	}
	return s, checkWritable(s)
}

// checkWritable refuses settings that no file or no cluster can have.
func checkWritable(s plan.Settings) error {
	if err := checkKept(s.Filter); err != nil {
		return fmt.Errorf("its filter %w", err)
	}
	if err := checkKept(s.PayloadTemplate); err != nil {
		return fmt.Errorf("its payload template %w", err)
	}
	raw, err := encodeJSON(map[string]json.RawMessage{"filter": orNull(s.Filter), "payloadTemplate": orNull(s.PayloadTemplate)})
	if err != nil {
		return err
	}
	if _, err := document(raw); err != nil {
		return fmt.Errorf("has a filter or a payload template that %w", err)
	}
	return nil
}

func orNull(text string) json.RawMessage { return json.RawMessage(cmp.Or(text, "null")) }

// checkURL refuses a URL that the CRD refuses. The error repeats nothing of the URL.
func checkURL(raw string) error {
	if err := check.Notifiable(raw); err != nil {
		return err
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return errors.New("is not a URL")
	case !asciiPattern.MatchString(raw):
		return errors.New("has a character that is not ASCII; percent-encode it at Cloudinary first")
	case badEscape.MatchString(raw):
		return errors.New("has a malformed percent-encoding")
	case len(u.Port()) > len("65535"):
		return errors.New("has a port with needless zeros")
	}
	return nil
}

func checkedJSON(raw []byte, check func([]byte) error) (string, error) {
	if len(raw) == 0 || string(raw) == "null" || string(raw) == `""` {
		return "", nil
	}
	if err := check(raw); err != nil {
		return "", err
	}
	return plan.CanonicalJSON(raw)
}

// maxEventTypes is how many event types a CloudinaryTrigger may have.
const maxEventTypes = 64

// write makes the manifests of one URL.
func (e *exporter) write(canonical string, triggers []expressed) {
	name := e.names.endpoint(canonical)
	e.out.endpoints = append(e.out.endpoints, v1alpha1.NotificationEndpoint{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: kindEndpoint},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: e.namespace},
		Spec: v1alpha1.NotificationEndpointSpec{
			CredentialsSecretRef: v1alpha1.LocalSecretReference{Name: e.secret}, URL: triggers[0].URI,
		},
	})
	groups := map[plan.Settings][]string{}
	for _, t := range triggers {
		groups[t.settings] = append(groups[t.settings], t.EventType)
	}
	var made []v1alpha1.CloudinaryTrigger
	// Sorted groups make names repeatable.
	for _, settings := range slices.SortedFunc(maps.Keys(groups), func(a, b plan.Settings) int {
		return cmp.Compare(slices.Min(groups[a]), slices.Min(groups[b]))
	}) {
		slices.Sort(groups[settings])
		for chunk := range slices.Chunk(groups[settings], maxEventTypes) {
			made = append(made, e.trigger(name, canonical, settings, chunk))
		}
	}
	slices.SortFunc(made, func(a, b v1alpha1.CloudinaryTrigger) int { return cmp.Compare(a.Name, b.Name) })
	e.out.triggers = append(e.out.triggers, made...)
}

func (e *exporter) trigger(endpoint, canonical string, s plan.Settings, eventTypes []string) v1alpha1.CloudinaryTrigger {
	t := v1alpha1.CloudinaryTrigger{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: kindTrigger},
		ObjectMeta: metav1.ObjectMeta{Name: e.names.trigger(endpoint, canonical, eventTypes), Namespace: e.namespace},
		Spec: v1alpha1.CloudinaryTriggerSpec{
			EndpointRef: v1alpha1.EndpointReference{Name: endpoint}, EventTypes: slices.Clone(eventTypes),
		},
	}
	if s.Additive {
		t.Spec.Additive = &s.Additive
	}
	if s.Filter != "" {
		t.Spec.Filter = &runtime.RawExtension{Raw: []byte(s.Filter)}
	}
	if s.PayloadTemplate != "" {
		t.Spec.PayloadTemplate = &runtime.RawExtension{Raw: []byte(s.PayloadTemplate)}
	}
	if s.AuthScheme != plan.DefaultAuthScheme {
		t.Spec.AuthScheme = v1alpha1.AuthScheme(s.AuthScheme)
	}
	return t
}
