// SPDX-License-Identifier: Apache-2.0

package sample

import (
	"crypto/sha1" //nolint:gosec // Cloudinary's default
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Headers of a signed notification.
const (
	HeaderTimestamp   = "X-Cld-Timestamp"
	HeaderSignature   = "X-Cld-Signature"
	HeaderSignatureV2 = "X-Cld-Signature_v2"
)

// Algorithm is the digest of X-Cld-Signature.
type Algorithm string

// Values of Algorithm.
const (
	// SHA1 makes 40 digits. The default.
	SHA1 Algorithm = "sha1"
	// SHA256 makes 64 digits: a setting of the account.
	SHA256 Algorithm = "sha256"
)

// Sign makes X-Cld-Timestamp and X-Cld-Signature of a body.
func Sign(algorithm Algorithm, body []byte, at time.Time, secret string) http.Header {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	return http.Header{HeaderTimestamp: {timestamp}, HeaderSignature: {Digest(algorithm, body, timestamp, secret)}}
}

// Digest is X-Cld-Signature: a plain digest of body, timestamp and secret, one behind the other.
func Digest(algorithm Algorithm, body []byte, timestamp, secret string) string {
	message := slices.Concat(body, []byte(timestamp), []byte(secret))
	if algorithm == SHA256 {
		sum := sha256.Sum256(message)
		return hex.EncodeToString(sum[:])
	}
	sum := sha1.Sum(message) //nolint:gosec // Cloudinary's default
	return hex.EncodeToString(sum[:])
}
