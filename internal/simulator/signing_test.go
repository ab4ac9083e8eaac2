// SPDX-License-Identifier: Apache-2.0

package simulator_test

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/sample"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// one sends a notification to a trigger with these fields and gives back what arrived.
func one(t *testing.T, w *world, fields, notify string) received {
	t.Helper()
	to := startTarget(t, nil)
	id := w.trigger(t, uploadTrigger(to.url)+fields)
	w.notify(t, notify)
	await(t, "a notification", func() bool { return len(to.received()) == 1 })
	if got := w.send(t, w.request(t, http.MethodDelete, "/v1_1/demo/triggers/"+id, "")); got.status != http.StatusOK {
		t.Fatalf("delete trigger: %d %s", got.status, got.body)
	}
	return to.received()[0]
}

func (w *world) publicKey(t *testing.T) ed25519.PublicKey {
	t.Helper()
	got := w.send(t, w.request(t, http.MethodGet, "/_sim/ed25519", ""))
	var shown struct{ Base64, Hex, PEM string }
	if err := json.Unmarshal([]byte(got.body), &shown); err != nil {
		t.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(shown.Base64)
	if err != nil || hex.EncodeToString(raw) != shown.Hex {
		t.Errorf("base64 %s, hex %s", shown.Base64, shown.Hex)
	}
	block, _ := pem.Decode([]byte(shown.PEM))
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if public, ok := parsed.(ed25519.PublicKey); !ok || !public.Equal(ed25519.PublicKey(raw)) {
		t.Errorf("PEM %v, base64 %v", parsed, raw)
	}
	return raw
}

func TestAuthSchemes(t *testing.T) {
	const legacy, v2 = "X-Cld-Signature", "X-Cld-Signature_v2"
	cases := map[string]struct{ has, hasNot string }{
		"default":     {legacy + " " + v2, ""},
		"legacy_hmac": {legacy, v2},
		"eddsa_v2":    {v2, legacy},
	}
	for _, algorithm := range []string{"sha1", "sha256"} {
		for scheme, tc := range cases {
			t.Run(scheme+" "+algorithm, func(t *testing.T) {
				w := startNow(t, simulator.Options{
					Delivery: simulator.DeliveryOptions{SignatureAlgorithm: sample.Algorithm(algorithm)},
				})
				got := one(t, w, `,"auth_scheme":"`+scheme+`"`, `{"event_type":"upload"}`)
				for name := range strings.FieldsSeq(tc.has) {
					if got.header.Get(name) == "" {
						t.Errorf("%s is missing", name)
					}
				}
				if got.header.Get(tc.hasNot) != "" {
					t.Errorf("%s is there", tc.hasNot)
				}
				if got.header.Get(legacy) != "" && !verified(t, got, algorithm, simulator.DefaultAPISecret) {
					t.Errorf("Cloudinary's library refuses %v", got.header)
				}
				if got.header.Get(legacy) != "" && verified(t, got, algorithm, "another") {
					t.Error("another secret verifies it as well")
				}
				if got.header.Get(v2) == "" {
					return
				}
				signature, err := hex.DecodeString(got.header.Get(v2))
				if err != nil || !ed25519.Verify(w.publicKey(t), []byte(got.body+got.header.Get("X-Cld-Timestamp")), signature) {
					t.Errorf("%s %s does not verify: %v", v2, got.header.Get(v2), err)
				}
			})
		}
	}
}

func TestNotificationHeaders(t *testing.T) {
	got := one(t, start(t, simulator.Options{}), "", `{"event_type":"upload"}`)
	got.header.Del("X-Cld-Signature")
	got.header.Del("X-Cld-Signature_v2")
	got.header.Del("Content-Length")
	want := http.Header{"Content-Type": {"application/json"}, "User-Agent": {"Cloudinary"}, "X-Cld-Timestamp": {"1728048600"}}
	if diff := cmp.Diff(want, got.header); diff != "" || got.method != http.MethodPost {
		t.Errorf("%s (-want +got):\n%s", got.method, diff)
	}
}

// The expected digests were computed by others.
func TestPublishedVector(t *testing.T) {
	clock := func() time.Time { return time.Unix(1417727468, 0) }
	w := serve(t, simulator.Options{APISecret: "shhh", Clock: clock}, nil)
	to := startTarget(t, nil)
	body := `{"public_id":"117e5550-7bfa-11e4-80d7-f962166bd3be","version":1417727468}`
	w.notify(t, `{"event_type":"upload","notification_url":"`+to.url+`","payload":`+body+`}`)
	await(t, "a notification", func() bool { return len(to.received()) == 1 })
	if got := to.received()[0].header.Get("X-Cld-Signature"); got != "bac927006d3ce039ef7632e2c03189348d02924a" {
		t.Errorf("X-Cld-Signature %s", got)
	}
}

func TestSeed(t *testing.T) {
	w := start(t, simulator.Options{Delivery: simulator.DeliveryOptions{Ed25519Seed: seed}})
	// RFC 8032, section 7.1, test 1.
	if got := hex.EncodeToString(w.publicKey(t)); got != "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a" {
		t.Errorf("public key %s", got)
	}
	if start(t, simulator.Options{}).publicKey(t).Equal(start(t, simulator.Options{}).publicKey(t)) {
		t.Error("without a seed, two simulators have the same key")
	}
}

func TestSigningChanges(t *testing.T) {
	w := startNow(t, simulator.Options{AdditionalCredentials: []simulator.Credentials{{APIKey: "second", APISecret: "its secret"}}})
	signed := func(why, notify, algorithm, secret, key string) {
		t.Helper()
		got := one(t, w, "", notify)
		if !verified(t, got, algorithm, secret) {
			t.Errorf("%s: does not verify", why)
		}
		if !strings.Contains(got.body, `"signature_key":"`+key+`"`) {
			t.Errorf("%s: signature_key is not %s: %s", why, key, got.body)
		}
	}
	const plain = `{"event_type":"upload"}`
	signed("at first", plain, "sha1", simulator.DefaultAPISecret, simulator.DefaultAPIKey)
	signed("a forged one", `{"event_type":"upload","signing":{"api_secret":"guessed"}}`, "sha1", "guessed", simulator.DefaultAPIKey)
	signed("after a forged one", plain, "sha1", simulator.DefaultAPISecret, simulator.DefaultAPIKey)
	w.play(t, []step{
		{
			do: "POST /_sim/signing", body: `{"api_key":"second"}`, status: 200,
			want: `{"api_key":"second","api_secret":"its secret","algorithm":"sha1"}`,
		},
	})
	signed("after a rotation to a known key", plain, "sha1", "its secret", "second")
	w.play(t, []step{
		{do: "POST /_sim/signing", body: `{"api_key":"third","api_secret":"unknown","algorithm":"sha256"}`, status: 200},
		{do: "POST /_sim/signing", body: `{"api_key":"fourth"}`, status: 400, want: message(`api_secret: is needed, since the simulator does not know the API key \"fourth\"`)},
		{do: "POST /_sim/signing", body: `{"key":"x"}`, status: 400, want: message(`the body is not a change of signing: json: unknown field \"key\"`)},
		{do: "GET /_sim/signing", status: 200, want: `{"api_key":"third","api_secret":"unknown","algorithm":"sha256"}`},
	})
	signed("with a key that is not accepted", plain, "sha256", "unknown", "third")
	w.sim.Reset()
	signed("after a reset", plain, "sha1", simulator.DefaultAPISecret, simulator.DefaultAPIKey)
}
