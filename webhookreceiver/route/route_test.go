// SPDX-License-Identifier: Apache-2.0

package route

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verification"
)

func endpoint(namespace, name string, change func(*v1alpha1.NotificationEndpoint)) *v1alpha1.NotificationEndpoint {
	ep := &v1alpha1.NotificationEndpoint{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID("uid-" + name), Generation: 3},
		Spec: v1alpha1.NotificationEndpointSpec{
			CredentialsSecretRef: v1alpha1.LocalSecretReference{Name: "cloudinary"}, Receiver: &v1alpha1.ReceiverSpec{},
		},
		Status: v1alpha1.NotificationEndpointStatus{
			URL:         "https://hooks.example.com" + notification.Path(namespace, name),
			Environment: &v1alpha1.EnvironmentStatus{APIBase: "https://api.cloudinary.com", CloudName: "demo"},
		},
	}
	if change != nil {
		change(ep)
	}
	return ep
}

func trigger(namespace, name, endpoint, template string, eventTypes ...string) *v1alpha1.CloudinaryTrigger {
	t := &v1alpha1.CloudinaryTrigger{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID("uid-" + name)},
		Spec:       v1alpha1.CloudinaryTriggerSpec{EndpointRef: v1alpha1.EndpointReference{Name: endpoint}, EventTypes: eventTypes},
	}
	if ns, n, found := strings.Cut(endpoint, "/"); found {
		t.Spec.EndpointRef = v1alpha1.EndpointReference{Namespace: ns, Name: n}
	}
	if template != "" {
		t.Spec.PayloadTemplate = &runtime.RawExtension{Raw: []byte(template)}
	}
	return t
}

// kept are triggers as they are in memory.
func kept(triggers ...*v1alpha1.CloudinaryTrigger) []*KeptTrigger {
	var all []*KeptTrigger
	for _, t := range triggers {
		all = append(all, KeepTrigger(t.DeepCopy()))
	}
	return all
}

// allowing makes an endpoint let triggers of other namespaces in.
func allowing(from v1alpha1.FromNamespaces) func(*v1alpha1.NotificationEndpoint) {
	return func(ep *v1alpha1.NotificationEndpoint) {
		ep.Spec.AllowedTriggers = &v1alpha1.AllowedTriggers{Namespaces: v1alpha1.AllowedNamespaces{From: from}}
	}
}

