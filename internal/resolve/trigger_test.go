// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

const hook = "https://hooks.example.com/a"

var noon = metav1.NewTime(time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC))

func key(name string) plan.Key { return plan.Key{Namespace: "shop", Name: name} }

func credentials(cloud string) cloudinary.Credentials {
	return cloudinary.Credentials{APIBase: cloudinary.DefaultAPIBase, CloudName: cloud, APIKey: "k", APISecret: "s"}
}

// stage is a world with a trigger of shop/media, whose Secret one leads to the cloud one, and the
// Secret two to the cloud two.
type stage struct {
	*World
	secrets  map[plan.Key]Secret
	accepted map[string]bool // by cloud
	endpoint *v1alpha1.NotificationEndpoint
	trigger  *v1alpha1.CloudinaryTrigger
}

func newStage() *stage {
	s := &stage{
		secrets:  map[plan.Key]Secret{key("one"): {Credentials: credentials("one")}, key("two"): {Credentials: credentials("two")}},
		accepted: map[string]bool{"one": true, "two": true},
		endpoint: &v1alpha1.NotificationEndpoint{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "media"},
			Spec:       v1alpha1.NotificationEndpointSpec{CredentialsSecretRef: v1alpha1.LocalSecretReference{Name: "one"}, URL: hook},
		},
		trigger: &v1alpha1.CloudinaryTrigger{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "images"},
			Spec:       v1alpha1.CloudinaryTriggerSpec{EndpointRef: v1alpha1.EndpointReference{Name: "media"}, EventTypes: []string{"upload"}},
		},
	}
	s.World = &World{
		Endpoints: map[plan.Key]*v1alpha1.NotificationEndpoint{key("media"): s.endpoint},
		Triggers:  []*v1alpha1.CloudinaryTrigger{s.trigger},
		Secret: func(k plan.Key) (Secret, bool) {
			known, ok := s.secrets[k]
			return known, ok
		},
		Accepted:  func(c cloudinary.Credentials) bool { return s.accepted[c.CloudName] },
		PathToken: func(*v1alpha1.NotificationEndpoint) (string, *Problem) { return "token", nil },
	}
	return s
}

// holds has the trigger hold its event type in a cloud, written with a Secret.
func (s *stage) holds(cloud, secret string) {
	s.trigger.Status.Registrations = append(s.trigger.Status.Registrations, v1alpha1.Registration{
		APIBase: cloudinary.DefaultAPIBase, CloudName: cloud, URL: hook, SecretRef: v1alpha1.NamespacedSecretReference{Namespace: "shop", Name: secret},
		Triggers: []v1alpha1.RegisteredTrigger{{EventType: "upload", ID: "1"}},
	})
}

func (s *stage) elsewhere(from v1alpha1.FromNamespaces) {
	s.trigger.Namespace, s.trigger.Spec.EndpointRef.Namespace = "blog", "shop"
	s.endpoint.Spec.AllowedTriggers = &v1alpha1.AllowedTriggers{Namespaces: v1alpha1.AllowedNamespaces{
		From: from, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": "a"}},
	}}
}

