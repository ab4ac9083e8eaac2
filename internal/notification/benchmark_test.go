// SPDX-License-Identifier: Apache-2.0

package notification

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"slices"
	"testing"
	"time"
)

// What verifying costs with one key and with as many as there may be, beside the digest alone.
func BenchmarkVerify(b *testing.B) {
	body := bodyOf2KiB(b)
	for _, algorithm := range []Algorithm{SHA1, SHA256} {
		for name, keys := range map[string][]Key{"OneKey": someKeys(1), "EightKeys": someKeys(8)} {
			b.Run(string(algorithm)+"/"+name, func(b *testing.B) {
				p := mustPolicy(b, PolicyOptions{Keys: keys})
				s := Signed{Body: body, Timestamp: "1710929554", Signature: sign(algorithm, body, "1710929554", keys[0].Secret)}
				benchmarkVerify(b, p, s)
			})
		}
	}
	b.Run("Ed25519", func(b *testing.B) {
		private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
		p := mustPolicy(b, PolicyOptions{Ed25519: []ed25519.PublicKey{private.Public().(ed25519.PublicKey)}})
		signature := ed25519.Sign(private, append(slices.Clip(body), "1710929554"...))
		benchmarkVerify(b, p, Signed{Body: body, Timestamp: "1710929554", SignatureV2: hex.EncodeToString(signature)})
	})
}

func benchmarkVerify(b *testing.B, p *Policy, s Signed) {
	b.Helper()
	b.SetBytes(int64(len(s.Body)))
	b.ReportAllocs()
	now := time.Unix(1710929554, 0)
	for b.Loop() {
		if _, rejection := p.Verify(s, now); rejection != "" {
			b.Fatal(rejection)
		}
	}
}

// The others are what Decode is measured against; only Decode knows what is in the body afterwards, but for Unmarshal.
func BenchmarkDecode(b *testing.B) {
	body := bodyOf2KiB(b)
	for name, decode := range map[string]func() bool{
		"Decode":        func() bool { n, err := Decode(body); return err == nil && n.Assets == 1 },
		"JSONValid":     func() bool { return json.Valid(body) },
		"JSONUnmarshal": func() bool { return unmarshalSome(body) == nil },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if !decode() {
					b.Fatal("refused")
				}
			}
		})
	}
}

// unmarshalSome is what Decode would be with encoding/json, for the shape of an upload alone.
func unmarshalSome(body []byte) error {
	var n struct {
		Type         string `json:"notification_type"`
		RequestID    string `json:"request_id"`
		AssetID      string `json:"asset_id"`
		ResourceType string `json:"resource_type"`
		DeliveryType string `json:"type"`
		PublicID     string `json:"public_id"`
		Format       string `json:"format"`
		Bytes        int64  `json:"bytes"`
		Version      int64  `json:"version"`
		Context      struct {
			TriggeredAt time.Time `json:"triggered_at"`
		} `json:"notification_context"`
	}
	return json.Unmarshal(body, &n)
}

func BenchmarkKeys(b *testing.B) {
	body := bodyOf2KiB(b)
	n, err := Decode(body)
	if err != nil {
		b.Fatal(err)
	}
	for name, call := range map[string]func(){
		"Deduplication": func() { DeduplicationKey("0b6f3c62-9a3e-4a4a-9d6b-0f6a2f1f2b51", body, "1710929554", n) },
		"Order":         func() { OrderKey(n) },
		"EventType":     func() { EventType(body, n, nil, "") },
		"Note":          func() { Note("upload", n) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				call()
			}
		})
	}
}
