// SPDX-License-Identifier: Apache-2.0

package notification

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"time"
)

const (
	// MaxKeys is how many keys of a kind an endpoint can have: two live through a rotation, and a few for products apart.
	MaxKeys = 8
	// DefaultMaxAge is how old a signature may become, as in Cloudinary's SDKs.
	DefaultMaxAge = 2 * time.Hour
	// DefaultMaxFuture is how far a signature's time may be ahead, since clocks differ. The SDKs do not look.
	DefaultMaxFuture = 5 * time.Minute
)

// Algorithm is how a signature is made.
type Algorithm string

// The algorithms that Cloudinary signs notifications with.
const (
	SHA1    Algorithm = "SHA1"    // X-Cld-Signature of 40 digits
	SHA256  Algorithm = "SHA256"  // X-Cld-Signature of 64 digits
	Ed25519 Algorithm = "Ed25519" // X-Cld-Signature_v2
)

// Key is a secret that Cloudinary may sign with.
type Key struct {
	ID     string // the API key, which is no secret, and decides nothing
	Secret []byte
}

// String tells the id alone.
func (k Key) String() string { return "key " + k.ID }

// Format shows what String shows, whatever the verb: %d or %x would otherwise print the secret.
func (k Key) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, k.String()) }

// MarshalText writes what String shows; there is deliberately no way back.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// PolicyOptions is what an endpoint accepts.
type PolicyOptions struct {
	// Keys are tried all, always. Empty and repeated secrets are left out, and of the others all beyond MaxKeys: who
	// has more puts those first that are likely to be used.
	Keys []Key
	// Ed25519 are the public keys for X-Cld-Signature_v2, with the same limit.
	Ed25519 []ed25519.PublicKey
	// Algorithms are those that are allowed. None means SHA1, SHA256 and, where there are public keys, Ed25519.
	Algorithms []Algorithm
	// MaxAge is the age at which a signature is too old, MaxFuture how far its time may be ahead. Zero means the default.
	MaxAge, MaxFuture time.Duration
}

// Policy decides which notifications an endpoint takes. It does not change, and any number of goroutines may use it at
// once. The zero value takes none.
type Policy struct {
	keys               []Key
	publicKeys         []ed25519.PublicKey
	sha1, sha256, ed25 bool
	maxAge, maxFuture  time.Duration
	digests            digests
}

// NewPolicy keeps copies of what it is given. It fails for what no endpoint can mean: an unknown algorithm, a public
// key of the wrong size, a negative duration.
func NewPolicy(o PolicyOptions) (*Policy, error) {
	p := &Policy{maxAge: o.MaxAge, maxFuture: o.MaxFuture}
	if p.maxAge < 0 || p.maxFuture < 0 {
		return nil, fmt.Errorf("negative maximum age %s or future %s", p.maxAge, p.maxFuture)
	}
	if p.maxAge == 0 {
		p.maxAge = DefaultMaxAge
	}
	if p.maxFuture == 0 {
		p.maxFuture = DefaultMaxFuture
	}
	if err := p.allow(o.Algorithms); err != nil {
		return nil, err
	}
	for _, key := range o.Keys {
		same := func(k Key) bool { return bytes.Equal(k.Secret, key.Secret) }
		if len(key.Secret) > 0 && len(p.keys) < MaxKeys && !slices.ContainsFunc(p.keys, same) {
			p.keys = append(p.keys, Key{ID: key.ID, Secret: bytes.Clone(key.Secret)})
		}
	}
	for i, key := range o.Ed25519 {
		if len(key) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("public key %d has %d bytes, not %d", i, len(key), ed25519.PublicKeySize)
		}
		if len(p.publicKeys) < MaxKeys {
			p.publicKeys = append(p.publicKeys, bytes.Clone(key))
		}
	}
	return p, nil
}

func (p *Policy) allow(algorithms []Algorithm) error {
	if len(algorithms) == 0 {
		algorithms = []Algorithm{SHA1, SHA256, Ed25519}
	}
	for _, a := range algorithms {
		switch a {
		case SHA1:
			p.sha1 = true
		case SHA256:
			p.sha256 = true
		case Ed25519:
			p.ed25 = true
		default:
			return fmt.Errorf("unknown algorithm %q", a)
		}
	}
	return nil
}

// String tells how many keys there are.
func (p *Policy) String() string {
	return fmt.Sprintf("policy with %d keys and %d public keys", len(p.keys), len(p.publicKeys))
}

// Format shows what String shows, whatever the verb.
func (p *Policy) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, p.String()) }

// Signed is a notification as it came. Body is the bytes received, which are what is signed.
type Signed struct {
	Body        []byte
	Timestamp   string // X-Cld-Timestamp
	Signature   string // X-Cld-Signature
	SignatureV2 string // X-Cld-Signature_v2
	Repeated    bool   // one of these headers came more than once, so that nobody can say which value counts
}

// Verified is what is certain of a notification once its signature matched.
type Verified struct {
	Algorithm Algorithm // of X-Cld-Signature, where both signatures were checked
	KeyID     string    // of the key that matched, empty for Ed25519
	Timestamp time.Time
}

