// SPDX-License-Identifier: Apache-2.0

package livecheck

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/excerpt"
)

// claimPath is where Cloudinary gives anybody an environment for a day. It needs no authentication.
const claimPath = "/v1_1/provisioning/clouds"

const (
	// maxClaimBytes is the most that is read of an answer, which is some 600 bytes long in the samples that are published.
	maxClaimBytes = 64 << 10
	maxClaimURL   = 2 << 10
	maxClaimWords = 300
)

// What becomes of an environment where the answer is of no use. It can neither be read nor deleted by anybody without its credentials.
const claimWasted = "an environment may have been made: it expires by itself, but counts for how many this address may ask for"

// ClaimOptions say where to ask for a claimable environment, and how.
type ClaimOptions struct {
	// Base is the API's, as cloudinary.NormalizeAPIBase makes it. The new environment is called there as well, unless the answer names
	// another API of Cloudinary's.
	Base string
	// Transport makes the call. Nil: one of the client's own.
	Transport http.RoundTripper
	UserAgent string
	// Timeout bounds the call. Not positive: the client's default.
	Timeout time.Duration
}

// Claimed is a new environment, for whoever claims it before it expires.
type Claimed struct {
	Credentials cloudinary.Credentials
	// ClaimURL is where a person makes it permanent. Empty: the answer has none that can be shown.
	ClaimURL string
	// Expires is when it goes unless it is claimed. Zero: the answer does not say so in a form that is known.
	Expires time.Time
}

// Claim asks for an environment, once: each counts against a limit. An error says whether one may have been made nevertheless, and never
// holds a credential.
func Claim(ctx context.Context, options ClaimOptions) (Claimed, error) {
	timeout := options.Timeout
	if timeout <= 0 {
		timeout = cloudinary.DefaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	// An empty object is what the documentation sends: whose media may be seen from where does not matter to triggers.
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, options.Base+claimPath, strings.NewReader("{}"))
	if err != nil {
		return Claimed{}, fmt.Errorf("ask for an environment: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", options.UserAgent)
	if options.Transport == nil {
		options.Transport = cloudinary.NewTransport()
	}
	client := http.Client{
		Transport:     options.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return Claimed{}, fmt.Errorf("ask for an environment: %w; %s", err, claimWasted)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxClaimBytes+1))
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return Claimed{}, claimRefusal(response, body)
	}
	if err != nil {
		return Claimed{}, fmt.Errorf("read the answer with the environment: %w; %s", err, claimWasted)
	}
	claimed, err := readClaimed(body, options.Base)
	if err != nil {
		return Claimed{}, fmt.Errorf("the answer with the environment %w; %s", err, claimWasted)
	}
	return claimed, nil
}

// claimRefusal says why there is no environment. The codes are those of Cloudinary's own command for it; no page lists them.
func claimRefusal(response *http.Response, body []byte) error {
	var refused struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	why := "in no form that is known"
	if json.Unmarshal(body, &refused) == nil && refused.Error.Code+refused.Error.Message != "" {
		why = strings.TrimPrefix(refused.Error.Code+": "+refused.Error.Message, ": ")
	}
	problem := fmt.Sprintf("status %d, %s", response.StatusCode, claimWords(why))
	switch status := response.StatusCode; {
	case status == http.StatusTooManyRequests || status == 420:
		if after := response.Header.Get("Retry-After"); after != "" {
			problem += ", Retry-After: " + claimWords(after)
		}
		return fmt.Errorf("too many environments were asked for (%s): ask again later, or set CLOUDINARY_URL", problem)
	case status >= 500:
		return fmt.Errorf("asking for an environment failed (%s): ask again later, or set CLOUDINARY_URL; %s", problem, claimWasted)
	default:
		return fmt.Errorf("no environment was given (%s): set CLOUDINARY_URL to that of an account", problem)
	}
}

// claimWords are a server's words, which must neither steer a terminal nor fill it.
func claimWords(text string) string {
	return excerpt.Shorten(strings.Map(printable, text), maxClaimWords)
}

// environment is what the answer says of an environment. Cloudinary has answered in two forms: with this beside the rest, as the documentation
// has it, and in product_environments, with keys in a list.
type environment struct {
	CloudName string `json:"cloud_name"`
	APIKey    string `json:"api_key"`
	APISecret string `json:"api_secret"`
	// Variable is the assignment CLOUDINARY_URL=cloudinary://…, of which the documentation says to prefer it.
	Variable   string `json:"api_environment_variable"`
	AccessKeys []struct {
		Key     string `json:"key"`
		Secret  string `json:"secret"`
		Enabled *bool  `json:"enabled"` // absent: it is
	} `json:"api_access_keys"`
}

