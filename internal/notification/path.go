// SPDX-License-Identifier: Apache-2.0

package notification

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// PathPrefix begins the path at which the bundled receiver takes an endpoint's notifications. Before it may stand the path of a base URL.
const PathPrefix = "/v1/notifications/"

// Path is an endpoint's, below its base URL. Whoever knows the endpoint's name can guess it.
func Path(namespace, name string) string { return PathPrefix + namespace + "/" + name }

// PathKeyBytes is the size of a key for PathToken.
const PathKeyBytes = 32

// pathTokenBytes are as many as nobody can try: 128 bits.
const pathTokenBytes = 16

// PathToken is what follows Path in an address that nobody can guess who does not have the key: lower-case hex digits. It depends on nothing
// else, so that an endpoint that is made anew, or restored, has the address that it had.
func PathToken(key []byte, namespace, name string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(Path(namespace, name))) // neither part can hold a slash: no two endpoints have the same
	return hex.EncodeToString(mac.Sum(nil)[:pathTokenBytes])
}

// CutPath cuts an endpoint's URL into what comes before Path, and the token behind it, if there is one. It is not ok if the URL is not the
// endpoint's.
func CutPath(url, namespace, name string) (base, token string, ok bool) {
	plain := Path(namespace, name)
	if base, ok = strings.CutSuffix(url, plain); ok {
		return base, "", true
	}
	rest, token, _ := cutLast(url, "/")
	if !isPathToken(token) {
		return "", "", false
	}
	base, ok = strings.CutSuffix(rest, plain)
	if !ok {
		return "", "", false
	}
	return base, token, true
}

func isPathToken(text string) bool {
	if len(text) != hex.EncodedLen(pathTokenBytes) {
		return false
	}
	for _, c := range []byte(text) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func cutLast(text, separator string) (before, after string, found bool) {
	i := strings.LastIndex(text, separator)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(separator):], true
}
