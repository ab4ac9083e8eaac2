// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

func TestHowACallEnded(t *testing.T) {
	t.Parallel()
	answer := func(operation string, status int, message string) error {
		return fmt.Errorf("wrapped: %w", &cloudinary.Error{Operation: operation, StatusCode: status, Message: message})
	}
	for name, test := range map[string]struct {
		err  error
		want plan.Outcome
	}{
		"it succeeded":            {nil, plan.Outcome{Result: plan.Done}},
		"its effect is not known": {&cloudinary.Error{Operation: cloudinary.OpCreate, Err: context.DeadlineExceeded, Ambiguous: true}, plan.Outcome{Result: plan.Unknown}},
		"a server failed, and may have worked": {
			&cloudinary.Error{Operation: cloudinary.OpUpdate, StatusCode: 502, Message: "oops", Ambiguous: true}, plan.Outcome{Result: plan.Unknown, Message: "oops"},
		},
		"the connection was refused":  {&cloudinary.Error{Operation: cloudinary.OpCreate, Err: errors.New("refused")}, plan.Outcome{Result: plan.NotSent}},
		"the trigger is gone":         {answer(cloudinary.OpUpdate, 404, "Trigger not found"), plan.Outcome{Result: plan.Gone, Message: "Trigger not found"}},
		"there is one already":        {answer(cloudinary.OpCreate, 409, "exists"), plan.Outcome{Result: plan.Exists, Message: "exists"}},
		"what was sent is refused":    {answer(cloudinary.OpCreate, 400, "bad event type"), plan.Outcome{Result: plan.Refused, Message: "bad event type"}},
		"the calls are used up":       {answer(cloudinary.OpCreate, 420, "too many"), plan.Outcome{Result: plan.NotSent, Message: "too many"}},
		"the credentials are refused": {answer(cloudinary.OpDelete, 401, "no"), plan.Outcome{Result: plan.NotSent, Message: "no"}},
		"an error of another kind":    {errors.New("a bug"), plan.Outcome{Result: plan.NotSent}},
	} {
		if diff := cmp.Diff(test.want, Outcome(test.err)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestWhatAStepSends(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		step plan.Step
		want cloudinary.TriggerSpec
	}{
		"nothing but a place": {plan.Step{URL: "https://a.example", EventType: "upload"}, cloudinary.TriggerSpec{URI: "https://a.example", EventType: "upload"}},
		"all settings": {
			plan.Step{EventType: "upload", Settings: plan.Settings{Additive: true, AuthScheme: "default", Filter: `{"a":1}`, PayloadTemplate: `{"b":"c"}`}},
			cloudinary.TriggerSpec{EventType: "upload", Additive: true, AuthScheme: "default", Filter: []byte(`{"a":1}`), PayloadTemplate: []byte(`{"b":"c"}`)},
		},
	} {
		if diff := cmp.Diff(test.want, TriggerSpec(test.step)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
