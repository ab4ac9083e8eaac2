// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verification"
)

// receiving is a stage whose endpoint has a receiver.
func receiving() *stage {
	s := newStage()
	s.endpoint.Spec.URL, s.endpoint.Spec.Receiver = "", &v1alpha1.ReceiverSpec{BaseURL: "https://hooks.example.com"}
	return s
}

// wasIn has the endpoint say in which cloud it was.
func (s *stage) wasIn(cloud string) {
	e := credentials(cloud).Environment()
	s.endpoint.Status.Environment = &v1alpha1.EnvironmentStatus{APIBase: e.APIBase, CloudName: e.CloudName}
}

// What becomes of the keys that the entry of the cloud one has: its own one, and one that is in no
// Secret any more.
func TestWhatBecomesOfTheKeysOfAnEnvironment(t *testing.T) {
	t.Parallel()
	present := []verification.Key{
		{ID: "k", Secret: "s", Sources: []string{"shop/one"}}, {ID: "old", Secret: "s", Sources: []string{"shop/one"}},
	}
	for name, test := range map[string]struct {
		change func(*stage)
		want   string // each key that is left, with a + where it counts for a while only
		pool   bool   // it is known which count
	}{
		"an endpoint is accepted":        {func(*stage) {}, "k old+ ", true},
		"there is no receiver":           {func(s *stage) { s.endpoint.Spec.Receiver = nil }, "", false},
		"the Secret is not known":        {func(s *stage) { delete(s.secrets, key("one")) }, "k old ", false},
		"the credentials were not tried": {func(s *stage) { s.accepted["one"] = false }, "k old ", false},
		"the credentials are refused": {func(s *stage) {
			s.accepted["one"] = false
			s.secrets[key("one")] = Secret{Credentials: credentials("one"), Refused: true}
		}, "k+ old+ ", false},
		"the Secret is gone, and it was here": {func(s *stage) {
			s.wasIn("one")
			s.secrets[key("one")] = MissingSecret(key("one"))
		}, "k+ old+ ", false},
		"the Secret is gone, and it was elsewhere": {func(s *stage) {
			s.wasIn("two")
			s.secrets[key("one")] = MissingSecret(key("one"))
		}, "", false},
		"the Secret names another cloud": {func(s *stage) { s.secrets[key("one")] = Secret{Credentials: credentials("two")} }, "", false},
	} {
		s := receiving()
		test.change(s)
		keys := s.Gather(credentials("one").Environment()).Keys()
		got := ""
		for _, k := range keys.Entry(present, noon.Time, time.Hour) {
			got += k.ID
			if k.NotAfter != nil {
				got += "+"
			}
			got += " "
		}
		if got != test.want || (keys.Pool(nil) != nil) != test.pool {
			t.Errorf("%s: %q, known %t; want %q, %t", name, got, keys.Pool(nil) != nil, test.want, test.pool)
		}
	}
}

func TestKeysAreKnownWhenAllSecretsAre(t *testing.T) {
	t.Parallel()
	s := receiving()
	if !s.Gather(credentials("one").Environment()).Keys().Complete() {
		t.Error("all Secrets are known, and the keys are not")
	}
	s.names("elsewhere")
	if s.Gather(credentials("one").Environment()).Keys().Complete() {
		t.Error("a Secret is not known, and the keys are")
	}
}

// A note must not come and go with a restart: keys that may be in a Secret which was not read yet
// go on to count.
func TestKeysOfTheEntryCountUntilTheirSecretsAreKnown(t *testing.T) {
	t.Parallel()
	end := noon.Time
	entry := []verification.Key{{ID: "other", Secret: "s", Sources: []string{"shop/other"}}, {ID: "gone", Secret: "s", Sources: []string{"shop/one"}, NotAfter: &end}}
	pool := receiving().Gather(credentials("one").Environment()).Keys().Pool(entry)
	var ids []string
	for _, k := range pool.All(verification.Endpoint{Namespace: "shop", Secret: "one"}) {
		ids = append(ids, k.ID)
	}
	for _, k := range pool.All(verification.Endpoint{Namespace: "shop", Secret: "other"}) {
		ids = append(ids, k.ID)
	}
	if diff := cmp.Diff([]string{"k", "other"}, ids); diff != "" {
		t.Errorf("keys that count (-want +got):\n%s", diff)
	}
}

func TestAnEndpointIsProvenByWhatAcceptedIt(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*stage)
		want   bool
	}{
		"accepted":                      {func(*stage) {}, true},
		"not accepted":                  {func(s *stage) { s.accepted["one"] = false }, false},
		"not any more":                  {func(s *stage) { s.accepted["one"] = false; s.wasIn("one") }, true},
		"not here, but elsewhere":       {func(s *stage) { s.accepted["one"] = false; s.wasIn("two") }, false},
		"without a Secret that is read": {func(s *stage) { delete(s.secrets, key("one")); s.wasIn("one") }, false},
	} {
		s := newStage()
		test.change(s)
		ep := s.ResolveEndpoint(s.endpoint)
		if got := ep.Proven(); got != test.want {
			t.Errorf("%s: %t, want %t", name, got, test.want)
		}
	}
}

