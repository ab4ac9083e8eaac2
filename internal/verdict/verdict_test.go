// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/check"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verification"
)

const hook = "https://hooks.example.com/a"

var noon = metav1.NewTime(time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC))

func key(name string) plan.Key { return plan.Key{Namespace: "shop", Name: name} }

func cloud(name string) cloudinary.Environment {
	return cloudinary.Environment{APIBase: cloudinary.DefaultAPIBase, CloudName: name}
}

func problem(reason string) *resolve.Problem {
	return &resolve.Problem{Reason: reason, Message: reason}
}

func reasonOf(p *resolve.Problem) string {
	if p == nil {
		return ""
	}
	return p.Reason
}

// worldOf has Secrets that are named for the clouds they lead to, and accepted there.
func worldOf(clouds ...string) *resolve.World {
	secrets := map[plan.Key]resolve.Secret{}
	for _, name := range clouds {
		secrets[key(name)] = resolve.Secret{Credentials: cloudinary.Credentials{APIBase: cloudinary.DefaultAPIBase, CloudName: name, APIKey: "k", APISecret: "s"}}
	}
	return &resolve.World{
		Secret: func(k plan.Key) (resolve.Secret, bool) {
			s, known := secrets[k]
			return s, known
		},
		Accepted: func(cloudinary.Credentials) bool { return true },
		Options:  resolve.Options{VerificationNamespace: "operator"},
	}
}

// trigger is one that holds its event type in some clouds, written with Secrets of their names.
func trigger(clouds ...string) *resolve.Trigger {
	t := &resolve.Trigger{CloudinaryTrigger: &v1alpha1.CloudinaryTrigger{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "images", Generation: 1}}, Key: key("images")}
	for _, name := range clouds {
		t.Status.Registrations = append(t.Status.Registrations, v1alpha1.Registration{
			APIBase: cloudinary.DefaultAPIBase, CloudName: name, URL: hook, SecretRef: v1alpha1.NamespacedSecretReference{Namespace: "shop", Name: name},
			Triggers: []v1alpha1.RegisteredTrigger{{EventType: "upload", ID: "1"}},
		})
	}
	return t
}

