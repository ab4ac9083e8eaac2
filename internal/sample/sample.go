// SPDX-License-Identifier: Apache-2.0

package sample

import (
	"crypto/rand"
	"encoding/hex"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/eventbody"
)

// Notification is a made-up notification of an event type, with ids of its own. Members that are
// replaced have another value than a sample's.
func Notification(eventType, cloud, apiKey string, at time.Time, replaced ...eventbody.Field) []byte {
	assetID := NewID()
	body, err := eventbody.Sample(eventType, eventbody.Values{
		At: at.UTC(), Cloud: cloud, APIKey: apiKey, RequestID: NewID(), AssetID: assetID, PublicID: "sample_" + assetID[:12],
		BatchID: NewID() + NewID(), VersionID: NewID(), ETag: NewID(),
	}, replaced...)
	if err != nil {
		return []byte("{}")
	}
	return body
}

// NewID is a fresh id in the form of Cloudinary's: 32 hex digits.
func NewID() string {
	id := make([]byte, 16)
	// crypto/rand.Read never returns an error.
	_, _ = rand.Read(id)
	return hex.EncodeToString(id)
}