// Where a trigger leads, what may be done for it in the cloud one, and why it is not accepted.
func TestWhatMayBeDoneForATrigger(t *testing.T) {
	t.Parallel()
	one := UnitOfEnvironment(credentials("one").Environment())
	for name, test := range map[string]struct {
		change  func(*stage)
		primary Unit
		stance  plan.Stance
		reason  string
	}{
		"all is well": {func(*stage) {}, one, plan.Wants, ""},
		"it only observes": {
			func(s *stage) { s.trigger.Spec.ManagementPolicy = v1alpha1.ManagementPolicyObserve }, one, plan.Observes, "",
		},
		"it is being deleted": {func(s *stage) { s.trigger.DeletionTimestamp = &noon }, one, plan.Releases, ""},
		"there is no endpoint": {
			func(s *stage) { delete(s.Endpoints, key("media")) }, UnitOfEndpoint(key("media")), plan.Keeps, v1alpha1.ReasonEndpointNotFound,
		},
		"the endpoint is being deleted": {
			func(s *stage) { s.endpoint.DeletionTimestamp = &noon }, one, plan.Releases, v1alpha1.ReasonEndpointDeleting,
		},
		"the endpoint's URL is none": {
			func(s *stage) { s.endpoint.Spec.URL = "ftp://x" }, one, plan.Keeps, v1alpha1.ReasonInvalidURL,
		},
		"the Secret is not known": {
			func(s *stage) { delete(s.secrets, key("one")) }, UnitOfSecret(key("one")), plan.Keeps, "",
		},
		"the Secret is missing": {
			func(s *stage) { s.secrets[key("one")] = MissingSecret(key("one")) }, UnitOfSecret(key("one")), plan.Keeps, v1alpha1.ReasonSecretNotFound,
		},
		"the credentials are not accepted": {
			func(s *stage) { s.accepted["one"] = false }, UnitOfSecret(key("one")), plan.Keeps, "",
		},
		"the filter is none": {
			func(s *stage) { s.trigger.Spec.Filter = raw(`{"nope":1}`) }, one, plan.Keeps, v1alpha1.ReasonInvalidFilter,
		},
		"another namespace, which may not": {
			func(s *stage) { s.elsewhere(v1alpha1.NamespacesFromSame) }, one, plan.Releases, v1alpha1.ReasonEndpointNotAllowed,
		},
		"another namespace, which may": {func(s *stage) { s.elsewhere(v1alpha1.NamespacesFromAll) }, one, plan.Wants, ""},
		"another namespace, whose labels are not known": {
			func(s *stage) { s.elsewhere(v1alpha1.NamespacesFromSelector) }, one, plan.Keeps, v1alpha1.ReasonEndpointWaiting,
		},
		"another namespace, whose labels match": {func(s *stage) {
			s.elsewhere(v1alpha1.NamespacesFromSelector)
			s.Namespaces = map[string]labels.Set{"blog": {"team": "a"}}
		}, one, plan.Wants, ""},
		"another namespace, whose labels do not match": {func(s *stage) {
			s.elsewhere(v1alpha1.NamespacesFromSelector)
			s.Namespaces = map[string]labels.Set{"blog": {"team": "b"}}
		}, one, plan.Releases, v1alpha1.ReasonEndpointNotAllowed},
		"another namespace, of whose endpoint a person has to see to something": {func(s *stage) {
			s.elsewhere(v1alpha1.NamespacesFromAll)
			s.endpoint.Spec.URL = "ftp://x"
		}, one, plan.Keeps, v1alpha1.ReasonEndpointNotAccepted},
		"another namespace, whose endpoint waits for something to come": {func(s *stage) {
			s.elsewhere(v1alpha1.NamespacesFromAll)
			s.secrets[key("one")] = MissingSecret(key("one"))
		}, UnitOfSecret(key("one")), plan.Keeps, v1alpha1.ReasonEndpointWaiting},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage()
			test.change(s)
			view := s.ResolveTrigger(s.trigger)
			reason := ""
			if view.Problem != nil {
				reason = view.Problem.Reason
			}
			if view.Primary != test.primary || reason != test.reason {
				t.Errorf("it leads to %s with the problem %q, want %s and %q", view.Primary, reason, test.primary, test.reason)
			}
			if got := view.object(credentials("one").Environment()).Stance; got != test.stance {
				t.Errorf("its stance is %v, want %v", got, test.stance)
			}
		})
	}
}

// A trigger whose endpoint names another Secret leaves the cloud one when it has arrived in the
// cloud two, and not before.
func TestWhenATriggerLeavesAnEnvironment(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*stage)
		want   plan.Stance
	}{
		"it has not arrived":             {func(*stage) {}, plan.Keeps},
		"it has arrived":                 {func(s *stage) { s.holds("two", "two") }, plan.Releases},
		"it only observes there":         {func(s *stage) { s.trigger.Spec.ManagementPolicy = v1alpha1.ManagementPolicyObserve }, plan.Releases},
		"it is being deleted":            {func(s *stage) { s.trigger.DeletionTimestamp = &noon }, plan.Releases},
		"where it leads is not known":    {func(s *stage) { delete(s.secrets, key("two")) }, plan.Keeps},
		"its spec is not accepted":       {func(s *stage) { s.trigger.Spec.Filter = raw(`{"nope":1}`) }, plan.Keeps},
		"its former Secret is to go":     {func(s *stage) { s.deleting("one") }, plan.Keeps},
		"the same, without an endpoint":  {func(s *stage) { s.deleting("one"); delete(s.Endpoints, key("media")) }, plan.Releases},
		"the same, and one names it yet": {func(s *stage) { s.deleting("one"); delete(s.Endpoints, key("media")); s.names("one") }, plan.Keeps},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage()
			s.endpoint.Spec.CredentialsSecretRef.Name = "two"
			s.holds("one", "one")
			test.change(s)
			view := s.ResolveTrigger(s.trigger)
			if got := view.object(credentials("one").Environment()).Stance; got != test.want {
				t.Errorf("its stance is %v, want %v", got, test.want)
			}
		})
	}
}

