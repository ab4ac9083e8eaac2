// SPDX-License-Identifier: Apache-2.0

package livecheck

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
)

// probeLeftOut sends a URL and nothing else, and looks what became of the other fields.
func (c *check) probeLeftOut(ctx context.Context) error {
	c.main.spec.URI = c.newURL()
	if err := c.move(ctx, c.main.id, c.main.spec.URI); err != nil {
		return err
	}
	c.answerPut()
	tested, err := c.test(ctx, c.main.id, sampleOf("image"))
	if err != nil {
		return err
	}
	if c.main.last, err = c.awaitURL(ctx, c.main.id, c.main.spec.URI); err != nil {
		return err
	}
	kept, reset := []string{}, []string{}
	for _, field := range optionalFields() {
		isKept := c.isSet(c.main.last, field)
		if field == fieldFilter {
			isKept = tested.FilterPresent // said by every server, whatever its list hides
		} else if c.isHidden(field) {
			continue
		}
		if isKept {
			kept = append(kept, field)
		} else {
			reset = append(reset, field)
		}
	}
	switch {
	case len(reset) == 0:
		c.answer("update-semantics", "merge", "kept: %s%s", strings.Join(kept, ", "), c.unseen())
	case len(kept) == 0:
		c.answer("update-semantics", "replace", "reset: %s%s", strings.Join(reset, ", "), c.unseen())
	default:
		c.answer("update-semantics", verdictMixed, "kept: %s; reset: %s%s", strings.Join(kept, ", "), strings.Join(reset, ", "), c.unseen())
	}
	return nil
}

// answerPut looks at what the first PUT was answered.
func (c *check) answerPut() {
	var members map[string]json.RawMessage
	// The client has read this answer already. Where it is no object it is no trigger.
	_ = json.Unmarshal(c.recorder.body, &members)
	switch {
	case members["id"] != nil:
		c.answer("put-answer", "trigger", "the answer is the trigger")
	case members["message"] != nil:
		c.answer("put-answer", "message", "the answer is %s", cut(string(c.recorder.body)))
	default:
		c.answer("put-answer", verdictOther, "the answer is %s", cut(string(c.recorder.body)))
	}
}

// unseen continues a sentence about what was seen. Whether a filter is there is said by a test, so it is never unseen.
func (c *check) unseen() string {
	hidden := slices.DeleteFunc(slices.Clone(c.main.hidden), func(field string) bool { return field == fieldFilter })
	if len(hidden) == 0 {
		return ""
	}
	return "; hidden by the list: " + strings.Join(hidden, ", ")
}

// probePutFields changes everything in one PUT.
func (c *check) probePutFields(ctx context.Context) error {
	before := c.main.last
	spec := cloudinary.TriggerSpec{
		URI: c.newURL(), EventType: eventType,
		Additive: !c.isSet(before, fieldAdditive), AuthScheme: c.unsetScheme(),
		Filter: json.RawMessage(videoFilter), PayloadTemplate: json.RawMessage(otherTemplate),
	}
	if !c.isSet(before, fieldAuthScheme) {
		spec.AuthScheme = c.otherScheme()
	}
	err := c.update(ctx, c.main.id, spec, cloudinary.UpdateOptions{})
	if cloudinary.IsInvalid(err) {
		c.answer("put-fields", verdictRefused, "%v", err)
		return nil
	}
	if err != nil {
		return err
	}
	hasFilter, err := c.letsOnly(ctx, "video")
	if err != nil {
		return err
	}
	c.main.spec = spec
	if c.main.last, err = c.awaitURL(ctx, c.main.id, spec.URI); err != nil {
		return err
	}
	c.answerPutFields(before, hasFilter)
	return nil
}

