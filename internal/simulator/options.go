// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Defaults that a zero field of Options stands for.
const (
	DefaultCloud           = "demo"
	DefaultAPIKey          = "123456789012345"
	DefaultAPISecret       = "simulated-secret"
	DefaultURLLimit        = 30
	DefaultRateLimit       = 2000
	DefaultRateLimitWindow = time.Hour
	DefaultClaimLimit      = 10

	maxClaimLimit = 1000

	DefaultDeliveryTimeout     = 20 * time.Second
	DefaultDeliveryConcurrency = 32
	DefaultDeliveryHistory     = 10000
)

// UpdateSemantics says what a PUT does to the fields that it leaves out.
type UpdateSemantics string

// Values of UpdateSemantics.
const (
	// UpdateMerge keeps the fields that a PUT leaves out. The default.
	UpdateMerge UpdateSemantics = "merge"
	// UpdateReplace resets the fields that a PUT leaves out to Cloudinary's defaults.
	UpdateReplace UpdateSemantics = "replace"
)

// CreateBody is the shape of a create's answer.
type CreateBody string

// Values of CreateBody.
const (
	// CreateObject answers the trigger itself. The default.
	CreateObject CreateBody = "object"
	// CreateWrapped answers {"triggers":{…}}, as an old documentation page shows.
	CreateWrapped CreateBody = "wrapped"
)

// DuplicateKey is what two triggers must not share.
type DuplicateKey string

// Values of DuplicateKey.
const (
	// DuplicateURIEventType refuses a second trigger for a URI and event type. The default.
	DuplicateURIEventType DuplicateKey = "uri+event_type"
	// DuplicateURIEventTypeFilter allows several that differ in their filter.
	DuplicateURIEventTypeFilter DuplicateKey = "uri+event_type+filter"
)

// Echo is which fields LIST and a create's answer show.
type Echo string

// Values of Echo.
const (
	// EchoFull shows every field. The default.
	EchoFull Echo = "full"
	// EchoOpenAPI leaves out additive, filter, payload_template and auth_scheme, which the published OpenAPI does not have.
	EchoOpenAPI Echo = "openapi"
)

// UnsetFields is how an unset filter or template is shown.
type UnsetFields string

// Values of UnsetFields.
const (
	// UnsetEmpty shows {}. The default.
	UnsetEmpty UnsetFields = "empty"
	// UnsetAbsent leaves the field out.
	UnsetAbsent UnsetFields = "absent"
)

// Normalize is how values come back compared with what was sent.
type Normalize string

// Values of Normalize.
const (
	// NormalizeOff gives back what was sent. The default.
	NormalizeOff Normalize = "off"
	// NormalizeEquivalent gives back another spelling of the same URL and filter.
	NormalizeEquivalent Normalize = "equivalent"
	// NormalizeLossy gives back a filter and a template that differ from what was sent.
	NormalizeLossy Normalize = "lossy"
)

// PutFields is whether a PUT can set more than the URI.
type PutFields string

// Values of PutFields.
const (
	// PutAccept takes additive, filter, payload_template and auth_scheme. The default.
	PutAccept PutFields = "accept"
	// PutIgnore changes the URI alone and ignores the rest without a word.
	PutIgnore PutFields = "ignore"
)

// FilterLanguage is what the attribute filter_language of a filter is to the server.
type FilterLanguage string

// Values of FilterLanguage.
const (
	// FilterLanguageAccept takes it beside a filter, and does not show it. The default.
	FilterLanguageAccept FilterLanguage = "accept"
	// FilterLanguageEcho takes it, and shows it of each trigger that has a filter.
	FilterLanguageEcho FilterLanguage = "echo"
	// FilterLanguageRequire refuses a filter without it.
	FilterLanguageRequire FilterLanguage = "require"
	// FilterLanguageRefuse refuses it.
	FilterLanguageRefuse FilterLanguage = "refuse"
)

// PutURL is the attribute by which a PUT names the URL.
type PutURL string

// Values of PutURL.
const (
	// PutNewURI is new_uri, without which a PUT is refused. The default.
	PutNewURI PutURL = "new_uri"
	// PutEitherURI is new_uri or uri; a PUT with neither leaves the URL.
	PutEitherURI PutURL = "either"
)

// PutAnswer is what a successful PUT answers.
type PutAnswer string

// Values of PutAnswer.
const (
	// PutMessage is {"message":"ok"}. The default.
	PutMessage PutAnswer = "message"
	// PutTrigger is the trigger.
	PutTrigger PutAnswer = "trigger"
)

// UnsetAuthScheme is the auth_scheme of a trigger that was created without one.
type UnsetAuthScheme string

