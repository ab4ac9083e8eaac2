// SPDX-License-Identifier: Apache-2.0

package notification

import (
	"crypto/sha1" //nolint:gosec // Cloudinary's default; an endpoint can forbid it
	"crypto/sha256"
	"crypto/subtle"
	"encoding"
	"hash"
	"sync"
)

const (
	sha1Digits   = 2 * sha1.Size
	sha256Digits = 2 * sha256.Size
)

// digests lends out hashes, so that verifying allocates nothing.
type digests struct{ sha1, sha256 sync.Pool }

// digest is a hash with room for what goes through it.
type digest struct {
	hash   hash.Hash
	sum    []byte
	state  []byte // before the secret
	number []byte // the timestamp
}

func (d *digests) pool(a Algorithm) *sync.Pool {
	if a == SHA1 {
		return &d.sha1
	}
	return &d.sha256
}

func (d *digests) borrow(a Algorithm) *digest {
	if borrowed, ok := d.pool(a).Get().(*digest); ok {
		borrowed.hash.Reset()
		return borrowed
	}
	h := sha256.New()
	if a == SHA1 {
		h = sha1.New() //nolint:gosec // see above
	}
	return &digest{hash: h, sum: make([]byte, 0, h.Size()), state: make([]byte, 0, 2*h.BlockSize()), number: make([]byte, 0, timestampDigits)}
}

func (d *digests) giveBack(a Algorithm, borrowed *digest) { d.pool(a).Put(borrowed) }

// verifyDigest returns the id of the key that makes X-Cld-Signature.
func (p *Policy) verifyDigest(a Algorithm, s *Signed) (string, Rejection) {
	var room [sha256.Size]byte
	want := room[:len(s.Signature)/2]
	if !decodeHex(want, s.Signature) {
		return "", RejectedMalformedSignature
	}
	d := p.digests.borrow(a)
	defer p.digests.giveBack(a, d)
	matched := d.match(p.keys, s.Body, s.Timestamp, want)
	if matched < 0 {
		return "", RejectedBadSignature
	}
	return p.keys[matched].ID, ""
}

// match returns which key makes want, a plain digest of body, timestamp and secret one after the other, or a negative
// number. Body and timestamp are hashed once, and every key is tried whether one has matched or not, so that the time
// taken tells nothing of the keys but their number and lengths.
func (d *digest) match(keys []Key, body []byte, timestamp string, want []byte) int {
	d.number = append(d.number[:0], timestamp...)
	// A hash never fails.
	_, _ = d.hash.Write(body)
	_, _ = d.hash.Write(d.number)
	if len(keys) > 1 {
		d.state = stateOf(d.hash, d.state[:0])
	}
	matched := -1
	for i, key := range keys {
		if i > 0 {
			restore(d.hash, d.state)
		}
		_, _ = d.hash.Write(key.Secret)
		d.sum = d.hash.Sum(d.sum[:0])
		matched = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(d.sum, want), i, matched)
	}
	return matched
}

// stateOf and restore do without hash.Cloner, whose clones are allocated. SHA-1 and SHA-256 promise these methods.
func stateOf(h hash.Hash, buffer []byte) []byte {
	state, err := h.(encoding.BinaryAppender).AppendBinary(buffer)
	if err != nil {
		panic(err) // they return none
	}
	return state
}

func restore(h hash.Hash, state []byte) {
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(state); err != nil {
		panic(err) // it is a state of the same hash
	}
}

// decodeHex reads lower-case digits alone: Cloudinary sends no others and its SDKs compare text, so what is accepted
// here is accepted by them, and a digest has one form.
func decodeHex(into []byte, digits string) bool {
	for i := range into {
		high, low := hexValue(digits[2*i]), hexValue(digits[2*i+1])
		if high > 15 || low > 15 {
			return false
		}
		into[i] = high<<4 | low
	}
	return true
}

func hexValue(c byte) byte {
	switch {
	case isDigit(c):
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}
