// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/sample"
)

// Values of a trigger's auth_scheme.
const (
	schemeDefault    = "default"
	schemeLegacyHMAC = "legacy_hmac"
	schemeEdDSAV2    = "eddsa_v2"
)

// Signing is how notifications are signed. In a change of it, what is left out stays.
type Signing struct {
	// APIKey is the signature_key of the notifications that the simulator makes up.
	APIKey string `json:"api_key,omitempty"`
	// APISecret signs. Left out with an APIKey that the simulator accepts: that key's.
	APISecret string           `json:"api_secret,omitempty"`
	Algorithm sample.Algorithm `json:"algorithm,omitempty"`
}

func (o *Options) signing() Signing {
	return Signing{APIKey: o.APIKey, APISecret: o.APISecret, Algorithm: o.Delivery.SignatureAlgorithm}
}

// signatureHeaders are those that a trigger's auth_scheme asks for.
func signatureHeaders(scheme string, body []byte, at time.Time, signing Signing, key ed25519.PrivateKey) http.Header {
	header := sample.Sign(signing.Algorithm, body, at, signing.APISecret)
	if scheme == schemeEdDSAV2 {
		header.Del(sample.HeaderSignature)
	}
	if scheme != schemeLegacyHMAC {
		// What Cloudinary signs, and how it writes the signature, is not published. This is a guess.
		header.Set(sample.HeaderSignatureV2, hex.EncodeToString(ed25519.Sign(key, slices.Concat(body, []byte(header.Get(sample.HeaderTimestamp))))))
	}
	return header
}

// sign makes the headers of an attempt. A retry that is signed anew is signed as notifications are now, save where its own call
// said otherwise.
func (s *Simulator) sign(d *delivery, at time.Time) http.Header {
	signing := d.signing
	if len(d.attempts) > 0 && !d.ownSigning {
		s.mu.Lock()
		signing = s.signing
		s.mu.Unlock()
	}
	return signatureHeaders(d.authScheme, d.body, at, signing, s.ed25519)
}

// changed is the given signing with a change put on top.
func (s *Simulator) changed(signing, change Signing) (Signing, error) {
	if change == (Signing{}) {
		return Signing{}, errors.New("one of api_key, api_secret and algorithm is needed")
	}
	if change.Algorithm != "" {
		signing.Algorithm = change.Algorithm
	}
	if change.APIKey != "" && change.APIKey != signing.APIKey && change.APISecret == "" {
		credentials := s.options.credentials()
		i := slices.IndexFunc(credentials, func(c Credentials) bool { return c.APIKey == change.APIKey })
		if i < 0 {
			return Signing{}, fmt.Errorf("api_secret: is needed, since the simulator does not know the API key %q", change.APIKey)
		}
		change.APISecret = credentials[i].APISecret
	}
	if change.APIKey != "" {
		signing.APIKey = change.APIKey
	}
	if change.APISecret != "" {
		signing.APISecret = change.APISecret
	}
	return signing, oneOf("algorithm", signing.Algorithm, sample.SHA1, sample.SHA256)
}

// ChangeSigning signs the notifications from now on otherwise, until Reset.
func (s *Simulator) ChangeSigning(change Signing) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	signing, err := s.changed(s.signing, change)
	if err != nil {
		return err
	}
	s.signing = signing
	return nil
}

// Ed25519PublicKey verifies X-Cld-Signature_v2.
func (s *Simulator) Ed25519PublicKey() ed25519.PublicKey {
	public, _ := s.ed25519.Public().(ed25519.PublicKey)
	return public
}

func (s *Simulator) controlSigning(request) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return success(http.StatusOK, s.signing)
}

func (s *Simulator) controlChangeSigning(req request) answer {
	change, err := decodeOne[Signing](req.body, maxBodyBytes, "change of signing")
	if err == nil {
		err = s.ChangeSigning(change)
	}
	if err != nil {
		return failure(http.StatusBadRequest, err.Error())
	}
	return s.controlSigning(req)
}

type publicKey struct {
	Base64 string `json:"base64"`
	Hex    string `json:"hex"`
	PEM    string `json:"pem"`
}

func (s *Simulator) controlEd25519(request) answer {
	public := s.Ed25519PublicKey()
	encoded, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return failure(http.StatusInternalServerError, "the public key cannot be encoded")
	}
	return success(http.StatusOK, publicKey{
		Base64: base64.StdEncoding.EncodeToString(public),
		Hex:    hex.EncodeToString(public),
		PEM:    string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: encoded})),
	})
}
