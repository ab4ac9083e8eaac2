// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/check"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verification"
)

func TestWhyACallFailed(t *testing.T) {
	t.Parallel()
	creds := cloudinary.Credentials{APIBase: "https://api.example.com", CloudName: "demo"}
	for want, err := range map[string]error{
		v1alpha1.ReasonCredentialsRejected: &cloudinary.Error{StatusCode: 401},
		v1alpha1.ReasonRateLimited:         &cloudinary.Error{StatusCode: 420},
		v1alpha1.ReasonUnavailable:         errors.New("cut"),
	} {
		if got := CallProblem(creds, err); got.Reason != want {
			t.Errorf("%v: %+v, want %s", err, got, want)
		}
	}
	if got := CallProblem(creds, errors.New("cut")).Message; !strings.Contains(got, "api.example.com") {
		t.Errorf("the host is not named: %s", got)
	}
}

func TestWhyNothingWasEverRead(t *testing.T) {
	t.Parallel()
	failed := problem(v1alpha1.ReasonRateLimited)
	for says, got := range map[string]*resolve.Problem{
		v1alpha1.ReasonRateLimited: WhyUnread(failed, true),
		"leaves out most":          WhyUnread(nil, true),
		"have not been read yet":   WhyUnread(nil, false),
	} {
		if !strings.Contains(got.Message, says) {
			t.Errorf("%q does not say %q", got.Message, says)
		}
	}
	if _, stays := Unread(trigger(), failed); stays {
		t.Error("what is new is said to be known")
	}
	seen := trigger()
	isSeen(seen)
	if _, stays := Unread(seen, failed); !stays {
		t.Error("what was known is said anew")
	}
	seen.DeletionTimestamp = &noon
	if a, stays := Unread(seen, failed); stays || a.Unknown || a.Synced != failed {
		t.Errorf("what is on its way out: %+v, stays %t", a, stays)
	}
}

// Other namespaces' endpoints are counted and not named, and of URLs that are nobody's the host is
// said alone.
func TestWhoFillsTheLimitIsToldByNamespace(t *testing.T) {
	t.Parallel()
	own, other := trigger(), trigger()
	own.Spec.EndpointRef.Name = "media"
	other.Spec.EndpointRef = v1alpha1.EndpointReference{Namespace: "blog", Name: "secret-name"}
	s := &resolve.Scope{
		Triggers: map[plan.Key]*resolve.Trigger{key("own"): own, key("other"): other}, Order: []plan.Key{key("other"), key("own")},
	}
	use := LimitUseOf(s, 3, plan.Plan{
		URLs: []string{"https://a.example.com/", "https://b.example.com/", "https://c.example.com/token"},
		Verdicts: map[plan.Key]plan.Verdict{
			key("own"):   {Records: []plan.Record{{ID: "1", URL: "https://a.example.com/"}, {URL: "https://d.example.com/"}}},
			key("other"): {Records: []plan.Record{{ID: "2", URL: "https://b.example.com/"}}},
		},
	})
	for range 2 { // the second time from what was said before
		got := use.explain("shop", "")
		for _, part := range []string{"(3 of 3)", "NotificationEndpoints of this namespace: media", "those of other namespaces: 1", "URLs that no object here has: 1, such as https://c.example.com."} {
			if !strings.Contains(got, part) {
				t.Errorf("%q does not say %q", got, part)
			}
		}
		if strings.Contains(got, "secret-name") || strings.Contains(got, "token") {
			t.Errorf("%q tells of others", got)
		}
	}
	if got := use.explain("blog", "no more"); !strings.Contains(got, `it says "no more"`) || !strings.Contains(got, "this namespace: secret-name") {
		t.Errorf("to the other namespace: %q", got)
	}
}

func TestWhoNeedsASecretIsToldItsNamespace(t *testing.T) {
	t.Parallel()
	w := worldOf("one")
	for says, change := range map[string]func(){
		"": func() {},
		"delete NotificationEndpoint media, or make it name another Secret": func() {
			ep := &v1alpha1.NotificationEndpoint{}
			ep.Namespace, ep.Name, ep.Spec.CredentialsSecretRef.Name = "shop", "media", "one"
			w.Endpoints = map[plan.Key]*v1alpha1.NotificationEndpoint{key("media"): ep}
		},
		"CloudinaryTrigger images has triggers at Cloudinary that were written with it": func() {
			w.Endpoints, w.Triggers = nil, []*v1alpha1.CloudinaryTrigger{trigger("one").CloudinaryTrigger}
		},
		"so have CloudinaryTriggers of other namespaces": func() {
			other := trigger("one").CloudinaryTrigger
			other.Namespace = "blog"
			w.Endpoints, w.Triggers = nil, []*v1alpha1.CloudinaryTrigger{other}
		},
	} {
		w.Endpoints, w.Triggers = nil, nil
		change()
		if got := NeededBy(w, key("one")); got != says {
			t.Errorf("%q, want %q", got, says)
		}
	}
}

