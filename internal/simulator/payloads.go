// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/eventbody"
)

func (s *Simulator) newSample(apiKey string) eventbody.Values {
	return newSample(s.options.Clock().UTC(), s.options.Cloud, apiKey)
}

// newSample is what a made-up notification is made of. Its ids are fresh ones, all different.
func newSample(at time.Time, cloud, apiKey string) eventbody.Values {
	assetID := newID()
	return eventbody.Values{
		At: at, Cloud: cloud, APIKey: apiKey, RequestID: newID(), AssetID: assetID, PublicID: "sample_" + assetID[:12],
		BatchID: newID() + newID(), VersionID: newID(), ETag: newID(),
	}
}

// madeUp is a notification of an event type, with some of its members replaced.
func madeUp(eventType string, values eventbody.Values, replaced ...eventbody.Field) []byte {
	body, err := eventbody.Sample(eventType, values, replaced...)
	if err != nil {
		return []byte("{}")
	}
	return body
}