func TestWhyAStateWaits(t *testing.T) {
	t.Parallel()
	failed, barred := problem(v1alpha1.ReasonUnavailable), problem(v1alpha1.ReasonCredentialsRejected)
	all := Calls{failed, barred, true}
	for name, test := range map[string]struct {
		state string
		calls Calls
		want  string
	}{
		"all is well":                        {"", all, ""},
		"nothing keeps calls from it":        {v1alpha1.ReasonPending, Calls{}, v1alpha1.ReasonPending},
		"the last call failed":               {v1alpha1.ReasonPending, all, v1alpha1.ReasonUnavailable},
		"the credentials are barred":         {v1alpha1.ReasonReleasing, Calls{nil, barred, true}, v1alpha1.ReasonCredentialsRejected},
		"calls are short":                    {v1alpha1.ReasonPending, Calls{Short: true}, v1alpha1.ReasonRateLimited},
		"a list is to show it":               {v1alpha1.ReasonConfirming, Calls{nil, barred, true}, v1alpha1.ReasonConfirming},
		"a list is to show it, and fails":    {v1alpha1.ReasonConfirming, all, v1alpha1.ReasonUnavailable},
		"no call would help":                 {v1alpha1.ReasonDrifted, all, v1alpha1.ReasonDrifted},
		"the credentials cannot list either": {v1alpha1.ReasonPending, Calls{failed, nil, false}, v1alpha1.ReasonUnavailable},
	} {
		var state *resolve.Problem
		if test.state != "" {
			state = problem(test.state)
		}
		if got := reasonOf(test.calls.explain(state)); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func TestWhatIsLeftInOtherEnvironments(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		trigger *resolve.Trigger
		change  func(*resolve.Trigger)
		reason  string
		wake    []string
	}{
		"nothing":                      {trigger: trigger("own")},
		"something, to be released":    {trigger: trigger("own", "other"), reason: v1alpha1.ReasonReleasing, wake: []string{"other"}},
		"something, and no access":     {trigger: trigger("lost"), reason: v1alpha1.ReasonCredentialsMissing, wake: []string{"lost"}},
		"something that is to stay":    {trigger: trigger("other"), change: func(t *resolve.Trigger) { t.Stance = plan.Keeps }},
		"something that it gives up":   {trigger: trigger("other"), change: forsakes, reason: v1alpha1.ReasonReleasing, wake: []string{"other"}},
		"something, and no news of it": {trigger: trigger("other"), change: isSeen, reason: v1alpha1.ReasonReleasing},
	} {
		if test.change != nil {
			test.change(test.trigger)
		}
		p, units := leftElsewhere(worldOf("own", "other"), test.trigger, cloud("own"))
		var wake []string
		for _, u := range units {
			wake = append(wake, u.Environment.CloudName)
		}
		if diff := cmp.Diff(test.wake, wake); reasonOf(p) != test.reason || diff != "" {
			t.Errorf("%s: %q, want %q; to be looked at (-want +got):\n%s", name, reasonOf(p), test.reason, diff)
		}
	}
}

func forsakes(t *resolve.Trigger) {
	t.Stance, t.Forsaken = plan.Keeps, []cloudinary.Environment{cloud("other")}
}

func isSeen(t *resolve.Trigger) {
	t.Status.ObservedGeneration, t.Before = &t.Generation, t.Status.Registrations
}

// What is said of a trigger that leads to no environment.
func TestWhatIsSaidOfATriggerThatLeadsNowhere(t *testing.T) {
	t.Parallel()
	unavailable := problem(v1alpha1.ReasonUnavailable)
	for name, test := range map[string]struct {
		trigger *resolve.Trigger
		change  func(*resolve.Trigger)
		cause   *resolve.Problem
		reason  string
		unknown bool
		stays   bool
	}{
		"nothing was tried":                     {trigger: trigger(), reason: v1alpha1.ReasonPending},
		"its own problem says it":               {trigger: trigger(), change: func(t *resolve.Trigger) { t.Problem = problem(v1alpha1.ReasonEndpointNotFound) }},
		"credentials are refused":               {trigger: trigger(), cause: problem(v1alpha1.ReasonCredentialsRejected), reason: v1alpha1.ReasonCredentialsRejected},
		"Cloudinary is away":                    {trigger: trigger(), cause: unavailable, reason: v1alpha1.ReasonUnavailable, unknown: true},
		"Cloudinary is away, and it was known":  {trigger: trigger(), change: isSeen, cause: unavailable, stays: true},
		"something is left where nobody may go": {trigger: trigger("lost"), cause: unavailable, reason: v1alpha1.ReasonCredentialsMissing},
	} {
		if test.change != nil {
			test.change(test.trigger)
		}
		a, _, stays := Unresolved(worldOf(), test.trigger, test.cause)
		if reasonOf(a.Synced) != test.reason || a.Unknown != test.unknown || stays != test.stays {
			t.Errorf("%s: %q, unknown %t, stays %t; want %q, %t, %t", name, reasonOf(a.Synced), a.Unknown, stays, test.reason, test.unknown, test.stays)
		}
	}
}

func TestADeletionThatNeedsAPersonNamesTheWayOut(t *testing.T) {
	t.Parallel()
	going := trigger()
	going.DeletionTimestamp = &noon
	for name, test := range map[string]struct {
		trigger *resolve.Trigger
		synced  *resolve.Problem
		says    bool
	}{
		"nothing is wrong":           {going, nil, false},
		"it goes by itself":          {going, problem(v1alpha1.ReasonUnavailable), false},
		"a person is needed":         {going, problem(v1alpha1.ReasonDeletionRefused), true},
		"it is not on its way":       {trigger(), problem(v1alpha1.ReasonDeletionRefused), false},
		"the message says it itself": {going, &resolve.Problem{Reason: v1alpha1.ReasonCredentialsMissing, Message: v1alpha1.AnnotationAbandon}, true},
	} {
		a := Assessment{Synced: test.synced}.withWayOut(test.trigger)
		if got := a.Synced != nil && strings.Count(a.Synced.Message, v1alpha1.AnnotationAbandon) == 1; got != test.says {
			t.Errorf("%s: the way out is named: %t, want %t: %+v", name, got, test.says, a.Synced)
		}
		if got := a.DeletionWaits(test.trigger) != nil; got != test.says {
			t.Errorf("%s: an Event is due: %t, want %t", name, got, test.says)
		}
	}
	a := Assessment{Synced: problem(v1alpha1.ReasonDeletionRefused)}
	going.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionSynced, Reason: v1alpha1.ReasonDeletionRefused}}
	if a.DeletionWaits(going) != nil {
		t.Error("an Event is due again")
	}
}