func (s *stage) deleting(name string) {
	state := s.secrets[key(name)]
	state.Deleting = true
	s.secrets[key(name)] = state
}

// names adds another endpoint with a Secret.
func (s *stage) names(secret string) {
	other := s.endpoint.DeepCopy()
	other.Name, other.Spec.CredentialsSecretRef.Name = "other", secret
	s.Endpoints[key("other")] = other
}

func TestWhatBelongsToAnEnvironment(t *testing.T) {
	t.Parallel()
	s := newStage()
	s.holds("two", "two")
	s.accepted["two"] = false
	one, two := s.Gather(credentials("one").Environment()), s.Gather(credentials("two").Environment())
	if len(one.Endpoints) != 1 || len(one.Order) != 1 || !one.Triggers[key("images")].IsPrimary || len(one.Stored(key("images"))) != 0 {
		t.Errorf("the environment that it leads to: %+v", one)
	}
	if len(two.Endpoints) != 0 || len(two.Order) != 1 || two.Triggers[key("images")].IsPrimary || len(two.Stored(key("images"))) != 1 {
		t.Errorf("the one where it holds something: %+v", two)
	}
	if diff := cmp.Diff([]plan.Key{key("two")}, two.Secrets); diff != "" {
		t.Errorf("its Secrets (-want +got):\n%s", diff)
	}
	if _, ok := two.Credentials(plan.Step{Object: key("images"), Secret: key("two")}); ok {
		t.Error("a step is taken with credentials that are not accepted")
	}
	s.names("two")
	if diff := cmp.Diff([]Unit(nil), one.UnacceptedSecrets()); diff != "" {
		t.Errorf("Secrets that have to speak for themselves (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]Unit{UnitOfSecret(key("two"))}, two.UnacceptedSecrets()); diff != "" {
		t.Errorf("Secrets that have to speak for themselves (-want +got):\n%s", diff)
	}
	if none := s.Gather(credentials("none").Environment()); !none.Empty() || one.Empty() {
		t.Error("what is empty is not told from what is not")
	}
}

func TestWhatASecretIs(t *testing.T) {
	t.Parallel()
	url := func(value string) map[string][]byte { return map[string][]byte{"CLOUDINARY_URL": []byte(value)} }
	for name, test := range map[string]struct {
		secret  corev1.Secret
		options Options
		reason  string
		says    string
		hides   string
	}{
		"credentials":       {secret: corev1.Secret{Data: url("cloudinary://key:secret@demo"), Type: corev1.SecretTypeOpaque}},
		"of no type yet":    {secret: corev1.Secret{Data: url("cloudinary://key:secret@demo")}},
		"of another type":   {secret: corev1.Secret{Data: url("cloudinary://key:secret@demo"), Type: "example.com/login"}, reason: v1alpha1.ReasonSecretInvalid, says: "a Secret's type cannot be changed"},
		"without a key":     {secret: corev1.Secret{}, reason: v1alpha1.ReasonSecretInvalid, says: "CLOUDINARY_URL"},
		"malformed":         {secret: corev1.Secret{Data: url("cloudinary://hunter2@")}, reason: v1alpha1.ReasonSecretInvalid, says: "CLOUDINARY_URL", hides: "hunter2"},
		"of a foreign host": {secret: corev1.Secret{Data: url("cloudinary://key:secret@demo?upload_prefix=https://vault:8200")}, reason: v1alpha1.ReasonAPIBaseNotAllowed, says: "--allowed-api-bases=vault:8200"},
		"not https": {
			secret:  corev1.Secret{Data: url("cloudinary://key:secret@demo?upload_prefix=http://vault:8200")},
			options: Options{AllowedAPIBases: cloudinary.OneAPIBase("http://vault:8200")}, reason: v1alpha1.ReasonInsecureAPIBase, says: "Use https",
		},
	} {
		state := ParseSecret(&test.secret, &test.options)
		reason, message := "", ""
		if state.Problem != nil {
			reason, message = state.Problem.Reason, state.Problem.Message
		}
		if reason != test.reason || !strings.Contains(message, test.says) || test.hides != "" && strings.Contains(message, test.hides) {
			t.Errorf("%s: %q: %s", name, reason, message)
		}
		if (state.Credentials == cloudinary.Credentials{}) != (test.reason != "") {
			t.Errorf("%s: credentials of %q are known, with the problem %q", name, state.Credentials.CloudName, reason)
		}
	}
}