// Verify reports whether s came from Cloudinary lately, and if not, why not. It looks at nothing in the body.
//
//	X-Cld-Signature           | X-Cld-Signature_v2       | then
//	--------------------------+--------------------------+----------------------------------------------
//	absent                    | absent                   | missing_signature
//	absent                    | cannot be checked        | only_v2, or algorithm_not_allowed
//	absent, or its algorithm  | can be checked           | v2 decides
//	forbidden, or no secrets  |                          |
//	forbidden, or no secrets  | absent, or cannot be     | algorithm_not_allowed, or no_keys
//	can be checked            | absent, or cannot be     | v1 decides
//	can be checked            | can be checked           | both must be right
//
// A v2 signature can be checked where there is a public key and Ed25519 is allowed. So a wrong signature is never made
// good by another one that is right.
func (p *Policy) Verify(s Signed, now time.Time) (Verified, Rejection) {
	if len(p.keys) == 0 && len(p.publicKeys) == 0 {
		return Verified{}, RejectedNoKeys
	}
	v1, v2, rejection := p.choose(&s)
	if rejection != "" {
		return Verified{}, rejection
	}
	at, rejection := instantOf(&s)
	if rejection != "" {
		return Verified{}, rejection
	}
	verified := Verified{Algorithm: Ed25519, Timestamp: at}
	if v1 != "" {
		verified.Algorithm = v1
		if verified.KeyID, rejection = p.verifyDigest(v1, &s); rejection != "" {
			return Verified{}, rejection
		}
	}
	if v2 {
		if rejection := verifyEd25519(p.publicKeys, &s); rejection != "" {
			return Verified{}, rejection
		}
	}
	// Only now, so that somebody without a key does not learn what the clock here says.
	switch age := now.Sub(at); {
	case age >= p.maxAge:
		return Verified{}, RejectedStale
	case age < -p.maxFuture:
		return Verified{}, RejectedFuture
	}
	return verified, ""
}

// Precheck says why Verify rejects a notification whose body has not been read, where that is certain already. Most of what strangers
// send is refused by it before anything of theirs is kept.
//
// The age is left to Verify. Whoever wants a body to be read can write any time into the header, so that refusing an old one here would
// keep out nobody; and stale and future are to go on saying that the signature is right: they tell of a clock that is wrong.
func (p *Policy) Precheck(s *Signed) Rejection {
	if len(p.keys) == 0 && len(p.publicKeys) == 0 {
		return RejectedNoKeys
	}
	v1, _, rejection := p.choose(s)
	if rejection != "" {
		return rejection
	}
	if _, rejection := instantOf(s); rejection != "" {
		return rejection
	}
	var room [sha256.Size]byte
	switch {
	case v1 != "" && !decodeHex(room[:len(s.Signature)/2], s.Signature):
		return RejectedMalformedSignature
	case v1 == "" && len(decodeSignatureV2(s.SignatureV2)) != ed25519.SignatureSize: // beside v1 it is looked at only if that is right
		return RejectedMalformedSignature
	}
	return ""
}

// choose says which signatures have to be right: v1 with which algorithm, none if empty, and whether v2.
func (p *Policy) choose(s *Signed) (v1 Algorithm, v2 bool, rejection Rejection) {
	switch {
	case s.Repeated:
		return "", false, RejectedMalformedSignature
	case s.Signature == "" && s.SignatureV2 == "":
		return "", false, RejectedMissingSignature
	}
	v2 = s.SignatureV2 != "" && p.ed25 && len(p.publicKeys) > 0
	if s.Signature == "" {
		switch {
		case v2:
			return "", true, ""
		case len(p.publicKeys) == 0:
			return "", false, RejectedOnlyV2
		}
		return "", false, RejectedAlgorithmNotAllowed
	}
	var allowed bool
	switch len(s.Signature) {
	case sha1Digits:
		v1, allowed = SHA1, p.sha1
	case sha256Digits:
		v1, allowed = SHA256, p.sha256
	default:
		return "", false, RejectedMalformedSignature
	}
	switch {
	case allowed && len(p.keys) > 0:
		return v1, v2, ""
	case v2:
		return "", true, ""
	case !allowed:
		return "", false, RejectedAlgorithmNotAllowed
	}
	return "", false, RejectedNoKeys
}

// timestampDigits is how long Cloudinary's timestamps are from 2001 to 2286.
const timestampDigits = 10

// instantOf reads the timestamp, which has one form alone: see RejectedMalformedTimestamp.
func instantOf(s *Signed) (time.Time, Rejection) {
	switch {
	case s.Timestamp == "":
		return time.Time{}, RejectedMissingTimestamp
	case len(s.Timestamp) != timestampDigits || s.Timestamp[0] == '0':
		return time.Time{}, RejectedMalformedTimestamp
	}
	var seconds int64
	for i := range len(s.Timestamp) {
		if !isDigit(s.Timestamp[i]) {
			return time.Time{}, RejectedMalformedTimestamp
		}
		seconds = 10*seconds + int64(s.Timestamp[i]-'0')
	}
	return time.Unix(seconds, 0).UTC(), ""
}