// readClaimed reads the answer with a new environment. Its errors continue a sentence whose subject is the answer.
func readClaimed(body []byte, base string) (Claimed, error) {
	if len(body) > maxClaimBytes {
		return Claimed{}, fmt.Errorf("is longer than %d bytes", maxClaimBytes)
	}
	var read struct {
		environment
		Environments []environment `json:"product_environments"`
		// Without these there is an environment all the same: they must not make the answer unreadable.
		ClaimURL  any `json:"claim_url"`
		ExpiresAt any `json:"expires_at"`
	}
	// What is wrong with it is not quoted: it may be a part of the secret.
	if !bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) || !json.Valid(body) {
		return Claimed{}, errors.New("is no JSON object")
	}
	if err := json.Unmarshal(body, &read); err != nil {
		wrong, _ := errors.AsType[*json.UnmarshalTypeError](err)
		if wrong == nil {
			return Claimed{}, errors.New("cannot be read")
		}
		return Claimed{}, fmt.Errorf("has a member %s that is of another type than documented", wrong.Field[strings.LastIndex(wrong.Field, ".")+1:])
	}
	found := read.environment
	if len(read.Environments) > 0 {
		found = read.Environments[0]
	}
	credentials, err := found.credentials(base)
	if err != nil {
		return Claimed{}, err
	}
	claimed := Claimed{Credentials: credentials, ClaimURL: claimURL(read.ClaimURL, credentials)}
	if text, isText := read.ExpiresAt.(string); isText {
		claimed.Expires, _ = time.Parse(time.RFC3339, text) // zero where it is none
	}
	return claimed, nil
}

// credentials are those for calls to the API at a base.
func (e environment) credentials(base string) (cloudinary.Credentials, error) {
	given, err := e.given()
	if err != nil {
		return cloudinary.Credentials{}, err
	}
	credentials, err := cloudinary.ParseSecret(given)
	if err != nil {
		return cloudinary.Credentials{}, fmt.Errorf("has credentials that cannot be used: %w", err)
	}
	if credentials.Environment().APIBase == cloudinary.DefaultAPIBase {
		credentials.APIBase = base // the answer names none: it is where the environment came from
	}
	if credentials.APIBase != base && (credentials.Insecure() || !cloudinary.IsCloudinarys(credentials.APIBase)) {
		return cloudinary.Credentials{}, errors.New("names an API that is neither one of Cloudinary's by https nor the one that was asked")
	}
	return credentials, nil
}

// given is the answer as a Secret would have it.
func (e environment) given() (map[string][]byte, error) {
	given := map[string][]byte{}
	set := func(name, value string) {
		if value != "" {
			given[name] = []byte(value)
		}
	}
	set(cloudinary.KeyCloudName, e.CloudName)
	if e.Variable != "" {
		set(cloudinary.KeyCloudinaryURL, e.Variable)
		return given, nil
	}
	key, secret := e.key()
	set(cloudinary.KeyAPIKey, key)
	set(cloudinary.KeyAPISecret, secret)
	var missing []string
	for _, name := range []string{cloudinary.KeyCloudName, cloudinary.KeyAPIKey, cloudinary.KeyAPISecret} {
		if given[name] == nil {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("lacks %s, at the top and in product_environments", strings.Join(missing, ", "))
	}
	return given, nil
}

// key is the one to use: of a list, the first that is enabled.
func (e environment) key() (key, secret string) {
	if e.APIKey != "" || e.APISecret != "" {
		return e.APIKey, e.APISecret
	}
	for _, k := range e.AccessKeys {
		if k.Enabled == nil || *k.Enabled {
			return k.Key, k.Secret
		}
	}
	return "", ""
}

// claimURL is the link, where it is one that people can follow and that shows nothing of the credentials.
func claimURL(value any, credentials cloudinary.Credentials) string {
	text, _ := value.(string)
	parsed, err := url.Parse(text)
	switch {
	case err != nil, len(text) > maxClaimURL, parsed.Scheme != "https", parsed.Host == "":
		return ""
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "" // a link holds no others; these could steer a terminal
	case slices.ContainsFunc([]string{credentials.APISecret, credentials.APIKey, credentials.OAuthToken}, func(secret string) bool {
		return secret != "" && strings.Contains(text, secret)
	}):
		return ""
	}
	return text
}

// Describe says for how long the environment is there and how to keep it, in lines for people.
func (c Claimed) Describe(now time.Time) string {
	var said strings.Builder
	fmt.Fprintf(&said, "made %s, an environment without an account\n", c.Credentials.Environment())
	if c.Expires.IsZero() {
		said.WriteString("the answer does not say until when it is there; 24 hours are documented\n")
	} else {
		fmt.Fprintf(&said, "it is there until %s", c.Expires.UTC().Format(time.DateTime+" MST"))
		if left := c.Expires.Sub(now).Round(time.Minute); left > 0 {
			fmt.Fprintf(&said, ", which is in %s", strings.TrimSuffix(left.String(), "0s"))
		}
		said.WriteString("; then Cloudinary disables it and deletes what it holds\n")
	}
	if c.ClaimURL == "" {
		said.WriteString("it cannot be claimed: the answer has no claim_url that is an https link\n")
		return said.String()
	}
	fmt.Fprintf(&said, "to keep it, open this link before, give an email address and confirm it; whoever has the link can:\n  %s\n", c.ClaimURL)
	return said.String()
}
