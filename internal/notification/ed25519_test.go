// SPDX-License-Identifier: Apache-2.0

package notification

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"strings"
	"testing"
)

func asPEM(t *testing.T, kind string, key any) string {
	t.Helper()
	marshal := x509.MarshalPKIXPublicKey
	if kind == "PRIVATE KEY" {
		marshal = x509.MarshalPKCS8PrivateKey
	}
	der, err := marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func TestParseEd25519PublicKey(t *testing.T) {
	key := publicKeys()[0]
	text := asPEM(t, "PUBLIC KEY", key)
	elliptic, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		text    string
		problem string // part of the error, none if empty
	}{
		"PEM as OpenSSL writes it": {text: text},
		"PEM with space around":    {text: "\n  " + text + "\n"},
		"PEM with Windows' lines":  {text: strings.ReplaceAll(text, "\n", "\r\n")},
		"base64":                   {text: base64.StdEncoding.EncodeToString(key)},
		"base64 without padding":   {text: base64.RawStdEncoding.EncodeToString(key)},
		"base64 for URLs":          {text: base64.URLEncoding.EncodeToString(key) + "\n"},
		"hexadecimal":              {text: hex.EncodeToString(key)},
		"upper-case hexadecimal":   {text: strings.ToUpper(hex.EncodeToString(key))},

		"nothing":                     {"", "empty"},
		"space":                       {" \n", "empty"},
		"PEM cut short":               {text[:40], "cut short"},
		"a private key":               {asPEM(t, "PRIVATE KEY", aPrivateKey()), "private key"},
		"another kind of key":         {asPEM(t, "PUBLIC KEY", elliptic.Public()), "not one of Ed25519"},
		"a certificate":               {string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: key})), "PUBLIC KEY"},
		"PEM of the bare key":         {string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: key})), "not one of Ed25519"},
		"two keys":                    {text + text, "follows"},
		"half a key":                  {base64.StdEncoding.EncodeToString(key[:16]), "16 bytes"},
		"a private key in base64":     {base64.StdEncoding.EncodeToString(aPrivateKey()), "64 bytes"},
		"no such text":                {"not a key!", "neither"},
		"64 characters, no such text": {strings.Repeat("x", 64), "neither"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseEd25519PublicKey(tc.text)
			switch {
			case tc.problem == "" && (err != nil || !bytes.Equal(got, key)):
				t.Errorf("%x and %v, want %x", got, err, key)
			case tc.problem != "" && (err == nil || !strings.Contains(err.Error(), tc.problem)):
				t.Errorf("error %v, want one about %q", err, tc.problem)
			case err != nil && tc.text != "" && len(tc.text) > 8 && strings.Contains(err.Error(), tc.text[len(tc.text)-8:]):
				t.Errorf("the error shows the key: %v", err)
			}
		})
	}
}

func FuzzParseEd25519PublicKey(f *testing.F) {
	key := publicKeys()[0]
	f.Add(hex.EncodeToString(key))
	f.Add(base64.StdEncoding.EncodeToString(key))
	f.Add("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseEd25519PublicKey(text)
		if (err == nil) != (len(got) == len(key)) {
			t.Errorf("%d bytes and %v", len(got), err)
		}
		if block, _ := pem.Decode([]byte(text)); block != nil && err == nil {
			parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
			if err != nil || !got.Equal(parsed) {
				t.Errorf("crypto/x509 says %v and %v", parsed, err)
			}
		}
	})
}
