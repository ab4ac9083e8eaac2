// SPDX-License-Identifier: Apache-2.0

package notification

import (
	"crypto/ed25519"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const aTimestamp = "1710929554"

func aTime() time.Time { return time.Unix(1710929554, 0).UTC() }

func mustPolicy(tb testing.TB, o PolicyOptions) *Policy {
	tb.Helper()
	p, err := NewPolicy(o)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func someKeys(n int) []Key {
	keys := make([]Key, n)
	for i := range keys {
		keys[i] = Key{ID: fmt.Sprint(i), Secret: fmt.Appendf(nil, "secret-of-27-characters-%03d", i)}
	}
	return keys
}

func aPrivateKey() ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed([]byte(strings.Repeat("s", ed25519.SeedSize)))
}

func publicKeys() []ed25519.PublicKey {
	return []ed25519.PublicKey{aPrivateKey().Public().(ed25519.PublicKey)}
}

// sign does what Cloudinary does, in the simplest way.
func sign(a Algorithm, body []byte, timestamp string, secret []byte) string {
	text := string(body) + timestamp + string(secret)
	if a == SHA1 {
		sum := sha1.Sum([]byte(text))
		return hex.EncodeToString(sum[:])
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func signV2(body, timestamp string) []byte {
	return ed25519.Sign(aPrivateKey(), []byte(body+timestamp))
}

func TestPublishedVectors(t *testing.T) {
	for name, tc := range map[string]struct {
		algorithm               Algorithm
		body, timestamp, secret string
		want                    string
	}{
		"PHP and Python SDK, SHA-1":   {SHA1, `{}`, "0", "someApiSecret", "f9aa4471d2a88ff244424cca2444edf7d7ac3596"},
		"PHP and Python SDK, SHA-256": {SHA256, `{}`, "0", "someApiSecret", "d5497e1a206ad0ba29ad09a7c0c5f22e939682d15009c15ab3199f62fefbd14b"},
		"a body with an id": {
			SHA1, `{"public_id":"117e5550-7bfa-11e4-80d7-f962166bd3be","version":1417727468}`, "1417727468", "shhh",
			"bac927006d3ce039ef7632e2c03189348d02924a",
		},
		"a body that is not JSON": {SHA1, `{public_id: 'sample'}`, "1315060510", "abcd", "25f7e91709c858b97d688ce8da799dedb290d9ef"},
	} {
		t.Run(name, func(t *testing.T) {
			want, err := hex.DecodeString(tc.want)
			if err != nil {
				t.Fatal(err)
			}
			var d digests
			keys := append(someKeys(2), Key{Secret: []byte(tc.secret)}, Key{Secret: []byte("another")})
			if got := d.borrow(tc.algorithm).match(keys, []byte(tc.body), tc.timestamp, want); got != 2 {
				t.Errorf("key %d matches, want 2", got)
			}
			if len(tc.timestamp) != timestampDigits {
				return
			}
			p := mustPolicy(t, PolicyOptions{Keys: keys})
			at := time.Unix(1417727468, 0)
			if tc.timestamp == "1315060510" {
				at = time.Unix(1315060510, 0)
			}
			if _, rejection := p.Verify(Signed{Body: []byte(tc.body), Timestamp: tc.timestamp, Signature: tc.want}, at); rejection != "" {
				t.Errorf("rejected: %s", rejection)
			}
		})
	}
}

// verifyCase is a notification that is right in all, but for what edit changes.
type verifyCase struct {
	options PolicyOptions // keys 0 to 2 if there are none at all
	edit    func(s *Signed)
	now     time.Duration // after the timestamp
	want    Rejection
	by      Algorithm // SHA1 if empty
	late    bool      // the body has to be read to say so
	why     string
}

func (tc verifyCase) run(t *testing.T) {
	t.Helper()
	if tc.options.Keys == nil && tc.options.Ed25519 == nil {
		tc.options.Keys = someKeys(3)
	}
	s := Signed{Body: []byte(uploadBody), Timestamp: aTimestamp, Signature: sign(SHA1, []byte(uploadBody), aTimestamp, someKeys(2)[1].Secret)}
	if tc.edit != nil {
		tc.edit(&s)
	}
	policy := mustPolicy(t, tc.options)
	got, rejection := policy.Verify(s, aTime().Add(tc.now))
	tc.precheck(t, policy, s)
	if rejection != tc.want {
		t.Fatalf("rejection %q, want %q: %s", rejection, tc.want, tc.why)
	}
	want := Verified{}
	if tc.want == "" {
		want = Verified{Algorithm: SHA1, KeyID: "1", Timestamp: aTime()}
		if tc.by != "" {
			want.Algorithm = tc.by
		}
		if tc.by == Ed25519 {
			want.KeyID = ""
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// precheck says the same as Verify, or nothing, and nothing only where it takes the body to say more.
func (tc verifyCase) precheck(t *testing.T, policy *Policy, s Signed) {
	t.Helper()
	s.Body = nil
	want := tc.want
	if want == RejectedBadSignature || want == RejectedStale || want == RejectedFuture || tc.late {
		want = ""
	}
	if got := policy.Precheck(&s); got != want {
		t.Errorf("before the body: rejection %q, want %q: %s", got, want, tc.why)
	}
}

func TestVerify(t *testing.T) {
	sha256Instead := func(s *Signed) { s.Signature = sign(SHA256, s.Body, s.Timestamp, someKeys(2)[1].Secret) }
	only := func(a ...Algorithm) PolicyOptions { return PolicyOptions{Algorithms: a} }
	for name, tc := range map[string]verifyCase{
		"SHA-1, Cloudinary's default":      {},
		"SHA-256, told by its length":      {edit: sha256Instead, by: SHA256},
		"SHA-256 where SHA-1 is not":       {edit: sha256Instead, by: SHA256, options: only(SHA256)},
		"SHA-1 where only SHA-256 is":      {options: only(SHA256, Ed25519), want: RejectedAlgorithmNotAllowed},
		"SHA-256 where only SHA-1 is":      {edit: sha256Instead, options: only(SHA1), want: RejectedAlgorithmNotAllowed},
		"no key":                           {options: PolicyOptions{Keys: []Key{}}, want: RejectedNoKeys},
		"an empty secret":                  {options: PolicyOptions{Keys: []Key{{ID: "1"}}}, want: RejectedNoKeys, why: "everybody knows it"},
		"another key":                      {options: PolicyOptions{Keys: someKeys(1)}, want: RejectedBadSignature},
		"no header at all":                 {edit: func(s *Signed) { *s = Signed{Body: s.Body} }, want: RejectedMissingSignature},
		"no signature":                     {edit: func(s *Signed) { s.Signature = "" }, want: RejectedMissingSignature},
		"no timestamp":                     {edit: func(s *Signed) { s.Timestamp = "" }, want: RejectedMissingTimestamp},
		"a header twice":                   {edit: func(s *Signed) { s.Repeated = true }, want: RejectedMalformedSignature},
		"a digit too few":                  {edit: func(s *Signed) { s.Signature = s.Signature[1:] }, want: RejectedMalformedSignature},
		"a digit too many":                 {edit: func(s *Signed) { s.Signature += "0" }, want: RejectedMalformedSignature},
		"upper case":                       {edit: func(s *Signed) { s.Signature = strings.ToUpper(s.Signature) }, want: RejectedMalformedSignature, why: "no SDK takes it"},
		"no hexadecimal digit":             {edit: func(s *Signed) { s.Signature = "g" + s.Signature[1:] }, want: RejectedMalformedSignature},
		"a changed body":                   {edit: func(s *Signed) { s.Body[3] ^= 1 }, want: RejectedBadSignature},
		"a body written anew":              {edit: func(s *Signed) { s.Body = append(s.Body, '\n') }, want: RejectedBadSignature, why: "the bytes are signed, not the value"},
		"a changed timestamp":              {edit: func(s *Signed) { s.Timestamp = "1710929555" }, want: RejectedBadSignature},
		"a wrong signature, stale as well": {edit: func(s *Signed) { s.Body = nil }, now: 48 * time.Hour, want: RejectedBadSignature, why: "age is told to nobody without a key"},
		"right, and a v2 nobody checks":    {edit: func(s *Signed) { s.SignatureV2 = "whatever" }},

		"just not too old":         {now: DefaultMaxAge - time.Nanosecond},
		"just too old":             {now: DefaultMaxAge, want: RejectedStale, why: "the SDKs refuse at 7200 seconds"},
		"just not too far ahead":   {now: -DefaultMaxFuture},
		"just too far ahead":       {now: -DefaultMaxFuture - time.Nanosecond, want: RejectedFuture},
		"an age of the endpoint's": {now: time.Hour, options: PolicyOptions{MaxAge: time.Hour}, want: RejectedStale},
		"within a longer age":      {now: 3 * time.Hour, options: PolicyOptions{MaxAge: 4 * time.Hour}},
		"a future of its own":      {now: -time.Hour, options: PolicyOptions{MaxFuture: time.Hour}},
	} {
		t.Run(name, tc.run)
	}
}

func TestTimestampsHaveOneForm(t *testing.T) {
	for name, timestamp := range map[string]string{
		"a sign":                "+171092955",
		"a negative number":     "-171092955",
		"space before":          " 171092955",
		"space after":           "171092955 ",
		"a leading zero":        "0710929554",
		"nine digits":           "171092955",
		"eleven digits":         "17109295540",
		"a leading zero beside": "01710929554",
		"milliseconds":          "1710929554000",
		"a fraction":            "1710929.55",
		"an exponent":           "1710929e03",
		"hexadecimal":           "0x65fab000",
		"an underscore":         "171_092955",
		"other digits":          "١٧١٠٩",
		"a letter":              "171092955a",
		"zero":                  "0",
	} {
		t.Run(name, verifyCase{
			edit: func(s *Signed) {
				s.Timestamp = timestamp
				s.Signature = sign(SHA1, s.Body, timestamp, someKeys(2)[1].Secret)
			},
			want: RejectedMalformedTimestamp,
			why:  "even signed with a right key",
		}.run)
	}
}

func TestVerifyV2(t *testing.T) {
	v2 := func(s *Signed) { s.SignatureV2 = hex.EncodeToString(signV2(string(s.Body), s.Timestamp)) }
	v2Alone := func(s *Signed) { v2(s); s.Signature = "" }
	as := func(encode func([]byte) string) func(s *Signed) {
		return func(s *Signed) { s.Signature, s.SignatureV2 = "", encode(signV2(string(s.Body), s.Timestamp)) }
	}
	wrongV1 := func(s *Signed) { v2(s); s.Signature = strings.Repeat("0", sha1Digits) }
	wrongV2 := func(s *Signed) { s.SignatureV2 = hex.EncodeToString(signV2(string(s.Body), "1710929555")) }
	both := PolicyOptions{Keys: someKeys(3), Ed25519: publicKeys()}
	public := PolicyOptions{Ed25519: publicKeys()}
	with := func(o PolicyOptions, a ...Algorithm) PolicyOptions { o.Algorithms = a; return o }
	for name, tc := range map[string]verifyCase{
		"v2 alone without a public key":             {edit: v2Alone, want: RejectedOnlyV2},
		"v2 alone, Ed25519 allowed, but no key":     {edit: v2Alone, options: with(PolicyOptions{Keys: someKeys(2)}, Ed25519), want: RejectedOnlyV2},
		"v2 alone, Ed25519 forbidden":               {edit: v2Alone, options: with(both, SHA1), want: RejectedAlgorithmNotAllowed},
		"v2 alone":                                  {edit: v2Alone, options: both, by: Ed25519},
		"v2 alone, no secrets":                      {edit: v2Alone, options: public, by: Ed25519},
		"v2 alone, stale":                           {edit: v2Alone, options: both, now: DefaultMaxAge, want: RejectedStale},
		"v2 alone, a timestamp with a sign":         {edit: func(s *Signed) { s.Timestamp = "+171092955"; v2Alone(s) }, options: both, want: RejectedMalformedTimestamp},
		"v2 alone and wrong":                        {edit: func(s *Signed) { wrongV2(s); s.Signature = "" }, options: both, want: RejectedBadSignature},
		"the second of two public keys":             {edit: v2Alone, options: PolicyOptions{Ed25519: append([]ed25519.PublicKey{make([]byte, 32)}, publicKeys()...)}, by: Ed25519},
		"both right":                                {edit: v2, options: both},
		"v1 alone where v2 could be checked":        {options: both, why: "legacy_hmac sends no v2"},
		"a wrong v1 beside a right v2":              {edit: wrongV1, options: both, want: RejectedBadSignature},
		"a malformed v1 beside a right v2":          {edit: func(s *Signed) { v2(s); s.Signature = "x" }, options: both, want: RejectedMalformedSignature},
		"a wrong v2 beside a right v1":              {edit: wrongV2, options: both, want: RejectedBadSignature},
		"a malformed v2 beside a right v1":          {edit: func(s *Signed) { s.SignatureV2 = "x" }, options: both, want: RejectedMalformedSignature, late: true},
		"a wrong v2 where Ed25519 is forbidden":     {edit: wrongV2, options: with(both, SHA1), why: "nothing says that it is wrong"},
		"v1 forbidden, v2 right":                    {edit: v2, options: with(both, SHA256, Ed25519), by: Ed25519},
		"v1 forbidden, v2 wrong":                    {edit: wrongV2, options: with(both, Ed25519), want: RejectedBadSignature},
		"v1 forbidden, no v2":                       {options: with(both, Ed25519), want: RejectedAlgorithmNotAllowed},
		"no secrets, v1 and v2":                     {edit: v2, options: public, by: Ed25519},
		"no secrets, v1 alone":                      {options: public, want: RejectedNoKeys},
		"base64":                                    {edit: as(base64.StdEncoding.EncodeToString), options: both, by: Ed25519},
		"base64 without padding":                    {edit: as(base64.RawStdEncoding.EncodeToString), options: both, by: Ed25519},
		"base64 for URLs":                           {edit: as(base64.URLEncoding.EncodeToString), options: both, by: Ed25519},
		"base64 for URLs without padding":           {edit: as(base64.RawURLEncoding.EncodeToString), options: both, by: Ed25519},
		"base64 of something else, as long":         {edit: func(s *Signed) { s.Signature, s.SignatureV2 = "", strings.Repeat("=", 88) }, options: both, want: RejectedMalformedSignature},
		"as long as hexadecimal, but no such digit": {edit: func(s *Signed) { s.Signature, s.SignatureV2 = "", strings.Repeat("x", 128) }, options: both, want: RejectedMalformedSignature},
	} {
		t.Run(name, tc.run)
	}
}

// There is no separator between body and timestamp in what is signed, so a digit that moves from one to the other
// leaves the digest as it was. Three things stop that, each of which is tried here without the others.
func TestDigitsMovedBetweenBodyAndTimestamp(t *testing.T) {
	key := someKeys(1)[0]
	signature := sign(SHA1, []byte(uploadBody), aTimestamp, key.Secret)
	moved, shorter := []byte(uploadBody+aTimestamp[:1]), aTimestamp[1:]
	if signature != sign(SHA1, moved, shorter, key.Secret) {
		t.Fatal("the digest differs: there is nothing to stop")
	}
	p := mustPolicy(t, PolicyOptions{Keys: []Key{key}})
	if _, rejection := p.Verify(Signed{Body: moved, Timestamp: shorter, Signature: signature}, aTime()); rejection != RejectedMalformedTimestamp {
		t.Errorf("rejection %q, want that of a timestamp without ten digits", rejection)
	}
	if age := aTime().Sub(time.Unix(710929554, 0)); age < DefaultMaxAge {
		t.Errorf("the age is %s: read as a number, the timestamp should be stale", age)
	}
	if _, err := Decode(moved); !errors.Is(err, ErrNotJSON) {
		t.Errorf("error %v, want something after the JSON value", err)
	}

	// A body that is a number can gain or lose digits and stay JSON. Then the timestamp's length remains.
	number := sign(SHA1, []byte("17"), aTimestamp, key.Secret)
	if _, rejection := p.Verify(Signed{Body: []byte("1"), Timestamp: "7" + aTimestamp, Signature: number}, aTime()); rejection != RejectedMalformedTimestamp {
		t.Errorf("rejection %q, want that of a timestamp without ten digits", rejection)
	}
}

func TestRejectionsAreAllOfThemOnce(t *testing.T) {
	want := []Rejection{
		"no_keys", "missing_signature", "only_v2", "missing_timestamp", "malformed_timestamp", "malformed_signature",
		"algorithm_not_allowed", "bad_signature", "stale", "future", "not_json",
	}
	if diff := cmp.Diff(want, Rejections()); diff != "" {
		t.Errorf("a metric's label has these values (-want +got)\n%s", diff)
	}
}

func TestWhatIsSignedVerifiesAndNothingElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := someKeys(rapid.IntRange(1, MaxKeys).Draw(t, "keys"))
		body := rapid.SliceOf(rapid.Byte()).Draw(t, "body")
		algorithm := rapid.SampledFrom([]Algorithm{SHA1, SHA256}).Draw(t, "algorithm")
		which := rapid.IntRange(0, len(keys)-1).Draw(t, "which")
		p, err := NewPolicy(PolicyOptions{Keys: keys})
		if err != nil {
			t.Fatal(err)
		}
		s := Signed{Body: body, Timestamp: aTimestamp, Signature: sign(algorithm, body, aTimestamp, keys[which].Secret)}
		got, rejection := p.Verify(s, aTime())
		if want := (Verified{Algorithm: algorithm, KeyID: keys[which].ID, Timestamp: aTime()}); rejection != "" || got != want {
			t.Fatalf("%v and %q, want %v", got, rejection, want)
		}
		wrong := []byte(s.Signature)
		at := rapid.IntRange(0, len(wrong)-1).Draw(t, "at")
		if wrong[at]++; wrong[at] == '9'+1 || wrong[at] == 'f'+1 {
			wrong[at] = '0'
		}
		s.Signature = string(wrong)
		if _, rejection := p.Verify(s, aTime()); rejection != RejectedBadSignature {
			t.Fatalf("%q for a signature with another digit", rejection)
		}
	})
}

func TestVerifyFromManyGoroutines(t *testing.T) {
	keys := someKeys(3)
	p := mustPolicy(t, PolicyOptions{Keys: keys})
	var wait sync.WaitGroup
	for worker := range 8 {
		wait.Go(func() {
			for i := range 200 {
				body := fmt.Appendf(nil, `{"worker":%d,"round":%d}`, worker, i)
				algorithm := []Algorithm{SHA1, SHA256}[i%2]
				s := Signed{Body: body, Timestamp: aTimestamp, Signature: sign(algorithm, body, aTimestamp, keys[i%3].Secret)}
				if got, rejection := p.Verify(s, aTime()); rejection != "" || got.KeyID != keys[i%3].ID {
					t.Errorf("key %s and %q", got.KeyID, rejection)
				}
			}
		})
	}
	wait.Wait()
}

func TestVerifyDoesNotAllocateForEachKey(t *testing.T) {
	body, keys := bodyOf2KiB(t), someKeys(MaxKeys)
	p := mustPolicy(t, PolicyOptions{Keys: keys})
	s := Signed{Body: body, Timestamp: aTimestamp, Signature: sign(SHA1, body, aTimestamp, keys[3].Secret)}
	// It is none at all, but that the race detector makes a pool forget now and then.
	if n := testing.AllocsPerRun(500, func() { p.Verify(s, aTime()) }); n >= MaxKeys {
		t.Errorf("%v allocations for %d keys", n, MaxKeys)
	}
}
