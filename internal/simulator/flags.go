// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// RegisterFlags binds the options to flags of the given set, whose defaults are the options' current values or, where those are
// zero, the simulator's defaults.
func (o *Options) RegisterFlags(flags *flag.FlagSet) {
	o.setDefaults()
	o.registerIdentity(flags)
	o.registerSwitches(flags)
	o.registerLimits(flags)
	o.Delivery.registerFlags(flags)
}

// Arguments lets --normalize stand alone, for its plainest meaning, equivalent. The flag package knows flags with a value and flags
// without one, and none that may be either.
func Arguments(args []string) []string {
	args = slices.Clone(args)
	for i, arg := range args {
		alone := i+1 == len(args) || strings.HasPrefix(args[i+1], "-")
		if alone && strings.TrimLeft(arg, "-") == "normalize" {
			args[i] = arg + "=" + string(NormalizeEquivalent)
		}
	}
	return args
}

func (o *Options) registerIdentity(flags *flag.FlagSet) {
	flags.Var(parsedValue[string]{&o.Cloud, nonEmpty}, "cloud", "cloud name of the product environment")
	flags.Var(parsedValue[string]{&o.APIKey, nonEmpty}, "api-key", "API key that is accepted")
	flags.Var(parsedValue[string]{&o.APISecret, nonEmpty}, "api-secret", "secret of the API key")
	flags.Func("additional-credentials", "further `key:secret` that is accepted (repeatable)", o.addCredentials)
	flags.Func("oauth-token", "`token` that is accepted as Bearer (repeatable)", func(token string) error {
		o.OAuthTokens = append(o.OAuthTokens, token)
		return o.validateNames()
	})
	flags.Func("extra-event-types", "comma-separated event types accepted beside the known ones (repeatable)", func(list string) error {
		for name := range strings.SplitSeq(list, ",") {
			o.ExtraEventTypes = append(o.ExtraEventTypes, strings.TrimSpace(name))
		}
		return o.validateNames()
	})
}

func (o *Options) addCredentials(value string) error {
	key, secret, ok := strings.Cut(value, ":")
	if !ok || key == "" || secret == "" {
		return errors.New("must be key:secret")
	}
	o.AdditionalCredentials = append(o.AdditionalCredentials, Credentials{APIKey: key, APISecret: secret})
	return nil
}

func (o *Options) registerSwitches(flags *flag.FlagSet) {
	enum(flags, &o.UpdateSemantics, "update-semantics", "what PUT does to fields left out", UpdateMerge, UpdateReplace)
	enumInt(flags, &o.CreateStatus, "create-status", "status of a successful create", 200, 201)
	enum(flags, &o.CreateBody, "create-body", "shape of a create's answer", CreateObject, CreateWrapped)
	enum(flags, &o.DuplicateKey, "duplicate-key", "what two triggers must not share", DuplicateURIEventType, DuplicateURIEventTypeFilter)
	enum(flags, &o.Echo, "echo", "which fields LIST and create show", EchoFull, EchoOpenAPI)
	enum(flags, &o.UnsetFields, "unset-fields", "how an unset filter or template is shown", UnsetEmpty, UnsetAbsent)
	enum(flags, &o.Normalize, "normalize", "how values come back", NormalizeOff, NormalizeEquivalent, NormalizeLossy)
	enum(flags, &o.PutFields, "put-fields", "whether PUT sets more than the URI", PutAccept, PutIgnore)
	enum(flags, &o.PutURL, "put-url", "by which attribute PUT names the URL", PutNewURI, PutEitherURI)
	enum(flags, &o.PutAnswer, "put-answer", "what PUT answers", PutMessage, PutTrigger)
	enum(flags, &o.FilterLanguage, "filter-language", "what filter_language is to the server",
		FilterLanguageAccept, FilterLanguageEcho, FilterLanguageRequire, FilterLanguageRefuse)
	enum(flags, &o.UnsetAuthScheme, "unset-auth-scheme", "the auth_scheme of a trigger that was created without one", UnsetDefault, UnsetLegacy)
	enum(flags, &o.ClearTemplate, "clear-template", "what clears a template in PUT", ClearEmptyObject, ClearEmptyString, ClearBoth)
	enum(flags, &o.ClearFilter, "clear-filter", "what clears a filter in PUT", ClearEmptyObject, ClearEmptyString, ClearBoth)
	enum(flags, &o.Timestamps, "timestamps", "how instants are written", TimestampsZ, TimestampsOffset)
	enum(flags, &o.ClaimAnswer, "claim-answer", "how a claimable environment is described", ClaimFlat, ClaimNested)
	flags.Var(parsedValue[time.Duration]{&o.ListLag, notBelowZero}, "list-lag", "LIST shows the triggers as they were this long ago")
	flags.BoolVar(&o.PutLimitCheck, "put-limit-check", o.PutLimitCheck, "a PUT to a new URL counts against the URL limit")
}

