// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"encoding/json"
	"errors"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

// Outcome is how the call of a step ended, as far as its error tells.
func Outcome(err error) plan.Outcome {
	out := plan.Outcome{Result: resultOf(err), Limit: cloudinary.IsLimitReached(err)}
	if refused, ok := errors.AsType[*cloudinary.Error](err); ok {
		out.Message = refused.Message
	}
	return out
}

func resultOf(err error) plan.Result {
	switch {
	case err == nil:
		return plan.Done
	case cloudinary.IsAmbiguous(err):
		return plan.Unknown
	case cloudinary.IsNotFound(err):
		return plan.Gone
	case cloudinary.IsAlreadyExists(err):
		return plan.Exists
	case cloudinary.IsLimitReached(err), cloudinary.IsInvalid(err):
		return plan.Refused
	default:
		return plan.NotSent
	}
}

// TriggerSpec is what a step sends.
func TriggerSpec(s plan.Step) cloudinary.TriggerSpec {
	spec := cloudinary.TriggerSpec{
		URI: s.URL, EventType: s.EventType, Additive: s.Settings.Additive,
		AuthScheme: s.Settings.AuthScheme, // also the default: there may be accounts on which what says none gets another
	}
	if s.Settings.Filter != "" {
		spec.Filter = json.RawMessage(s.Settings.Filter)
	}
	if s.Settings.PayloadTemplate != "" {
		spec.PayloadTemplate = json.RawMessage(s.Settings.PayloadTemplate)
	}
	return spec
}