// Values of UnsetAuthScheme.
const (
	// UnsetDefault is the documented default. The default.
	UnsetDefault UnsetAuthScheme = "default"
	// UnsetLegacy is legacy_hmac.
	UnsetLegacy UnsetAuthScheme = "legacy_hmac"
)

// ClearForm is the value that unsets a field in a PUT.
type ClearForm string

// Values of ClearForm.
const (
	// ClearEmptyObject clears by {} and refuses "". The default for filters.
	ClearEmptyObject ClearForm = "empty-object"
	// ClearEmptyString clears by "" and refuses {}.
	ClearEmptyString ClearForm = "empty-string"
	// ClearBoth clears by either. The default for templates.
	ClearBoth ClearForm = "both"
)

// Timestamps is how instants are written.
type Timestamps string

// Values of Timestamps.
const (
	// TimestampsZ writes 2024-03-20T10:12:34Z. The default.
	TimestampsZ Timestamps = "z"
	// TimestampsOffset writes 2024-03-20T10:12:34+00:00.
	TimestampsOffset Timestamps = "offset"
)

// ClaimAnswer is the form of the answer to whoever asks for a claimable environment.
type ClaimAnswer string

// Values of ClaimAnswer.
const (
	// ClaimFlat has the credentials beside the rest. The default.
	ClaimFlat ClaimAnswer = "flat"
	// ClaimNested has them in product_environments.
	ClaimNested ClaimAnswer = "nested"
)

// Credentials is an API key and its secret.
type Credentials struct {
	APIKey    string
	APISecret string
}

// Options are the switches of a simulated product environment. The zero value is the documented Cloudinary.
type Options struct {
	// Cloud is the cloud name; any other is answered 401.
	Cloud string
	// APIKey and APISecret are the first credentials.
	APIKey    string
	APISecret string
	// AdditionalCredentials are accepted as well.
	AdditionalCredentials []Credentials
	// OAuthTokens are accepted as Bearer tokens.
	OAuthTokens []string
	// ExtraEventTypes are accepted beside the known ones.
	ExtraEventTypes []string

	UpdateSemantics UpdateSemantics
	// CreateStatus is 201 (the default) or 200.
	CreateStatus int
	CreateBody   CreateBody
	DuplicateKey DuplicateKey
	Echo         Echo
	UnsetFields  UnsetFields
	// ListLag makes LIST show the triggers as they were that long ago.
	ListLag   time.Duration
	Normalize Normalize
	// PutLimitCheck makes a PUT to a new URL count against the URL limit.
	PutLimitCheck bool
	PutFields     PutFields
	PutURL        PutURL
	PutAnswer     PutAnswer
	// FilterLanguage reports whether filter_language is needed, shown or refused.
	FilterLanguage FilterLanguage
	// UnsetAuthScheme is what a create without auth_scheme sets, and what a PUT that replaces resets to.
	UnsetAuthScheme UnsetAuthScheme
	ClearTemplate   ClearForm
	ClearFilter     ClearForm
	// URLLimit is how many distinct webhook URIs there may be; negative: any number.
	URLLimit int
	// RateLimit is how many calls a window allows; negative: any number, and no rate-limit headers.
	RateLimit int
	// RateLimitWindow is how often the budget starts anew, aligned to the clock.
	RateLimitWindow time.Duration
	// RateLimitStatus is 420 (the default) or 429.
	RateLimitStatus int
	Timestamps      Timestamps
	// ClaimAnswer is how a claimable environment is described.
	ClaimAnswer ClaimAnswer
	// ClaimLimit is how many claimable environments there may be at once, from 1 to 1000.
	ClaimLimit int
	// Latency is added to every Admin API call.
	Latency time.Duration

	// Delivery says how notifications are sent.
	Delivery DeliveryOptions

	// Clock tells the time. Absent: the system's.
	Clock func() time.Time
	// Sleep waits for latency and injected delays. Absent: a timer.
	Sleep func(context.Context, time.Duration)
}

// credentials are all that are accepted, the first ones first.
func (o *Options) credentials() []Credentials {
	return append([]Credentials{{APIKey: o.APIKey, APISecret: o.APISecret}}, o.AdditionalCredentials...)
}

func orDefault[T comparable](value *T, fallback T) {
	var zero T
	if *value == zero {
		*value = fallback
	}
}

