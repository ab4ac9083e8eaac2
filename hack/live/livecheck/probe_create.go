// SPDX-License-Identifier: Apache-2.0

package livecheck

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
)

// What the check's triggers are made of. Each filter lets through what the other does not.
const (
	imageFilter   = `{"==":[{"var":"resource_type"},"image"]}`
	videoFilter   = `{"==":[{"var":"resource_type"},"video"]}`
	firstTemplate = `{"first":"{{asset.public_id}}"}`
	otherTemplate = `{"other":"{{event.type}}","nested":{"list":["a",1,true]}}`

	schemeDefault = "default"
	schemeLegacy  = "legacy_hmac"
)

func sampleOf(resourceType string) map[string]any {
	return map[string]any{"resource_type": resourceType}
}

// probeDefaults makes a trigger with nothing set, at a URL that has another, equivalent spelling.
func (c *check) probeDefaults(ctx context.Context) error {
	plain := c.newURL()
	odd := strings.Replace(plain, Host, strings.ToUpper(Host)+":443", 1)
	one, err := c.create(ctx, cloudinary.TriggerSpec{URI: odd, EventType: eventType})
	sent := odd
	if cloudinary.IsInvalid(err) {
		c.answer("normalize-url", verdictRefused, "a URL with its host in upper case and its default port: %v", err)
		sent = plain
		one, err = c.create(ctx, cloudinary.TriggerSpec{URI: plain, EventType: eventType})
	}
	switch {
	case cloudinary.IsLimitReached(err):
		return fmt.Errorf("fewer URLs are allowed than the expected %d (--url-limit), and none is free: %w", c.options.URLLimit, err)
	case cloudinary.IsInvalid(err):
		return fmt.Errorf("a plain trigger at https://%s is refused, so nothing can be checked: %w", Host, err)
	case err != nil:
		return err
	}
	c.answerCreate(one)
	inList, err := c.awaitCreated(ctx, one.ID)
	if err != nil {
		return err
	}
	if sent == odd {
		c.answer("normalize-url", compareURL(odd, inList.URI), "a host in upper case, with its default port: %s", cameBack(odd, inList.URI))
	}
	c.answerTimestamps(inList)
	if inList.AuthScheme != nil {
		c.scheme = *inList.AuthScheme
	}
	c.main.last = inList // until the next trigger shows whether the list has these fields at all
	return c.remove(ctx, one.ID)
}

func (c *check) answerCreate(one shown) {
	status := strconv.Itoa(c.recorder.status)
	verdict := status
	if status != "200" && status != "201" {
		verdict = verdictOther
	}
	c.answer("create-status", verdict, "HTTP status %s", status)
	if _, wrapped := created(one.Trigger, c.recorder.body); wrapped {
		c.answer("create-body", "wrapped", "the trigger is a member of the answer")
	} else {
		c.answer("create-body", "object", "the answer is the trigger")
	}
}

func (c *check) answerTimestamps(t shown) {
	at := strings.Trim(t.raw("created_at"), `"`)
	verdict := verdictOther
	switch {
	case t.CreatedAt.IsZero():
	case strings.HasSuffix(at, "Z"):
		verdict = "z"
	case strings.HasSuffix(at, "+00:00"):
		verdict = "offset"
	}
	c.answer("timestamps", verdict, "created_at is %q", cut(at))
}

// probeFields makes the trigger that the next questions are asked of, with every field set.
func (c *check) probeFields(ctx context.Context) error {
	unset := c.main.last
	c.main.spec = cloudinary.TriggerSpec{
		URI: c.newURL(), EventType: eventType, Additive: true, AuthScheme: c.otherScheme(),
		Filter: json.RawMessage(imageFilter), PayloadTemplate: json.RawMessage(firstTemplate),
	}
	answered, err := c.createFiltered(ctx, c.main.spec)
	if err != nil {
		return err
	}
	c.main.id = answered.ID
	c.answerEcho("create-echo", answered)
	inList, err := c.awaitCreated(ctx, c.main.id)
	if err != nil {
		return err
	}
	c.main.last = inList
	c.answerEcho("echo", inList)
	for _, field := range optionalFields() {
		if !slices.Contains(inList.visible(), field) {
			c.main.hidden = append(c.main.hidden, field)
		}
	}
	c.answerUnset(unset)
	c.answerNormalized(inList)
	if err := c.probeLanguage(ctx, inList); err != nil {
		return err
	}
	return c.answerTest(ctx)
}

// createFiltered makes the first trigger with a filter: with the filter's language, as the operator does, and without where that is refused.
func (c *check) createFiltered(ctx context.Context, spec cloudinary.TriggerSpec) (shown, error) {
	c.language = cloudinary.JSONLogic
	one, err := c.create(ctx, spec)
	if !cloudinary.IsInvalid(err) {
		return one, err
	}
	c.language = ""
	c.answer("filter-language", "refuse", "filter_language beside a filter: %v", err)
	return c.create(ctx, spec)
}

// probeLanguage looks whether the language of a filter is listed, and needed.
func (c *check) probeLanguage(ctx context.Context, inList shown) error {
	if c.language == "" {
		return nil // it is refused
	}
	defer func() { c.language = cloudinary.JSONLogic }()
	c.language = ""
	one, err := c.create(ctx, cloudinary.TriggerSpec{URI: c.main.spec.URI, EventType: otherEventType, Filter: json.RawMessage(imageFilter)})
	language := inList.raw("filter_language")
	switch {
	case cloudinary.IsInvalid(err):
		c.answer("filter-language", "require", "a filter without it: %v", err)
		return nil
	case err != nil:
		return err
	case language != "":
		c.answer("filter-language", "echo", "a filter is taken with and without, and the list shows %s", cut(language))
	default:
		c.answer("filter-language", "accept", "a filter is taken with and without, and the list does not show it")
	}
	return c.remove(ctx, one.ID)
}