func TestWhatIsSaidOfAnEndpoint(t *testing.T) {
	t.Parallel()
	refused := Keys{Refused: map[string]error{"shop": errors.New("it is full")}}
	for name, test := range map[string]struct {
		secret string
		change func(*resolve.Endpoint)
		state  EnvironmentSummary
		barred *resolve.Problem
		keys   Keys
		reason string
		note   string
	}{
		"all is well":                       {secret: "own", state: EnvironmentSummary{Limit: 30}},
		"the environment cannot be reached": {secret: "own", state: EnvironmentSummary{Calls: Calls{Failed: problem(v1alpha1.ReasonUnavailable)}, Limit: 30}, reason: v1alpha1.ReasonUnavailable},
		"its credentials may not write":     {secret: "own", state: EnvironmentSummary{Limit: 30}, barred: problem(v1alpha1.ReasonCredentialsRejected), reason: v1alpha1.ReasonCredentialsRejected},
		"others' credentials may not":       {secret: "lost", state: EnvironmentSummary{Limit: 30}, barred: problem(v1alpha1.ReasonCredentialsRejected)},
		"no room for its keys":              {secret: "own", change: receives, state: EnvironmentSummary{Limit: 30}, keys: refused, reason: v1alpha1.ReasonVerificationKeysNotWritten},
		"no room, and no receiver":          {secret: "own", state: EnvironmentSummary{Limit: 30}, keys: refused},
		"it is being deleted":               {secret: "own", change: func(ep *resolve.Endpoint) { ep.DeletionTimestamp = &noon }, state: EnvironmentSummary{Limit: 30}, reason: v1alpha1.ReasonReleasing},
		"nearly all URLs are in use":        {secret: "own", state: EnvironmentSummary{URLs: 27, Limit: 30}, note: "nearly all notification URLs"},
		"no key to verify with":             {secret: "own", change: receives, state: EnvironmentSummary{Limit: 30}, keys: Keys{Pool: verification.NewPool(nil)}, note: "has no key to verify notifications with"},
	} {
		ep := &resolve.Endpoint{NotificationEndpoint: &v1alpha1.NotificationEndpoint{}, Key: key("media"), Secret: key(test.secret)}
		ep.Namespace, ep.Name, ep.Spec.CredentialsSecretRef.Name = "shop", "media", test.secret
		if test.change != nil {
			test.change(ep)
		}
		a := Endpoint(&resolve.Scope{Environment: cloud("own"), World: worldOf("own")}, ep, test.state, test.barred, test.keys)
		notes := check.Join(a.Notes)
		if reasonOf(a.Synced) != test.reason || !strings.Contains(notes, test.note) || (notes == "") != (test.note == "") {
			t.Errorf("%s: %q with the notes %q, want %q and %q", name, reasonOf(a.Synced), notes, test.reason, test.note)
		}
	}
}

func receives(ep *resolve.Endpoint) { ep.Spec.Receiver = &v1alpha1.ReceiverSpec{} }

