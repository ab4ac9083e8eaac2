// SPDX-License-Identifier: Apache-2.0

package notification

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNewPolicy(t *testing.T) {
	twice := []Key{{ID: "a", Secret: []byte("one")}, {ID: "b"}, {ID: "c", Secret: []byte("one")}, {ID: "d", Secret: []byte("two")}}
	if diff := cmp.Diff([]Key{twice[0], twice[3]}, mustPolicy(t, PolicyOptions{Keys: twice}).keys); diff != "" {
		t.Errorf("empty and repeated secrets (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(someKeys(MaxKeys), mustPolicy(t, PolicyOptions{Keys: someKeys(MaxKeys + 2)}).keys); diff != "" {
		t.Errorf("too many keys (-want +got)\n%s", diff)
	}
	for name, o := range map[string]PolicyOptions{
		"an unknown algorithm":      {Algorithms: []Algorithm{"MD5"}},
		"a spelling of one":         {Algorithms: []Algorithm{"sha1"}},
		"half a public key":         {Ed25519: []ed25519.PublicKey{make([]byte, 16)}},
		"a negative maximum age":    {MaxAge: -1},
		"a negative maximum future": {MaxFuture: -1},
	} {
		if p, err := NewPolicy(o); err == nil {
			t.Errorf("%s gives %v, want an error", name, p)
		}
	}
	var zero Policy
	if _, rejection := zero.Verify(Signed{Signature: "x"}, aTime()); rejection != RejectedNoKeys {
		t.Errorf("the zero policy says %q", rejection)
	}
}

func TestPolicyKeepsItsOwnCopies(t *testing.T) {
	keys := someKeys(2)
	p := mustPolicy(t, PolicyOptions{Keys: keys})
	s := Signed{Body: []byte("{}"), Timestamp: aTimestamp, Signature: sign(SHA1, []byte("{}"), aTimestamp, keys[1].Secret)}
	clear(keys[1].Secret)
	if _, rejection := p.Verify(s, aTime()); rejection != "" {
		t.Errorf("rejected once the caller's secret was wiped: %s", rejection)
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	const secret = "hunter2hunter2"
	key := Key{ID: "42", Secret: []byte(secret)}
	options := PolicyOptions{Keys: []Key{key}}
	policy := mustPolicy(t, options)
	for _, value := range []any{key, &key, options, policy} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q"} {
			text := fmt.Sprintf(verb, value)
			for _, form := range []string{secret, "104 117 110", hex.EncodeToString([]byte(secret)), "0x68, 0x75"} {
				if strings.Contains(text, form) {
					t.Errorf("%T with %s shows the secret: %s", value, verb, text)
				}
			}
		}
		text, err := json.Marshal(value)
		if err != nil || strings.Contains(string(text), base64.StdEncoding.EncodeToString([]byte(secret))) {
			t.Errorf("%T as JSON: %s and %v", value, text, err)
		}
	}
}