func TestConfigs(t *testing.T) {
	keys := map[verification.Environment]verification.Keys{
		{APIBase: "https://api.cloudinary.com", CloudName: "demo"}: {Keys: []verification.Key{
			{ID: "1", Secret: "s", Sources: []string{"elsewhere/cloudinary", "shop/cloudinary"}}, {ID: "0", Secret: "theirs", Sources: []string{"intruder/cloudinary"}},
		}},
	}
	endpoints := []*v1alpha1.NotificationEndpoint{
		endpoint("shop", "media", func(ep *v1alpha1.NotificationEndpoint) {
			ep.Annotations = map[string]string{v1alpha1.AnnotationRedrive: "again"}
			ep.Spec.Receiver = &v1alpha1.ReceiverSpec{
				Verification: &v1alpha1.Verification{MaxAge: "1h30m", Algorithms: []v1alpha1.SignatureAlgorithm{v1alpha1.SignatureSHA256}},
				Retry:        &v1alpha1.RetryPolicy{MaxAge: "24h"},
				DeliverTo: []v1alpha1.DeliveryTarget{
					{Name: "catalog", Service: &v1alpha1.ServiceTarget{Name: "catalog", Port: intstr.FromInt32(80)}, EventTypes: []string{"upload"}},
					{Name: "bus", Service: &v1alpha1.ServiceTarget{Name: "bus", Port: intstr.FromInt32(81), Path: "/x?y", Format: v1alpha1.FormatCloudEvents, Timeout: "3s"}},
					{Name: "secure", Service: &v1alpha1.ServiceTarget{Name: "bus", Port: intstr.FromString("https"), Scheme: v1alpha1.SchemeHTTPS}},
					{Name: "private", Service: &v1alpha1.ServiceTarget{
						Name: "bus", Port: intstr.FromString("https"), Scheme: v1alpha1.SchemeHTTPS,
						TLS: &v1alpha1.ServiceTLS{CAConfigMapRef: &v1alpha1.ConfigMapKeyReference{Name: "ca"}, ServerName: "bus.example.com"},
					}},
					{Name: "describe", Event: &v1alpha1.EventTarget{}},
				},
			}
		}),
		endpoint("elsewhere", "open", func(ep *v1alpha1.NotificationEndpoint) {
			ep.Spec.AllowedTriggers = &v1alpha1.AllowedTriggers{Namespaces: v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll}}
			ep.Status.Environment.CloudName = "unknown"
		}),
		endpoint("elsewhere", "closed", allowing(v1alpha1.NamespacesFromSame)),
		endpoint("elsewhere", "selecting", allowing(v1alpha1.NamespacesFromSelector)),
		endpoint("shop", "theirs", func(ep *v1alpha1.NotificationEndpoint) { ep.Spec.Receiver = nil }),
	}
	triggers := []*v1alpha1.CloudinaryTrigger{
		trigger("shop", "uploads", "media", "", "upload", "delete"),
		trigger("shop", "tags", "media", `{"e":{"t":"{{event.type}}"}}`, "resource_tags_changed"),
		trigger("shop", "nothing-templated", "media", `{}`, "rename"),
		trigger("intruder", "denied", "shop/media", "", "upload"),
		trigger("shop", "abroad", "elsewhere/open", "", "all"),
		trigger("shop", "shut-out", "elsewhere/closed", "", "all"),
		judged(trigger("shop", "selected", "elsewhere/selecting", `{"kind":"{{event.type}}"}`, "upload"), metav1.ConditionTrue, v1alpha1.ReasonAccepted),
		judged(trigger("shop", "not-selected", "elsewhere/selecting", "", "upload"), metav1.ConditionFalse, v1alpha1.ReasonEndpointNotAllowed),
	}
	at := func(namespace, name string) types.NamespacedName {
		return types.NamespacedName{Namespace: namespace, Name: name}
	}
	demo := []verification.Key{{ID: "1", Secret: "s"}}
	want := []Config{{
		Key: at("elsewhere", "closed"), Paths: []string{"/v1/notifications/elsewhere/closed"}, UID: "uid-closed", Generation: 3, MaxAge: 2 * time.Hour, RetryMaxAge: 72 * time.Hour, Keys: demo,
	}, {
		Key: at("elsewhere", "open"), Paths: []string{"/v1/notifications/elsewhere/open"}, UID: "uid-open", Generation: 3, MaxAge: 2 * time.Hour, RetryMaxAge: 72 * time.Hour,
		Triggers: []TriggerConfig{{Trigger: Trigger{Key: at("shop", "abroad"), UID: "uid-abroad", EventTypes: []string{"all"}}}},
	}, {
		Key: at("elsewhere", "selecting"), Paths: []string{"/v1/notifications/elsewhere/selecting"}, UID: "uid-selecting", Generation: 3, MaxAge: 2 * time.Hour, RetryMaxAge: 72 * time.Hour, Keys: demo,
		Triggers: []TriggerConfig{{
			Trigger:   Trigger{Key: at("shop", "selected"), UID: "uid-selected", EventTypes: []string{"upload"}},
			Templated: true, TypePaths: [][]string{{"kind"}},
		}},
	}, {
		Key: at("shop", "media"), Paths: []string{"/v1/notifications/shop/media"}, UID: "uid-media", Generation: 3, MaxAge: 90 * time.Minute, RetryMaxAge: 24 * time.Hour, Redrive: "again",
		Keys: demo, Algorithms: []notification.Algorithm{notification.SHA256},
		Targets: []Target{
			{Name: "catalog", Service: &Service{Name: "catalog", Port: intstr.FromInt32(80), Path: "/", Timeout: 15 * time.Second}, EventTypes: []string{"upload"}},
			{Name: "bus", Service: &Service{Name: "bus", Port: intstr.FromInt32(81), Path: "/x?y", CloudEvents: true, Timeout: 3 * time.Second}},
			{Name: "secure", Service: &Service{Name: "bus", Port: intstr.FromString("https"), Path: "/", TLS: &TLS{}, Timeout: 15 * time.Second}},
			{Name: "private", Service: &Service{
				Name: "bus", Port: intstr.FromString("https"), Path: "/", Timeout: 15 * time.Second,
				TLS: &TLS{CAConfigMap: "ca", CAKey: "ca.crt", ServerName: "bus.example.com"},
			}},
			{Name: "describe", Event: true},
		},
		Triggers: []TriggerConfig{
			{Trigger: Trigger{Key: at("shop", "nothing-templated"), UID: "uid-nothing-templated", EventTypes: []string{"rename"}}},
			{
				Trigger:   Trigger{Key: at("shop", "tags"), UID: "uid-tags", EventTypes: []string{"resource_tags_changed"}},
				Templated: true, TypePaths: [][]string{{"e", "t"}},
			},
			{Trigger: Trigger{Key: at("shop", "uploads"), UID: "uid-uploads", EventTypes: []string{"upload", "delete"}}},
		},
	}}
	got := Configs(endpoints, kept(triggers...), keys)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("configs (-want +got):\n%s", diff)
	}

	dir := t.TempDir()
	if _, err := SaveSnapshot(dir, got); err != nil {
		t.Fatal(err)
	}
	again, err := LoadSnapshot(dir)
	if diff := cmp.Diff(want, again); diff != "" || err != nil {
		t.Errorf("after a restart (-want +got), error %v:\n%s", err, diff)
	}
	if info, err := os.Stat(filepath.Join(dir, SnapshotName)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the snapshot has keys, and the mode %v (%v)", info.Mode(), err)
	}
}