// unsetScheme is the auth_scheme of a trigger that was created without one.
func (c *check) unsetScheme() string { return cmp.Or(c.scheme, schemeDefault) }

// otherScheme is one that has to be set.
func (c *check) otherScheme() string {
	if c.unsetScheme() == schemeLegacy {
		return schemeDefault
	}
	return schemeLegacy
}

// isSet reports whether a field is shown with another value than the one it has where nobody sets it.
func (c *check) isSet(t shown, field string) bool {
	if field == fieldAuthScheme {
		return t.AuthScheme != nil && *t.AuthScheme != c.unsetScheme()
	}
	return t.isSet(field)
}

func (c *check) answerEcho(question string, t shown) {
	switch names := t.visible(); len(names) {
	case 0:
		c.answer(question, verdictOpenAPI, "none of %s", strings.Join(optionalFields(), ", "))
	case len(optionalFields()):
		c.answer(question, verdictFull, "%s", strings.Join(names, ", "))
	default:
		c.answer(question, verdictPartial, "only %s", strings.Join(names, ", "))
	}
}

func (c *check) isHidden(field string) bool {
	return slices.Contains(c.main.hidden, field)
}

// answerUnset looks at the trigger that had neither.
func (c *check) answerUnset(unset shown) {
	switch c.scheme {
	case "":
		c.answer("unset-auth-scheme", NotShown, "the list hides it")
	case schemeDefault, schemeLegacy:
		c.answer("unset-auth-scheme", c.scheme, "a trigger that was made without one")
	default:
		c.answer("unset-auth-scheme", verdictOther, "%s", cut(c.scheme))
	}
	var forms, seen []string
	for _, field := range []string{fieldFilter, fieldTemplate} {
		if c.isHidden(field) {
			continue
		}
		raw := unset.raw(field)
		forms = append(forms, map[string]string{"": "absent", "{}": "empty", "null": "null", `""`: "null"}[raw])
		seen = append(seen, field+" "+map[bool]string{true: "is absent", false: "is " + cut(raw)}[raw == ""])
	}
	switch forms = slices.Compact(forms); {
	case len(forms) == 0:
		c.answer("unset-fields", NotShown, "the list hides both")
	case len(forms) > 1 || forms[0] == "":
		c.answer("unset-fields", verdictMixed, "%s", strings.Join(seen, ", "))
	default:
		c.answer("unset-fields", forms[0], "%s", strings.Join(seen, ", "))
	}
}

func (c *check) answerNormalized(t shown) {
	if c.isHidden(fieldFilter) {
		c.answer("normalize-filter", NotShown, "the list hides it")
	} else {
		c.answer("normalize-filter", compareFilter(c.main.spec.Filter, t.Filter), "%s: %s",
			imageFilter, cameBack(imageFilter, string(t.Filter)))
	}
	if c.isHidden(fieldTemplate) {
		c.answer("normalize-template", NotShown, "the list hides it")
	} else {
		c.answer("normalize-template", compareTemplate(c.main.spec.PayloadTemplate, t.PayloadTemplate), "%s: %s",
			firstTemplate, cameBack(firstTemplate, string(t.PayloadTemplate)))
	}
}

func (c *check) answerTest(ctx context.Context) error {
	passes, err := c.test(ctx, c.main.id, sampleOf("image"))
	if err != nil {
		return err
	}
	fails, err := c.test(ctx, c.main.id, sampleOf("video"))
	if err != nil {
		return err
	}
	_, err = c.test(ctx, c.main.id, nil)
	switch {
	case err == nil:
		c.answer("test-without-sample", verdictAccepted, "answered as a success")
	case cloudinary.IsInvalid(err):
		c.answer("test-without-sample", verdictRefused, "%v", err)
	default:
		return err
	}
	verdict := verdictOther
	if passes.FilterPresent && passes.FilterResult && fails.FilterPresent && !fails.FilterResult {
		verdict = "evaluates"
	}
	c.answer("test", verdict, "what matches: filter_present %t, filter_result %t; what does not: %t, %t",
		passes.FilterPresent, passes.FilterResult, fails.FilterPresent, fails.FilterResult)
	return nil
}

// probeDuplicates tries a second trigger for the URL and event type, with the same filter and with another one.
func (c *check) probeDuplicates(ctx context.Context) error {
	same := c.main.spec
	twice, err := c.isAllowed(ctx, same)
	if err != nil {
		return err
	}
	if twice {
		c.answer("duplicate-key", "none", "a second trigger with the same URL, event type and filter was made")
		return nil
	}
	other := same
	other.Filter = json.RawMessage(videoFilter)
	twice, err = c.isAllowed(ctx, other)
	if err != nil {
		return err
	}
	if twice {
		c.answer("duplicate-key", "uri+event_type+filter", "a second trigger with another filter was made")
	} else {
		c.answer("duplicate-key", "uri+event_type", "a second trigger was refused, also with another filter")
	}
	return nil
}

// isAllowed makes a trigger that may be a duplicate, and deletes it again.
func (c *check) isAllowed(ctx context.Context, spec cloudinary.TriggerSpec) (bool, error) {
	one, err := c.create(ctx, spec)
	if cloudinary.IsAlreadyExists(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, c.remove(ctx, one.ID)
}

func cameBack(sent, got string) string {
	if got == sent {
		return "came back as it was sent"
	}
	return "came back as " + cut(got)
}

// cut keeps what a server sent to a line of the table.
func cut(text string) string {
	const longest = 80
	runes := []rune(text)
	if len(runes) <= longest {
		return text
	}
	return string(runes[:longest-1]) + "…"
}
