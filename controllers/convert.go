// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"encoding/json"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

func observedFrom(triggers []cloudinary.Trigger) []plan.Observed {
	observed := make([]plan.Observed, 0, len(triggers))
	for _, t := range triggers {
		observed = append(observed, observedFromOne(t))
	}
	return observed
}

func observedFromOne(t cloudinary.Trigger) plan.Observed {
	return plan.Observed{
		ID: t.ID, URIType: t.URIType, URL: t.URI, EventType: t.EventType, CreatedAt: t.CreatedAt,
		Additive: t.Additive, AuthScheme: t.AuthScheme,
		Filter: canonicalOrRaw(t.Filter), PayloadTemplate: canonicalOrRaw(t.PayloadTemplate),
	}
}

// canonicalOrRaw gives what cannot be understood as it is: it differs from everything we want, which is the truth.
func canonicalOrRaw(raw json.RawMessage) *string {
	if raw == nil {
		return nil
	}
	text, err := plan.CanonicalJSON(raw)
	if err != nil {
		text = string(raw)
	}
	return &text
}

func triggerSpecFrom(s plan.Step) cloudinary.TriggerSpec {
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