func (o *Options) setDefaults() {
	orDefault(&o.Cloud, DefaultCloud)
	orDefault(&o.APIKey, DefaultAPIKey)
	orDefault(&o.APISecret, DefaultAPISecret)
	orDefault(&o.UpdateSemantics, UpdateMerge)
	orDefault(&o.CreateStatus, 201)
	orDefault(&o.CreateBody, CreateObject)
	orDefault(&o.DuplicateKey, DuplicateURIEventType)
	orDefault(&o.Echo, EchoFull)
	orDefault(&o.UnsetFields, UnsetEmpty)
	orDefault(&o.Normalize, NormalizeOff)
	orDefault(&o.PutFields, PutAccept)
	orDefault(&o.PutURL, PutNewURI)
	orDefault(&o.PutAnswer, PutMessage)
	orDefault(&o.FilterLanguage, FilterLanguageAccept)
	orDefault(&o.UnsetAuthScheme, UnsetDefault)
	orDefault(&o.ClearTemplate, ClearBoth)
	orDefault(&o.ClearFilter, ClearEmptyObject)
	orDefault(&o.URLLimit, DefaultURLLimit)
	orDefault(&o.RateLimit, DefaultRateLimit)
	orDefault(&o.RateLimitWindow, DefaultRateLimitWindow)
	orDefault(&o.RateLimitStatus, StatusEnhanceYourCalm)
	orDefault(&o.Timestamps, TimestampsZ)
	orDefault(&o.ClaimAnswer, ClaimFlat)
	orDefault(&o.ClaimLimit, DefaultClaimLimit)
	o.Delivery.setDefaults()
	if o.Clock == nil {
		o.Clock = time.Now //nolint:forbidigo // the one place where the injected clock gets its default
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// validate names every field that is wrong, by the name of its flag.
func (o *Options) validate() error {
	return errors.Join(
		oneOf("update-semantics", o.UpdateSemantics, UpdateMerge, UpdateReplace),
		oneOf("create-status", o.CreateStatus, 200, 201),
		oneOf("create-body", o.CreateBody, CreateObject, CreateWrapped),
		oneOf("duplicate-key", o.DuplicateKey, DuplicateURIEventType, DuplicateURIEventTypeFilter),
		oneOf("echo", o.Echo, EchoFull, EchoOpenAPI),
		oneOf("unset-fields", o.UnsetFields, UnsetEmpty, UnsetAbsent),
		oneOf("normalize", o.Normalize, NormalizeOff, NormalizeEquivalent, NormalizeLossy),
		oneOf("put-fields", o.PutFields, PutAccept, PutIgnore),
		oneOf("put-url", o.PutURL, PutNewURI, PutEitherURI),
		oneOf("put-answer", o.PutAnswer, PutMessage, PutTrigger),
		oneOf("filter-language", o.FilterLanguage, FilterLanguageAccept, FilterLanguageEcho, FilterLanguageRequire, FilterLanguageRefuse),
		oneOf("unset-auth-scheme", o.UnsetAuthScheme, UnsetDefault, UnsetLegacy),
		oneOf("clear-template", o.ClearTemplate, ClearEmptyObject, ClearEmptyString, ClearBoth),
		oneOf("clear-filter", o.ClearFilter, ClearEmptyObject, ClearEmptyString, ClearBoth),
		oneOf("rate-limit-status", o.RateLimitStatus, StatusEnhanceYourCalm, 429),
		oneOf("timestamps", o.Timestamps, TimestampsZ, TimestampsOffset),
		oneOf("claim-answer", o.ClaimAnswer, ClaimFlat, ClaimNested),
		named("claim-limit", o.ClaimLimit, between(1, maxClaimLimit)),
		notNegative("list-lag", o.ListLag),
		notNegative("latency", o.Latency),
		notNegative("rate-limit-window", o.RateLimitWindow),
		o.Delivery.validate(),
		o.validateNames(),
	)
}

func (o *Options) validateNames() error {
	if strings.ContainsAny(o.Cloud, "/?#") {
		return fmt.Errorf("cloud: %q must be a plain cloud name", o.Cloud)
	}
	for _, c := range o.AdditionalCredentials {
		if c.APIKey == "" || c.APISecret == "" {
			return errors.New("additional-credentials: both an API key and its secret are needed")
		}
	}
	if slices.Contains(o.OAuthTokens, "") {
		return errors.New("oauth-token: must not be empty")
	}
	name := regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	for _, eventType := range o.ExtraEventTypes {
		if !name.MatchString(eventType) {
			return fmt.Errorf("extra-event-types: %q must match %s", eventType, name)
		}
	}
	return nil
}

func oneOf[T comparable](name string, value T, allowed ...T) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("%s: %v is not one of %s", name, value, joined(allowed))
}

func joined[T any](values []T) string {
	words := make([]string, 0, len(values))
	for _, v := range values {
		words = append(words, fmt.Sprint(v))
	}
	return strings.Join(words, ", ")
}

func notNegative(name string, d time.Duration) error {
	if d < 0 {
		return fmt.Errorf("%s: %s must not be negative", name, d)
	}
	return nil
}
