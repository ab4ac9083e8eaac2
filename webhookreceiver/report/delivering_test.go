// SPDX-License-Identifier: Apache-2.0

package report

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

func TestDelivering(t *testing.T) {
	t.Parallel()
	type is struct {
		status metav1.ConditionStatus
		reason string
	}
	failing, dead := is{metav1.ConditionFalse, v1alpha1.ReasonTargetFailing}, is{metav1.ConditionFalse, v1alpha1.ReasonDeadLetters}
	delivered := is{metav1.ConditionTrue, v1alpha1.ReasonDelivered}
	moment, while := noon.Add(-2*time.Second), noon.Add(-20*time.Second)
	for name, test := range map[string]struct {
		targets []health
		before  judgment
		want    is
		why     string
	}{
		"no targets":            {nil, judgment{}, is{}, "there is nothing to deliver to"},
		"nothing delivered yet": {[]health{{name: "a"}}, judgment{}, is{}, ""},
		"the first is on its way": {
			[]health{{name: "a", waiting: 1}}, judgment{}, is{}, "",
		},
		"delivered":              {[]health{{name: "a"}, {name: "b", delivered: 1}}, judgment{}, delivered, ""},
		"one attempt has failed": {[]health{{name: "a", delivered: 9, failures: 1, failingSince: moment, waiting: 1}}, judgment{}, delivered, "that is what retries are for"},
		"the first attempt of all has failed": {
			[]health{{name: "a", failures: 1, failingSince: moment, waiting: 1}}, judgment{}, is{}, "",
		},
		"one attempt has failed, and none succeeded for a while": {
			[]health{{name: "a", failures: 1, failingSince: while, waiting: 1}}, judgment{}, failing, "",
		},
		"three attempts have failed": {[]health{{name: "a", delivered: 9, failures: 3, failingSince: moment, waiting: 3}}, judgment{}, failing, ""},
		"a target is paused":         {[]health{{name: "a", delivered: 9, paused: true, waiting: 5}}, judgment{}, failing, ""},
		"what failed was discarded": {
			[]health{{name: "a", failures: 9, failingSince: while}},
			judgment{metav1.ConditionFalse, v1alpha1.ReasonTargetFailing, ""},
			delivered,
			"nothing is left that could fail",
		},
		"a notification was refused": {
			[]health{{name: "a", delivered: 9, failures: 1, failingSince: while, dead: 1}}, judgment{}, dead, "the target works",
		},
		"many were refused, and nothing succeeded": {
			[]health{{name: "a", failures: 3, failingSince: while, dead: 3}}, judgment{}, failing, "the failure tells more than its result",
		},
		"dead letters of a target that is gone": {
			[]health{{name: "a", delivered: 9}, {name: "b", dead: 1, gone: true}}, judgment{}, dead, "they are kept, and nobody gets them",
		},
		"dead letters of one, failures of another": {
			[]health{{name: "a", dead: 1}, {name: "b", failures: 3, waiting: 1}}, judgment{}, failing, "it will get worse",
		},
		"redriven dead letters": {
			[]health{{name: "a", waiting: 1}}, judgment{metav1.ConditionFalse, v1alpha1.ReasonDeadLetters, ""}, delivered, "they are about to be delivered",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := delivering(test.targets, test.before, noon)
			if diff := cmp.Diff(test.want, is{got.status, got.reason}, cmp.AllowUnexported(is{})); diff != "" {
				t.Errorf("%s (-want +got)\n%s", test.why, diff)
			}
			timeless(t, got.message)
		})
	}
}

func TestDeliveringNamesTargetsAndTheFailure(t *testing.T) {
	t.Parallel()
	one := health{name: "catalog", failures: 3, waiting: 1, failure: "the Service catalog has no ready endpoint."}
	want := "Deliveries fail to the target catalog: the Service catalog has no ready endpoint. " +
		"They are tried again, ever less often, until spec.receiver.retry.maxAge."
	if got := delivering([]health{one}, judgment{}, noon).message; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	var many []health
	for i := range 16 {
		h := one
		h.name = strings.Repeat(string(rune('a'+i)), 63)
		h.failure = strings.Repeat("x", 256)
		many = append(many, h)
	}
	got := delivering(many, judgment{}, noon).message
	if len(got) > 1024 || !strings.Contains(got, "and others") {
		t.Errorf("%d bytes: %s", len(got), got)
	}
	for i := range many {
		many[i] = health{name: "t" + strconv.Itoa(i), dead: 1}
	}
	if got := delivering(many, judgment{}, noon).message; !strings.Contains(got, v1alpha1.AnnotationRedrive) || !strings.Contains(got, "t0, t1, t2, t3 and others") {
		t.Errorf("got %q", got)
	}
}

func TestDeadLettersOfATargetThatIsGoneAreNotToBeRedriven(t *testing.T) {
	t.Parallel()
	gone, there := health{name: "former", dead: 1, gone: true}, health{name: "catalog", dead: 1}
	want := "Notifications were given up for the target former and are kept, though the spec names no such target any more. " +
		"Bring it back, or discard them: kubectl cloudinary deadletters discard."
	if got := delivering([]health{gone}, judgment{}, noon).message; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	got := delivering([]health{there, gone}, judgment{}, noon).message
	if !strings.HasSuffix(got, " "+want) || !strings.Contains(got, "the target catalog") || !strings.Contains(got, v1alpha1.AnnotationRedrive) {
		t.Errorf("of both: %q", got)
	}
	var many []health
	for i := range 32 {
		many = append(many, health{name: strings.Repeat(string(rune('a'+i%26)), 63), dead: 1, gone: i >= 16})
	}
	if got := delivering(many, judgment{}, noon).message; len(got) > 1024 || strings.Count(got, "and others") != 2 {
		t.Errorf("%d bytes: %s", len(got), got)
	}
}
