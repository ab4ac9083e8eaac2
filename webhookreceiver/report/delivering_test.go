// SPDX-License-Identifier: Apache-2.0

package report

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

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
			[]health{{name: "a", failures: 3, failingSince: while, dead: 3}}, judgment{}, dead, "nothing waits, so nothing is tried again",
		},
		"dead letters of a target that is gone": {
			[]health{{name: "a", delivered: 9}, {name: "b", dead: 1, gone: true}}, judgment{}, dead, "they are kept, and nobody gets them",
		},
		"a paused target has given up all": {
			[]health{{name: "a", paused: true, failures: 9, failingSince: while, dead: 3}}, judgment{}, dead, "nothing waits, so nothing is tried again",
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
			got := delivering(media, test.targets, test.before, noon)
			if diff := cmp.Diff(test.want, is{got.status, got.reason}, cmp.AllowUnexported(is{})); diff != "" {
				t.Errorf("%s (-want +got)\n%s", test.why, diff)
			}
			timeless(t, got.message)
		})
	}
}

var media = types.NamespacedName{Namespace: "shop", Name: "media"}

func TestDeliveringSaysWhatIsDoneAndWhatToDo(t *testing.T) {
	t.Parallel()
	refused := health{name: "flaky", dead: 3, died: "answered 422"}
	down := health{name: "catalog", failures: 3, waiting: 1, failure: "the Service catalog has no ready endpoint."}
	former := health{name: "former", dead: 1, gone: true, died: "answered 400"}
	const (
		retried = "Deliveries fail to the target catalog: the Service catalog has no ready endpoint. " +
			"They are tried again, ever less often, until spec.receiver.retry.maxAge."
		kept = "Notifications were given up for the target flaky: answered 422. They are kept as dead letters and not tried again. " +
			"See them: kubectl cloudinary deadletters list media -n shop. " +
			"Once the cause is gone, deliver them: kubectl cloudinary deadletters redrive media -n shop, " +
			"or give this object the annotation notifications.cloudinary.dev/redrive with a new value."
		left = "Notifications were given up for the target former: answered 400. They are kept as dead letters, though the spec names no such " +
			"target any more. Bring the target back, or discard them: kubectl cloudinary deadletters discard media -n shop --target former --all."
	)
	for name, test := range map[string]struct {
		targets []health
		want    string
	}{
		"what waits is tried again":            {[]health{down}, retried},
		"what was refused is not":              {[]health{refused}, kept},
		"nor is it while something else fails": {[]health{refused, down}, retried + " " + kept},
		"what has nowhere to go is discarded":  {[]health{former}, left},
		"all at once":                          {[]health{former, refused, down}, retried + " " + kept + " " + left},
	} {
		if got := delivering(media, test.targets, judgment{}, noon).message; got != test.want {
			t.Errorf("%s:\ngot  %q\nwant %q", name, got, test.want)
		}
	}
}

func TestTheMessageOfDeliveringHasABound(t *testing.T) {
	t.Parallel()
	of := types.NamespacedName{Namespace: strings.Repeat("n", 63), Name: strings.Repeat("e", 63)}
	var many []health
	for i := range 48 {
		h := health{
			name: strings.Repeat(string(rune('a'+i%26)), 63), failures: 3, waiting: 1, failure: strings.Repeat("x", 256),
			dead: 1, died: strings.Repeat("y", 256), gone: i >= 24,
		}
		many = append(many, h)
	}
	got := delivering(of, many, judgment{}, noon).message
	if len(got) > 3072 || strings.Count(got, " and others") != 3 {
		t.Errorf("%d bytes: %s", len(got), got)
	}
}
