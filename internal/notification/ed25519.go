// SPDX-License-Identifier: Apache-2.0

package notification

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// verifyEd25519 checks X-Cld-Signature_v2.
//
// That it signs body and timestamp, one after the other, is an ASSUMPTION, drawn from what X-Cld-Signature signs: what
// the bytes are, how the signature is written and where the public key is to be had, Cloudinary has not published. So
// nothing comes here unless somebody configured a public key, and all that is assumed is in this function and in
// decodeSignatureV2. Where the assumption is wrong, genuine notifications are refused; forged ones are not let in.
func verifyEd25519(keys []ed25519.PublicKey, s *Signed) Rejection {
	signature := decodeSignatureV2(s.SignatureV2)
	if len(signature) != ed25519.SignatureSize {
		return RejectedMalformedSignature
	}
	message := make([]byte, 0, len(s.Body)+len(s.Timestamp))
	message = append(append(message, s.Body...), s.Timestamp...)
	for _, key := range keys {
		if ed25519.Verify(key, message, signature) {
			return ""
		}
	}
	return RejectedBadSignature
}

// decodeSignatureV2 takes 128 hexadecimal digits or base64, standard or for URLs, with padding or without: the lengths
// differ. It returns nil for what is none of them.
func decodeSignatureV2(text string) []byte {
	var signature []byte
	var err error
	switch len(text) {
	case hex.EncodedLen(ed25519.SignatureSize):
		signature, err = hex.DecodeString(text)
	case base64.StdEncoding.EncodedLen(ed25519.SignatureSize), base64.RawStdEncoding.EncodedLen(ed25519.SignatureSize):
		signature, err = decodeBase64(text)
	}
	if err != nil {
		return nil
	}
	return signature
}

func decodeBase64(text string) ([]byte, error) {
	encoding := base64.RawStdEncoding
	if strings.ContainsAny(text, "-_") {
		encoding = base64.RawURLEncoding
	}
	return encoding.Strict().DecodeString(strings.TrimRight(text, "="))
}

// ParseEd25519PublicKey reads a public key as PEM (SubjectPublicKeyInfo, "BEGIN PUBLIC KEY"), or as the 32 bytes in
// base64 or hexadecimal. Space around it is not part of it. The error says what is wrong, and holds nothing of text,
// which may be a private key by mistake.
func ParseEd25519PublicKey(text string) (ed25519.PublicKey, error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return nil, errors.New("the public key is empty")
	case strings.HasPrefix(text, "-----BEGIN "):
		return parsePEM(text)
	}
	var key []byte
	var err error
	if len(text) == hex.EncodedLen(ed25519.PublicKeySize) {
		key, err = hex.DecodeString(text)
	} else {
		key, err = decodeBase64(text)
	}
	if err != nil {
		return nil, errors.New("the public key is neither PEM, nor base64, nor 64 hexadecimal digits")
	}
	if len(key) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("the public key has %d bytes, not the %d of Ed25519", len(key), ed25519.PublicKeySize)
	}
	return key, nil
}

// ed25519Info is what SubjectPublicKeyInfo has before the 32 bytes of an Ed25519 key (RFC 8410). It is always the same,
// which saves this package crypto/x509 and the network that comes with it.
const ed25519Info = "\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00"

func parsePEM(text string) (ed25519.PublicKey, error) {
	block, rest := pem.Decode([]byte(text))
	switch {
	case block == nil:
		return nil, errors.New("the public key is PEM cut short, or no valid PEM")
	case strings.HasSuffix(block.Type, "PRIVATE KEY"):
		return nil, errors.New("this is a private key: take it out of here, and put the public one in")
	case block.Type != "PUBLIC KEY":
		return nil, errors.New(`the PEM block is not of type "PUBLIC KEY"`)
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, errors.New("something follows the public key: each key has a field of its own")
	}
	key, found := bytes.CutPrefix(block.Bytes, []byte(ed25519Info))
	if !found || len(key) != ed25519.PublicKeySize {
		return nil, errors.New("the public key is not one of Ed25519")
	}
	return key, nil
}
