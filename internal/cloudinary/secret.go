// SPDX-License-Identifier: Apache-2.0

package cloudinary

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cloudinary-operator/cloudinary-operator/internal/excerpt"
)

// The keys of a Secret's data with credentials. ParseSigningKeys reads those that begin with
// SigningKeyPrefix. Others are ignored. Those with Env are the environment variables of
// Cloudinary's SDKs and tools: an application may use the same Secret.
const (
	KeyCloudinaryURL = "CLOUDINARY_URL"
	KeyCloudName     = "cloud_name"
	KeyAPIKey        = "api_key"
	KeyAPISecret     = "api_secret"
	KeyOAuthToken    = "oauth_token" //nolint:gosec // the name of a key, not a token
	KeyUploadPrefix  = "upload_prefix"

	KeyEnvCloudName = "CLOUDINARY_CLOUD_NAME"
	KeyEnvAPIKey    = "CLOUDINARY_API_KEY"    //nolint:gosec // the name of a key, not a secret
	KeyEnvAPISecret = "CLOUDINARY_API_SECRET" //nolint:gosec // the name of a key, not a secret
)

const (
	maxURLBytes   = 16 << 10
	maxCloudBytes = 253
	maxKeyBytes   = 128 // Cloudinary's API keys have 15 digits, and their secrets 27 characters
	maxBaseBytes  = 1 << 10
	maxTokenBytes = 8 << 10
)

// SecretError is a problem of a Secret's data: the key, the problem and the way out, never the
// value.
type SecretError struct {
	Key     string // one of the Key constants, or begins with SigningKeyPrefix
	Problem string // continues a sentence that begins with the key, e.g. "is missing: …"
}

// Error is key and problem as one sentence.
func (e *SecretError) Error() string { return e.Key + " " + e.Problem }

// ParseSecret reads credentials from a Secret's data: CLOUDINARY_URL, or cloud_name with api_key
// and api_secret or oauth_token and optionally upload_prefix, or both if they agree and so complete
// each other. CLOUDINARY_CLOUD_NAME, CLOUDINARY_API_KEY and CLOUDINARY_API_SECRET are other names
// of the same keys. It removes the text that people copy along with a value: see pasted. Key and
// secret beside an OAuth token are kept, but no call confirms them: see CallsWithKey. Every error
// is a *SecretError.
func ParseSecret(data map[string][]byte) (Credentials, error) {
	separate, err := parseKeys(data)
	if err != nil {
		return Credentials{}, err
	}
	raw, hasURL := data[KeyCloudinaryURL]
	if !hasURL {
		if separate == (Credentials{}) {
			return Credentials{}, &SecretError{KeyCloudinaryURL, "is missing: set it to " + urlForm +
				", or set cloud_name, api_key and api_secret instead; " + present(data)}
		}
		return complete(separate, "", data)
	}
	combined, err := parseCloudinaryURL(raw)
	if err != nil {
		return Credentials{}, err
	}
	merged, err := merge(combined, separate)
	if err != nil {
		return Credentials{}, err
	}
	return complete(merged, KeyCloudinaryURL, data)
}

// fields lists the parts of credentials with their keys in a Secret.
func fields(c *Credentials) []field {
	return []field{
		{KeyCloudName, KeyEnvCloudName, &c.CloudName, checkCloudName},
		{KeyAPIKey, KeyEnvAPIKey, &c.APIKey, checkAPIKey},
		{KeyAPISecret, KeyEnvAPISecret, &c.APISecret, checkAPISecret},
		{KeyOAuthToken, "", &c.OAuthToken, checkOAuthToken},
		{KeyUploadPrefix, "", &c.APIBase, nil},
	}
}

// field is one part of the credentials. Its check continues the sentence "it …" for a wrong value,
// and is empty for a right one. The upload prefix has no check, because it is rewritten.
type field struct {
	key   string
	alias string // another name of the key; may be empty
	value *string
	check func(value string) string
}

// parseKeys reads the form with one key for each field. Absent fields stay empty.
func parseKeys(data map[string][]byte) (Credentials, error) {
	var found Credentials
	for _, field := range fields(&found) {
		for _, name := range []string{field.key, field.alias} {
			raw, ok := data[name]
			if !ok || name == "" {
				continue
			}
			if err := field.read(name, raw); err != nil {
				return Credentials{}, err
			}
		}
	}
	return found, nil
}

// read stores the value of a key that is there, unless another key has another value for the same.
func (f field) read(name string, raw []byte) error {
	before := *f.value
	value := pasted(raw, f.key, f.alias)
	if value == "" {
		return &SecretError{name, "is empty: set it, or remove the key"}
	}
	if problem := f.set(value); problem != "" {
		return &SecretError{name, problem}
	}
	if before != "" && before != *f.value {
		return &SecretError{name, "contradicts " + f.key + ": remove one of the two"}
	}
	return nil
}

// What a message lists of a Secret's keys.
const (
	maxKeysListed = 10
	maxKeyShown   = 64
)

// present lists the names of the keys that a Secret has, which are no secret.
func present(data map[string][]byte) string {
	if len(data) == 0 {
		return "the Secret has no keys"
	}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(data)) {
		names = append(names, excerpt.Shorten(name, maxKeyShown))
	}
	more := ""
	if len(names) > maxKeysListed {
		names, more = names[:maxKeysListed], " and more"
	}
	return "the Secret has the keys " + strings.Join(names, ", ") + more
}

// set stores value if it is right, and otherwise says what is wrong with it.
func (f field) set(value string) (problem string) {
	if isPlaceholder(value) {
		return "is a placeholder from the documentation: put the real value there"
	}
	if problem := leftover(value); problem != "" {
		return problem
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

// complete refuses credentials that cannot work. Blame is the key to name, empty for the one that
// is missing.
func complete(c Credentials, blame string, data map[string][]byte) (Credentials, error) {
	missing := func(key string) error {
		if blame != "" {
			return &SecretError{blame, "has no " + key + ": it must read " + urlForm}
		}
		return &SecretError{key, "is missing: set it, or set CLOUDINARY_URL instead; " + present(data)}
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