func TestSnapshotsThatCannotBeRead(t *testing.T) {
	for name, text := range map[string]string{
		"cut off": `{"version":1,"endpoi`, "of a later version": `{"version":2,"endpoints":[]}`, "empty": "",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, SnapshotName), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if got, err := LoadSnapshot(dir); err == nil || got != nil {
				t.Errorf("read %v without an error", got)
			}
		})
	}
	if got, err := LoadSnapshot(t.TempDir()); err != nil || got != nil {
		t.Errorf("without a snapshot: %v, %v", got, err)
	}
}

func TestCompile(t *testing.T) {
	now := time.Unix(1_795_000_000, 0)
	soon, later, past := now.Add(time.Minute), now.Add(time.Hour), now.Add(-time.Second)
	base := func() Config {
		return Config{MaxAge: time.Hour, Keys: []verification.Key{{ID: "1", Secret: "live"}}}
	}
	for name, tc := range map[string]struct {
		change   func(*Config)
		policy   string
		until    time.Time
		problems string
	}{
		"a key":                     {func(*Config) {}, "policy with 1 keys and 0 public keys", time.Time{}, ""},
		"no key":                    {func(c *Config) { c.Keys = nil }, "", time.Time{}, ""},
		"only a key that has ended": {func(c *Config) { c.Keys[0].NotAfter = &past }, "", time.Time{}, ""},
		"a key that ends":           {func(c *Config) { c.Keys[0].NotAfter = &soon }, "policy with 1 keys and 0 public keys", soon, ""},
		"two that end": {func(c *Config) {
			c.Keys = []verification.Key{{Secret: "a", NotAfter: &later}, {Secret: "b", NotAfter: &soon}, {Secret: "c", NotAfter: &past}}
		}, "policy with 2 keys and 0 public keys", soon, ""},
		"a public key": {func(c *Config) { c.PublicKeys = []string{strings.Repeat("ab", 32)} }, "policy with 1 keys and 1 public keys", time.Time{}, ""},
		"a public key that is none": {
			func(c *Config) { c.PublicKeys, c.Keys[0].NotAfter = []string{"?"}, &soon }, "policy with 1 keys and 0 public keys", soon, "public key 0: ",
		},
		"one of two public keys": {
			func(c *Config) { c.PublicKeys = []string{"?", strings.Repeat("ab", 32)} }, "policy with 1 keys and 1 public keys", time.Time{}, "public key 0: ",
		},
		"nothing but a public key that is none": {func(c *Config) { c.PublicKeys, c.Keys = []string{"?"}, nil }, "", time.Time{}, "public key 0: "},
		"an algorithm of a later version": {
			func(c *Config) { c.Algorithms, c.Keys[0].NotAfter = []notification.Algorithm{"SHA512"}, &soon }, "", soon, `unknown algorithm "SHA512"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := base()
			tc.change(&c)
			e, until, problems := c.Compile(now)
			if got := errors.Join(problems...); (got != nil) != (tc.problems != "") || (got != nil && !strings.Contains(got.Error(), tc.problems)) {
				t.Errorf("problems %v, want %q", got, tc.problems)
			}
			policy := ""
			if e.Policy != nil {
				policy = e.Policy.String()
			}
			if policy != tc.policy || !until.Equal(tc.until) {
				t.Errorf("%q until %v, want %q until %v", policy, until, tc.policy, tc.until)
			}
		})
	}
}

// compiledTriggers makes an endpoint of triggers as they are in manifests.
func compiledTriggers(t *testing.T, triggers ...*v1alpha1.CloudinaryTrigger) *Endpoint {
	t.Helper()
	return compiledFor(t, v1alpha1.NamespacesFromSame, triggers...)
}

// compiledFor lets triggers of other namespaces in.
func compiledFor(t *testing.T, from v1alpha1.FromNamespaces, triggers ...*v1alpha1.CloudinaryTrigger) *Endpoint {
	t.Helper()
	configs := Configs([]*v1alpha1.NotificationEndpoint{endpoint("shop", "media", allowing(from))}, kept(triggers...), nil)
	e, _, problems := configs[0].Compile(time.Unix(0, 0))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return e
}

func TestWhatTemplatesTell(t *testing.T) {
	for name, tc := range map[string]struct {
		triggers []*v1alpha1.CloudinaryTrigger
		paths    [][]string
		sole     string
		doubtful bool
		why      string
	}{
		"no template": {triggers: []*v1alpha1.CloudinaryTrigger{trigger("shop", "a", "media", "", "upload")}},
		"one templated event type alone": {
			triggers: []*v1alpha1.CloudinaryTrigger{trigger("shop", "a", "media", `{"id":"{{asset.public_id}}"}`, "upload")}, sole: "upload",
		},
		"one templated beside another": {
			triggers: []*v1alpha1.CloudinaryTrigger{
				trigger("shop", "a", "media", `{"id":"{{asset.public_id}}"}`, "upload"), trigger("shop", "b", "media", "", "moderation"),
			},
			why: "the default body of a moderation may lack its type, too",
		},
		"all, templated": {triggers: []*v1alpha1.CloudinaryTrigger{trigger("shop", "a", "media", `{"x":"y"}`, "all")}},
		"the id of the call": {
			triggers: []*v1alpha1.CloudinaryTrigger{trigger("shop", "a", "media", `{"request_id":"{{event.request_id}}"}`, "upload")}, sole: "upload",
		},
		"the id of the call, for two types": {
			triggers: []*v1alpha1.CloudinaryTrigger{trigger("shop", "a", "media", `{"request_id":"{{event.request_id}}"}`, "upload", "eager")},
			doubtful: true, why: "an upload and its eager notification share the call, and have equal bodies",
		},
		"the id of the call, for all": {
			triggers: []*v1alpha1.CloudinaryTrigger{trigger("shop", "a", "media", `{"request_id":"{{event.request_id}}","id":"{{asset.public_id}}"}`, "all")},
			doubtful: true, why: "all is more than one type: an upload and its eager notification are among them",
		},
		"the id of the call and the type, for all": {
			triggers: []*v1alpha1.CloudinaryTrigger{trigger("shop", "a", "media", `{"request_id":"{{event.request_id}}","t":"{{event.type}}"}`, "all")},
			paths:    [][]string{{"t"}},
		},
		"the id of the call and the type, for two types": {
			triggers: []*v1alpha1.CloudinaryTrigger{trigger("shop", "a", "media", `{"request_id":"{{{event.request_id}}}","t":"{{ event.type }}"}`, "upload", "eager")},
			paths:    [][]string{{"t"}},
		},
		"a constant as an id": {
			triggers: []*v1alpha1.CloudinaryTrigger{trigger("shop", "a", "media", `{"request_id":"constant-value"}`, "upload")}, sole: "upload", doubtful: true,
		},
		"an instant of the template's": {
			triggers: []*v1alpha1.CloudinaryTrigger{trigger("shop", "a", "media", `{"notification_context":{"triggered_at":"2024-01-01T00:00:00Z"}}`, "upload")},
			sole:     "upload", doubtful: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := compiledTriggers(t, tc.triggers...)
			n := e.TypePaths.Len()
			for _, path := range tc.paths {
				e.TypePaths.Add(path, nil) // which adds none that is there
			}
			if n != len(tc.paths) || e.TypePaths.Len() != n || e.SoleTemplatedType != tc.sole || e.DoubtfulIdentity != tc.doubtful {
				t.Errorf("paths %v, sole %q, doubtful %v; want %v, %q, %v: %s", e.TypePaths, e.SoleTemplatedType, e.DoubtfulIdentity, tc.paths, tc.sole, tc.doubtful, tc.why)
			}
		})
	}
}

func TestWhichTriggerFired(t *testing.T) {
	e := compiledTriggers(t,
		trigger("shop", "b", "media", "", "upload", "delete"), trigger("shop", "a", "media", "", "all"), trigger("shop", "c", "media", "", "upload"))
	for eventType, want := range map[string]string{"upload": "b", "delete": "b", "rename": "a", "unknown": "a"} {
		if got := e.TriggerFor(eventType); got == nil || got.Key.Name != want {
			t.Errorf("%s was fired by %v, want %s", eventType, got, want)
		}
	}
	if got := compiledTriggers(t, trigger("shop", "c", "media", "", "upload")).TriggerFor("rename"); got != nil {
		t.Errorf("rename was fired by %v, want none", got)
	}
}

// What is left of an endpoint accepts no more than was meant.
func TestWithoutItsOnlyPublicKeyAnEndpointAcceptsNothingElse(t *testing.T) {
	now := time.Unix(1_795_000_000, 0)
	c := Config{
		MaxAge: time.Hour, Keys: []verification.Key{{ID: "1", Secret: "live"}}, PublicKeys: []string{"?"}, Algorithms: []notification.Algorithm{notification.Ed25519},
	}
	e, _, _ := c.Compile(now)
	sum := sha256.Sum256([]byte("{}1795000000live"))
	v1, v2 := hex.EncodeToString(sum[:]), strings.Repeat("ab", 64)
	for name, tc := range map[string]struct {
		signed notification.Signed
		want   notification.Rejection
	}{
		"a digest":                     {notification.Signed{Signature: v1}, notification.RejectedAlgorithmNotAllowed},
		"both signatures":              {notification.Signed{Signature: v1, SignatureV2: v2}, notification.RejectedAlgorithmNotAllowed},
		"that of a public key":         {notification.Signed{SignatureV2: v2}, notification.RejectedOnlyV2},
		"no signature, for good order": {notification.Signed{}, notification.RejectedMissingSignature},
	} {
		tc.signed.Body, tc.signed.Timestamp = []byte("{}"), "1795000000"
		if _, got := e.Policy.Verify(tc.signed, now); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

func TestTargetTakes(t *testing.T) {
	for name, test := range map[string]struct {
		eventTypes []string
		want       bool
	}{
		"all where none is named":      {nil, true},
		"what is named":                {[]string{"delete", "upload"}, true},
		"not what is not named":        {[]string{"delete"}, false},
		"all, by Cloudinary's word":    {[]string{"all"}, true},
		"not a name that is only like": {[]string{"uploads"}, false},
	} {
		target := Target{Name: "catalog", EventTypes: test.eventTypes}
		if got := target.Takes("upload"); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
