// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"encoding/json"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

// Observed are the triggers of a list as a plan sees them.
func Observed(triggers []cloudinary.Trigger) []plan.Observed {
	observed := make([]plan.Observed, 0, len(triggers))
	for _, t := range triggers {
		observed = append(observed, ObservedOne(t))
	}
	return observed
}

// ObservedOne is one trigger of a list as a plan sees it.
func ObservedOne(t cloudinary.Trigger) plan.Observed {
	return plan.Observed{
		ID: t.ID, URIType: t.URIType, URL: t.URI, EventType: t.EventType, CreatedAt: t.CreatedAt,
		Additive: t.Additive, AuthScheme: t.AuthScheme,
		Filter: canonicalOrRaw(t.Filter), PayloadTemplate: canonicalOrRaw(t.PayloadTemplate),
	}
}

// canonicalOrRaw returns an unreadable value unchanged: it differs from every wanted value, as it
// should.
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