// probeSameURL changes the filter and leaves the URL, as the operator does most of the time.
func (c *check) probeSameURL(ctx context.Context) error {
	lets, filter := "video", videoFilter
	if slices.Contains(c.main.settable, fieldFilter) {
		lets, filter = "image", imageFilter // since it lets videos through now
	}
	spec := c.main.spec
	spec.Filter = json.RawMessage(filter)
	err := c.update(ctx, c.main.id, spec, cloudinary.UpdateOptions{})
	switch {
	case cloudinary.IsInvalid(err) || cloudinary.IsAlreadyExists(err):
		c.answer("put-same-url", verdictRefused, "%v", err)
		return nil
	case err != nil:
		return err
	}
	isChanged, err := c.letsOnly(ctx, lets)
	if err != nil {
		return err
	}
	if isChanged {
		c.main.spec = spec
		c.answer("put-same-url", "accept", "the filter changed")
	} else {
		c.answer("put-same-url", "ignore", "answered as a success, and the filter did not change")
	}
	return nil
}

// letsOnly reports whether the filter in effect is the one for that resource type.
func (c *check) letsOnly(ctx context.Context, resourceType string) (bool, error) {
	other := map[string]string{"image": "video", "video": "image"}[resourceType]
	lets, err := c.test(ctx, c.main.id, sampleOf(resourceType))
	if err != nil {
		return false, err
	}
	keeps, err := c.test(ctx, c.main.id, sampleOf(other))
	return lets.FilterPresent && lets.FilterResult && !keeps.FilterResult, err
}

func (c *check) answerPutFields(before shown, hasFilter bool) {
	changed, ignored := []string{}, []string{}
	for _, field := range optionalFields() {
		isChanged := c.main.last.raw(field) != before.raw(field)
		if field == fieldFilter {
			isChanged = hasFilter
		} else if c.isHidden(field) {
			continue
		}
		if isChanged {
			changed = append(changed, field)
		} else {
			ignored = append(ignored, field)
		}
	}
	c.main.settable = slices.Clone(changed)
	switch {
	case len(ignored) == 0:
		// What is hidden is taken to be as what is seen.
		c.main.settable = append(c.main.settable, c.main.hidden...)
		c.answer("put-fields", "accept", "changed: %s%s", strings.Join(changed, ", "), c.unseen())
	case len(changed) == 0:
		c.answer("put-fields", "ignore", "answered as a success, and not changed: %s%s", strings.Join(ignored, ", "), c.unseen())
	default:
		c.answer("put-fields", verdictPartial, "changed: %s; not changed: %s%s", strings.Join(changed, ", "), strings.Join(ignored, ", "), c.unseen())
	}
}

// probeDelete deletes the trigger, and then speaks of it once more.
func (c *check) probeDelete(ctx context.Context) error {
	err := c.update(withOnly(ctx, "additive"), c.main.id, c.main.spec, cloudinary.UpdateOptions{})
	switch {
	case cloudinary.IsInvalid(err):
		c.answer("put-url", "new_uri", "a PUT without it: %v", err)
	case err == nil:
		c.answer("put-url", "either", "a PUT without it is answered as a success")
	default:
		return err
	}
	if err := c.remove(ctx, c.main.id); err != nil {
		return err
	}
	id := c.main.id
	if _, err := c.await(ctx, "that trigger "+id+" is deleted", func(all []shown) bool {
		return !slices.ContainsFunc(all, func(t shown) bool { return t.ID == id })
	}); err != nil {
		return err
	}
	if err := c.probeMalformed(ctx); err != nil {
		return err
	}
	err = c.remove(ctx, id)
	switch {
	case cloudinary.IsNotFound(err):
		c.answer("unknown-id", "not-found", "%v", err)
	case err == nil:
		c.answer("unknown-id", verdictOther, "a second delete was answered as a success")
	case cloudinary.IsAmbiguous(err):
		return err
	default:
		c.answer("unknown-id", verdictOther, "%v", err)
	}
	return nil
}

// probeMalformed deletes by what cannot be an id.
func (c *check) probeMalformed(ctx context.Context) error {
	err := c.remove(ctx, "no-id")
	switch status := c.recorder.status; {
	case cloudinary.IsAmbiguous(err):
		return err
	case cloudinary.IsNotFound(err) && status == http.StatusBadRequest:
		c.answer("malformed-id", "malformed", "%v", err)
	case cloudinary.IsNotFound(err):
		c.answer("malformed-id", "not-found", "%v", err)
	default:
		c.answer("malformed-id", verdictOther, "HTTP status %d", status)
	}
	return nil
}
