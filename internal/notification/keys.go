// SPDX-License-Identifier: Apache-2.0

package notification

import (
	"crypto/sha256"
	"encoding/binary"
	"unicode/utf8"
)

// minRequestID is how many characters a request_id must have to be taken for an id; Cloudinary's have 32. A template
// may put anything there.
const minRequestID = 8

// DeduplicationKey is the same for two deliveries that are one notification: to the same endpoint, with the same body,
// and with the same timestamp unless the body carries an instant or an id of its own. The body is always part of the
// key, and such an instant or id with it. Without one, two uploads whose templated bodies are equal differ in nothing but
// the timestamp; with one, a retry that was signed anew is still the same notification.
func DeduplicationKey(endpointUID string, body []byte, timestamp string, n Notification) [sha256.Size]byte {
	if n.hasIdentity() {
		timestamp = ""
	}
	// What has a length comes after it, and the body last, so that different inputs are different bytes. A timestamp
	// that was there is never empty.
	var room [128]byte
	head := appendSized(room[:0], endpointUID)
	head = appendSized(head, timestamp)
	h := sha256.New()
	_, _ = h.Write(head)
	_, _ = h.Write(body)
	var key [sha256.Size]byte
	h.Sum(key[:0])
	return key
}

func (n *Notification) hasIdentity() bool {
	return !n.TriggeredAt.IsZero() || utf8.RuneCountInString(n.RequestID) >= minRequestID
}

// OrderKey is the same for notifications about the same asset, of which later ones wait for earlier ones. There is none
// for several assets, nor for one that is not named. What names it is part of the key: an asset_id, which outlives a
// rename, never gives the key of a resource type, delivery type and public id.
func OrderKey(n Notification) (key [16]byte, ordered bool) {
	var room [256]byte
	var names []byte
	switch {
	case n.Assets != 1:
		return key, false
	case n.AssetID != "":
		names = appendSized(append(room[:0], 'a'), n.AssetID)
	case n.PublicID != "":
		names = append(room[:0], 'p')
		for _, part := range [...]string{n.ResourceType, n.DeliveryType, n.PublicID} {
			names = appendSized(names, part)
		}
	default:
		return key, false
	}
	sum := sha256.Sum256(names)
	copy(key[:], sum[:])
	return key, true
}

func appendSized(to []byte, text string) []byte {
	to = binary.BigEndian.AppendUint64(to, uint64(len(text)))
	return append(to, text...)
}
