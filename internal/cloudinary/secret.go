// SPDX-License-Identifier: Apache-2.0

package cloudinary

import (
	"bytes"
	"cmp"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The keys of a Secret's data that hold credentials. Others are not looked at here; those that begin with SigningKeyPrefix are
// ParseSigningKeys' matter.
const (
	KeyCloudinaryURL = "CLOUDINARY_URL"
	KeyCloudName     = "cloud_name"
	KeyAPIKey        = "api_key"
	KeyAPISecret     = "api_secret"
	KeyOAuthToken    = "oauth_token" //nolint:gosec // the name of a key, not a token
	KeyUploadPrefix  = "upload_prefix"
)

const (
	maxURLBytes   = 16 << 10
	maxCloudBytes = 253
	maxKeyBytes   = 128 // Cloudinary's API keys have 15 digits, and their secrets 27 characters
	maxBaseBytes  = 1 << 10
	maxTokenBytes = 8 << 10
)

// SecretError says what is wrong with a Secret's data: which key, what, and what to do, never what it holds.
type SecretError struct {
	Key     string // one of the Key constants, or begins with SigningKeyPrefix
	Problem string // continues a sentence that begins with the key, e.g. "is missing: …"
}

// Error is key and problem as one sentence.
func (e *SecretError) Error() string { return e.Key + " " + e.Problem }

// ParseSecret reads credentials from a Secret's data: CLOUDINARY_URL, or cloud_name with api_key and api_secret or
// oauth_token and perhaps upload_prefix, or both where they agree and so complete each other. Space around a value is
// not part of it. Key and secret beside an OAuth token are kept, unchecked by any call: see CallsWithKey. Every error is a *SecretError.
func ParseSecret(data map[string][]byte) (Credentials, error) {
	separate, err := parseKeys(data)
	if err != nil {
		return Credentials{}, err
	}
	raw, hasURL := data[KeyCloudinaryURL]
	if !hasURL {
		if separate == (Credentials{}) {
			return Credentials{}, &SecretError{KeyCloudinaryURL, "is missing: set it to " + urlForm +
				", or set cloud_name, api_key and api_secret instead"}
		}
		return complete(separate, "")
	}
	combined, err := parseCloudinaryURL(raw)
	if err != nil {
		return Credentials{}, err
	}
	merged, err := merge(combined, separate)
	if err != nil {
		return Credentials{}, err
	}
	return complete(merged, KeyCloudinaryURL)
}

// fields lists what credentials consist of, under the keys they have in a Secret.
func fields(c *Credentials) []field {
	return []field{
		{KeyCloudName, &c.CloudName, checkCloudName},
		{KeyAPIKey, &c.APIKey, checkAPIKey},
		{KeyAPISecret, &c.APISecret, checkAPISecret},
		{KeyOAuthToken, &c.OAuthToken, checkOAuthToken},
		{KeyUploadPrefix, &c.APIBase, nil},
	}
}

// field is one part of the credentials. Its check continues the sentence "it …" where value is wrong, and is empty
// where it is right; the upload prefix has none, since it is rewritten as it is checked.
type field struct {
	key   string
	value *string
	check func(value string) string
}

// parseKeys reads the form with one key for each field. What is absent stays empty.
func parseKeys(data map[string][]byte) (Credentials, error) {
	var found Credentials
	for _, field := range fields(&found) {
		raw, ok := data[field.key]
		if !ok {
			continue
		}
		value := trimmed(raw)
		if value == "" {
			return Credentials{}, &SecretError{field.key, "is empty: set it, or remove the key"}
		}
		if problem := field.set(value); problem != "" {
			return Credentials{}, &SecretError{field.key, problem}
		}
	}
	return found, nil
}

// set stores value if it is right, and otherwise says what is wrong with it.
func (f field) set(value string) (problem string) {
	if isPlaceholder(value) {
		return "is a placeholder from the documentation: put the real value there"
	}
	if f.check == nil {
		*f.value, problem = normalizePrefix(value)
		return problem
	}
	*f.value = value
	return f.check(value)
}

// merge fills in what the URL leaves open, and refuses what contradicts it.
func merge(combined, separate Credentials) (Credentials, error) {
	extra := fields(&separate)
	for i, field := range fields(&combined) {
		other := *extra[i].value
		if *field.value != "" && other != "" && *field.value != other {
			return Credentials{}, &SecretError{field.key, "contradicts CLOUDINARY_URL: remove one of the two"}
		}
		*field.value = cmp.Or(*field.value, other)
	}
	return combined, nil
}

// complete refuses credentials that cannot work. Blame is the key to name, empty for the one that is missing.
func complete(c Credentials, blame string) (Credentials, error) {
	missing := func(key string) error {
		if blame != "" {
			return &SecretError{blame, "has no " + key + ": it must read " + urlForm}
		}
		return &SecretError{key, "is missing: set it, or set CLOUDINARY_URL instead"}
	}
	switch {
	case c.CloudName == "":
		return Credentials{}, missing(KeyCloudName)
	case c.APIKey == "" && (c.APISecret != "" || c.OAuthToken == ""):
		return Credentials{}, missing(KeyAPIKey)
	case c.APIKey != "" && c.APISecret == "":
		return Credentials{}, missing(KeyAPISecret)
	}
	c.APIBase = cmp.Or(c.APIBase, DefaultAPIBase)
	return c, nil
}

// trimmed takes off what editors, echo and kubectl create secret --from-file put around a value.
func trimmed(raw []byte) string {
	return string(bytes.TrimSpace(bytes.TrimPrefix(raw, []byte("\uFEFF"))))
}

var (
	cloudNamePattern   = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	placeholderPattern = regexp.MustCompile(`^(?:<.*>|\*+|API_KEY|API_SECRET|CLOUD_NAME|OAUTH_TOKEN|` +
		`(?i:<?your[-_ ]?(?:api[-_ ]?key|api[-_ ]?secret|cloud[-_ ]?name|oauth[-_ ]?token)>?))$`)
)

func isPlaceholder(value string) bool { return placeholderPattern.MatchString(value) }

func checkCloudName(value string) string {
	switch {
	case len(value) > maxCloudBytes:
		return tooLong(maxCloudBytes)
	case !cloudNamePattern.MatchString(value):
		return "is not a cloud name: only letters, digits, - and _ can be in one"
	}
	return ""
}

func checkAPIKey(value string) string {
	switch {
	case len(value) > maxKeyBytes:
		return tooLong(maxKeyBytes)
	case !isVisibleASCII(value) || strings.Contains(value, ":"):
		return "is not an API key: there is a space, a colon or a character outside printable ASCII in it"
	}
	return ""
}

func checkAPISecret(value string) string {
	switch {
	case len(value) > maxKeyBytes:
		return tooLong(maxKeyBytes)
	case !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl):
		return "is not an API secret: there is a line break, a control character or binary data in it"
	}
	return ""
}

func checkOAuthToken(value string) string {
	switch {
	case len(value) > maxTokenBytes:
		return tooLong(maxTokenBytes)
	case !isVisibleASCII(value):
		return "is not an OAuth token: there is a space or a character outside printable ASCII in it " +
			"(in a URL, + must be written %2B)"
	}
	return ""
}

func tooLong(limit int) string { return "is longer than " + strconv.Itoa(limit) + " bytes" }

func isVisibleASCII(value string) bool {
	return !strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' })
}