// Each finding names the event types that it is about, and goes to the condition that it concerns.
func TestEachFindingIsToldWithItsEventTypes(t *testing.T) {
	t.Parallel()
	for p, says := range map[plan.Problem]string{
		plan.Conflict:        "already uses them at the same URL",
		plan.AlreadyExists:   "spec.adoptionPolicy is Refuse",
		plan.URLLimitReached: `it says "no"`,
		plan.Rejected:        `Cloudinary says "no"`,
		plan.NotConverging:   "another value for filter",
		plan.Drifted:         "spec.managementPolicy is Observe",
		plan.Confirming:      "does not show it yet",
		plan.Pending:         "to be sent to Cloudinary",
		plan.DeletionRefused: "refuses to delete the trigger",
		plan.PlaceTaken:      "its list does not show it",
		plan.Releasing:       "still to be released",
	} {
		use := LimitUseOf(&resolve.Scope{}, 30, plan.Plan{})
		accepted, synced := problemsOf(trigger(), []plan.Finding{{Problem: p, EventTypes: []string{"upload", "delete"}, Fields: []string{"filter"}, Message: "no"}}, &use)
		got := synced
		if p.OfSpec() {
			got = accepted
		}
		if got == nil || got.Reason != string(p) || !strings.Contains(got.Message, says) {
			t.Errorf("%s: %+v does not say %q", p, got, says)
			continue
		}
		if p != plan.Drifted && !strings.HasPrefix(got.Message, "event types upload, delete: ") {
			t.Errorf("%s does not name the event types: %s", p, got.Message)
		}
	}
}

func TestConditionsOfAnAssessment(t *testing.T) {
	t.Parallel()
	bad, waiting := problem(v1alpha1.ReasonInvalidFilter), problem(v1alpha1.ReasonPending)
	for name, test := range map[string]struct {
		a    Assessment
		want string // Accepted, Synced, Ready and one of Reconciling and Stalled
	}{
		"all is well":                   {Assessment{Done: triggerDone}, "Accepted=True/Accepted, Synced=True/Synced, Ready=True/Ready"},
		"the spec needs a person":       {Assessment{Accepted: bad}, "Accepted=False/InvalidFilter, Synced=False/NotAccepted, Ready=False/InvalidFilter, Stalled/InvalidFilter"},
		"the state goes on":             {Assessment{Synced: waiting}, "Accepted=True/Accepted, Synced=False/Pending, Ready=False/Pending, Reconciling/Pending"},
		"the state is not known":        {Assessment{Synced: problem(v1alpha1.ReasonUnavailable), Unknown: true}, "Accepted=True/Accepted, Synced=Unknown/Unavailable, Ready=Unknown/Unavailable, Reconciling/Unavailable"},
		"the spec waits, the state not": {Assessment{Accepted: problem(v1alpha1.ReasonSecretNotFound), Synced: problem(v1alpha1.ReasonDeletionRefused)}, "Accepted=False/SecretNotFound, Synced=False/DeletionRefused, Ready=False/SecretNotFound, Stalled/DeletionRefused"},
	} {
		conditions := test.a.Conditions(nil, 1, noon)
		var got []string
		for _, name := range []string{v1alpha1.ConditionAccepted, v1alpha1.ConditionSynced, v1alpha1.ConditionReady} {
			c := meta.FindStatusCondition(conditions, name)
			got = append(got, name+"="+string(c.Status)+"/"+c.Reason)
		}
		for _, name := range []string{v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled} {
			if c := meta.FindStatusCondition(conditions, name); c != nil {
				got = append(got, name+"/"+c.Reason)
			}
		}
		if diff := cmp.Diff(test.want, strings.Join(got, ", ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(conditions, test.a.Conditions(conditions, 1, metav1.NewTime(noon.Add(time.Hour)))); diff != "" {
			t.Errorf("%s: what is unchanged changes (-first +second):\n%s", name, diff)
		}
	}
}