func (o *Options) registerLimits(flags *flag.FlagSet) {
	flags.Var(parsedValue[int]{&o.URLLimit, limit}, "url-limit", "distinct webhook URIs allowed; negative: any number")
	flags.Var(parsedValue[int]{&o.RateLimit, limit}, "rate-limit", "calls allowed in a window; negative: any number, and no headers")
	flags.Var(parsedValue[time.Duration]{&o.RateLimitWindow, positive}, "rate-limit-window", "how often the call budget starts anew")
	flags.Var(parsedValue[int]{&o.ClaimLimit, parseBetween(1, maxClaimLimit)}, "claim-limit", "claimable environments at once")
	enumInt(flags, &o.RateLimitStatus, "rate-limit-status", "status of a call beyond the budget", StatusEnhanceYourCalm, 429)
	flags.Var(parsedValue[time.Duration]{&o.Latency, notBelowZero}, "latency", "added to every Admin API call")
}

// parsedValue is a flag.Value that takes what its parser takes.
type parsedValue[T any] struct {
	target *T
	parse  func(string) (T, error)
}

func (v parsedValue[T]) String() string {
	if v.target == nil {
		return ""
	}
	return fmt.Sprint(*v.target)
}

func (v parsedValue[T]) Set(text string) error {
	value, err := v.parse(text)
	if err != nil {
		return err
	}
	*v.target = value
	return nil
}

func enum[T ~string](flags *flag.FlagSet, target *T, name, usage string, allowed ...T) {
	flags.Var(parsedValue[T]{target: target, parse: func(text string) (T, error) {
		if !slices.Contains(allowed, T(text)) {
			return "", fmt.Errorf("must be one of %s", joined(allowed))
		}
		return T(text), nil
	}}, name, usage+": "+joined(allowed))
}

func enumInt(flags *flag.FlagSet, target *int, name, usage string, allowed ...int) {
	flags.Var(parsedValue[int]{target: target, parse: func(text string) (int, error) {
		number, err := strconv.Atoi(text)
		if err != nil || !slices.Contains(allowed, number) {
			return 0, fmt.Errorf("must be one of %s", joined(allowed))
		}
		return number, nil
	}}, name, usage+": "+joined(allowed))
}

// The zero value of an option stands for its default, so a flag must not be able to say zero without a word.

func nonEmpty(text string) (string, error) {
	if text == "" {
		return "", errors.New("must not be empty")
	}
	return text, nil
}

func limit(text string) (int, error) {
	number, err := strconv.Atoi(text)
	if err != nil || number == 0 {
		return 0, errors.New("must be a number other than 0; negative means any number")
	}
	return number, nil
}

func positive(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, errors.New("must be a duration above 0, such as 1h")
	}
	return d, nil
}

func notBelowZero(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, errors.New("must be a duration such as 500ms, not negative")
	}
	return d, nil
}