func TestWhatAPersonShouldKnowOfTheKeys(t *testing.T) {
	t.Parallel()
	keysOf := func(n int) *verification.Pool {
		var keys []verification.Key
		for i := range n {
			keys = append(keys, verification.Key{ID: fmt.Sprint("key-", i), Secret: "s", Sources: []string{"shop/own"}, Unchecked: i > 0})
		}
		return verification.NewPool(keys)
	}
	for name, test := range map[string]struct {
		member bool
		pool   *verification.Pool
		ids    []string // that the endpoint names
		where  string   // the namespace of the keys
		says   string
	}{
		"all is well":               {true, keysOf(1), nil, "operator", ""},
		"nobody knows the keys":     {true, nil, nil, "operator", ""},
		"it is not accepted":        {false, keysOf(0), nil, "operator", ""},
		"no namespace for the keys": {true, keysOf(1), nil, "", "with --verification-namespace"},
		"no key at all":             {true, keysOf(0), nil, "operator", "has no key to verify notifications with"},
		"a key that is not there":   {true, keysOf(1), []string{"other"}, "operator", "names other, but its secret is unknown"},
		"more keys than count":      {true, keysOf(100), nil, "operator", "has more than 8 keys to verify notifications with"},
	} {
		ep := &resolve.Endpoint{NotificationEndpoint: &v1alpha1.NotificationEndpoint{}, Key: key("media"), Secret: key("own")}
		ep.Namespace, ep.Name, ep.Spec.CredentialsSecretRef.Name = "shop", "media", "own"
		ep.Spec.Receiver = &v1alpha1.ReceiverSpec{Verification: &v1alpha1.Verification{APIKeys: test.ids}}
		w := worldOf("own")
		w.Options.VerificationNamespace = test.where
		got := check.Join(keyNotes(&resolve.Scope{World: w, Environment: cloud("own")}, ep, test.member, test.pool))
		if !strings.Contains(got, test.says) || (got == "") != (test.says == "") {
			t.Errorf("%s: %q, want %q", name, got, test.says)
		}
	}
}

// The reason is the API server's, and nothing is another at each try.
func TestWhyKeysAreNotWritten(t *testing.T) {
	t.Parallel()
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "keys", errors.New("attempt 17"))
	for says, err := range map[string]error{"the API server says Forbidden": forbidden, "see the manager's log": errors.New("attempt 17")} {
		if got := KeysNotWritten(err); !strings.Contains(got.Message, says) || strings.Contains(got.Message, "17") {
			t.Errorf("%v: %q, want %q", err, got.Message, says)
		}
	}
}

func TestWhatAnEndpointsStatusTellsOfItsEnvironment(t *testing.T) {
	t.Parallel()
	ep := &resolve.Endpoint{
		NotificationEndpoint: &v1alpha1.NotificationEndpoint{}, URL: hook, Environment: cloud("own"), Primary: resolve.UnitOfEnvironment(cloud("own")),
	}
	status := EndpointStatus(ep, Assessment{Done: endpointDone}, Usage{URLs: new(7), Limit: 30, Waiting: 2, CallShare: 250, CallLimit: 500}, noon)
	if e := status.Environment; status.URL != hook || e == nil || e.URLs != "7/30" || e.CallShare != "250/500" || *e.ChangesWaiting != 2 {
		t.Errorf("%+v, environment %+v", status, status.Environment)
	}
	ep.Primary = resolve.UnitOfSecret(key("own"))
	if status := EndpointStatus(ep, Assessment{}, Usage{Limit: 30}, noon); status.Environment != nil {
		t.Errorf("before it is accepted it tells of %+v", status.Environment)
	}
	if a := WaitingEndpoint(ep, problem(v1alpha1.ReasonUnavailable)); !a.Unknown || reasonOf(a.Synced) != v1alpha1.ReasonUnavailable {
		t.Errorf("while Cloudinary is away: %+v", a)
	}
}

// What a plan found, and what is left elsewhere, both are the state of a trigger; a problem of its
// own comes first.
func TestWhatIsSaidOfATriggerAfterAPlan(t *testing.T) {
	t.Parallel()
	pending := []plan.Finding{{Problem: plan.Pending, EventTypes: []string{"upload"}}}
	refused := []plan.Finding{{Problem: plan.Conflict, EventTypes: []string{"upload"}}}
	for name, test := range map[string]struct {
		trigger          *resolve.Trigger
		problem          *resolve.Problem
		findings         []plan.Finding
		accepted, synced string
	}{
		"all is well":                    {trigger: trigger("own")},
		"something is to be written":     {trigger: trigger("own"), findings: pending, synced: v1alpha1.ReasonPending},
		"something is left elsewhere":    {trigger: trigger("own", "other"), synced: v1alpha1.ReasonReleasing},
		"both":                           {trigger: trigger("other"), findings: pending, synced: v1alpha1.ReasonPending},
		"the plan refuses it":            {trigger: trigger(), findings: refused, accepted: v1alpha1.ReasonConflict},
		"it has a problem of its own":    {trigger: trigger(), problem: problem(v1alpha1.ReasonInvalidFilter), findings: refused, accepted: v1alpha1.ReasonInvalidFilter},
		"a problem, and work to be done": {trigger: trigger(), problem: problem(v1alpha1.ReasonInvalidFilter), findings: pending, accepted: v1alpha1.ReasonInvalidFilter, synced: v1alpha1.ReasonPending},
	} {
		test.trigger.Problem = test.problem
		s := &resolve.Scope{World: worldOf("own", "other"), Environment: cloud("own")}
		use := LimitUseOf(s, 30, plan.Plan{})
		a, _ := Trigger(s, test.trigger, plan.Verdict{Findings: test.findings}, &use, Calls{})
		if reasonOf(a.Accepted) != test.accepted || reasonOf(a.Synced) != test.synced {
			t.Errorf("%s: %q and %q, want %q and %q", name, reasonOf(a.Accepted), reasonOf(a.Synced), test.accepted, test.synced)
		}
	}
}