func TestTheAddressOfAReceiver(t *testing.T) {
	t.Parallel()
	token := notification.PathToken(make([]byte, notification.PathKeyBytes), "shop", "media")
	const plain = "https://hooks.example.com/v1/notifications/shop/media"
	secret := plain + "/" + token
	noKey := func(*v1alpha1.NotificationEndpoint) (string, *Problem) {
		return "", &Problem{v1alpha1.ReasonPathKeyUnavailable, "no key"}
	}
	for name, test := range map[string]struct {
		change            func(*stage)
		url, reason, kept string // kept is what is shown while there is a problem
		notes             int
	}{
		"a new one":               {func(*stage) {}, secret, "", "", 0},
		"one that is to be plain": {func(s *stage) { s.endpoint.Spec.Receiver.Path = v1alpha1.ReceiverPathPlain }, plain, "", "", 0},
		"one that was plain":      {func(s *stage) { s.endpoint.Status.URL = plain }, plain, "", plain, 1},
		"one that was, and is not to be": {func(s *stage) {
			s.endpoint.Status.URL = plain
			s.endpoint.Spec.Receiver.Path = v1alpha1.ReceiverPathUnguessable
		}, secret, "", plain, 0},
		"a new one, and there is no key":   {func(s *stage) { s.PathToken = noKey }, "", v1alpha1.ReasonPathKeyUnavailable, "", 0},
		"one that is there, without a key": {func(s *stage) { s.PathToken = noKey; s.endpoint.Status.URL = secret }, secret, "", secret, 1},
		"nobody says where":                {func(s *stage) { s.endpoint.Spec.Receiver.BaseURL = "" }, "", v1alpha1.ReasonBaseURLMissing, "", 0},
		"the manager says where": {func(s *stage) {
			s.endpoint.Spec.Receiver.BaseURL, s.Options.ReceiverBaseURL = "", "https://hooks.example.com/"
		}, secret, "", "", 0},
		"nobody says any more": {func(s *stage) { s.endpoint.Spec.Receiver.BaseURL, s.endpoint.Status.URL = "", secret }, "", v1alpha1.ReasonBaseURLMissing, secret, 0},
	} {
		s := receiving()
		s.PathToken = func(*v1alpha1.NotificationEndpoint) (string, *Problem) { return token, nil }
		test.change(s)
		ep, reason := s.ResolveEndpoint(s.endpoint), ""
		if ep.Problem != nil {
			reason = ep.Problem.Reason
		}
		if ep.URL != test.url || reason != test.reason || len(ep.Notes) != test.notes || KeepURL(s.endpoint) != test.kept {
			t.Errorf("%s: %q, problem %q, kept %q, notes %v; want %+v", name, ep.URL, reason, KeepURL(s.endpoint), ep.Notes, test)
		}
	}
}

func TestWhoNeedsASecretAndAnEndpoint(t *testing.T) {
	t.Parallel()
	s := newStage()
	s.holds("two", "two")
	for name, want := range map[string][3]bool{"one": {true, true, false}, "two": {true, false, true}, "none": {}} {
		if got := [3]bool{s.UsesSecret(key(name)), s.NamesSecret(key(name)), s.WroteWith(key(name))}; got != want {
			t.Errorf("Secret %s is used, named, written with: %v, want %v", name, got, want)
		}
	}
	if !s.UsesEndpoint(key("media")) || s.UsesEndpoint(key("other")) {
		t.Error("what needs an endpoint is not told from what does not")
	}
	units := UnitsOf(s.trigger.Status.Registrations)
	if diff := cmp.Diff([]Unit{UnitOfEnvironment(credentials("two").Environment()), UnitOfSecret(key("two"))}, units); diff != "" {
		t.Errorf("units (-want +got):\n%s", diff)
	}
}

// What an object holds in one environment is replaced, and what it holds elsewhere stays.
func TestRecordsAreReplacedInOneEnvironment(t *testing.T) {
	t.Parallel()
	s := newStage()
	s.holds("one", "one")
	s.holds("two", "two")
	one, two := credentials("one").Environment(), credentials("two").Environment()
	records := []plan.Record{
		{EventType: "upload", ID: "7", URL: hook, Secret: key("one"), Origin: plan.Created},
		{EventType: "delete", ID: "8", URL: "https://b.example.com/", Secret: key("one"), Origin: plan.Created},
	}
	next := WithRecords(s.trigger.Status.Registrations, one, records)
	ids := func(records []plan.Record) (all []string) {
		for _, r := range records {
			all = append(all, r.ID)
		}
		return all
	}
	if diff := cmp.Diff([]string{"8", "7"}, ids(RecordsIn(next, one))); diff != "" {
		t.Errorf("in the one (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"1"}, ids(RecordsIn(next, two))); diff != "" {
		t.Errorf("in the other (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(1, len(WithRecords(next, one, nil))); diff != "" {
		t.Errorf("registrations once nothing is held in the one (-want +got):\n%s", diff)
	}
}
