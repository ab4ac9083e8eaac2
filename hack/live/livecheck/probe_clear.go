// SPDX-License-Identifier: Apache-2.0

package livecheck

import (
	"context"
	"slices"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
)

// clearing is what became of an attempt to clear a field.
type clearing string

const (
	cleared      clearing = "cleared"
	refused      clearing = "refused"
	ignored      clearing = "answered as a success and not cleared"
	acknowledged clearing = "answered as a success, hidden by the list"
)

func (c clearing) works() bool { return c == cleared || c == acknowledged }

// probeClearing tries both ways to say "none", for a filter and for a template. They take turns, since each sets what the other
// cleared.
func (c *check) probeClearing(ctx context.Context) error {
	results := map[string]map[cloudinary.EmptyForm]clearing{fieldFilter: {}, fieldTemplate: {}}
	isUnset := ""
	for _, try := range []struct {
		field string
		form  cloudinary.EmptyForm
	}{
		{fieldFilter, cloudinary.EmptyObject},
		{fieldTemplate, cloudinary.EmptyObject},
		{fieldFilter, cloudinary.EmptyString},
		{fieldTemplate, cloudinary.EmptyString},
	} {
		if !slices.Contains(c.main.settable, try.field) {
			continue
		}
		if isUnset == try.field {
			if err := c.putAll(ctx); err != nil {
				return err
			}
			isUnset = ""
		}
		result, err := c.clear(ctx, try.field, try.form)
		if err != nil {
			return err
		}
		results[try.field][try.form] = result
		isUnset = result.unset(try.field, isUnset)
	}
	c.answerClearing("clear-filter", results[fieldFilter])
	c.answerClearing("clear-template", results[fieldTemplate])
	return nil
}

// unset is the field that is not set after an attempt on one of them, if any: a PUT sets all but that one.
func (c clearing) unset(field, before string) string {
	switch {
	case c == refused:
		return before
	case c.works():
		return field
	}
	return ""
}

// putAll sets every field at a new URL.
func (c *check) putAll(ctx context.Context) error {
	c.main.spec.URI = c.newURL()
	return c.update(ctx, c.main.id, c.main.spec, cloudinary.UpdateOptions{})
}

func (c *check) clear(ctx context.Context, field string, form cloudinary.EmptyForm) (clearing, error) {
	spec := c.main.spec
	spec.URI = c.newURL()
	if field == fieldFilter {
		spec.Filter = nil
	} else {
		spec.PayloadTemplate = nil
	}
	err := c.update(ctx, c.main.id, spec, cloudinary.UpdateOptions{ClearFilter: form, ClearTemplate: form})
	if cloudinary.IsInvalid(err) {
		return refused, nil
	}
	if err != nil {
		return "", err
	}
	c.main.spec.URI = spec.URI
	return c.isCleared(ctx, field)
}

func (c *check) isCleared(ctx context.Context, field string) (clearing, error) {
	var isThere bool
	switch {
	case field == fieldFilter:
		result, err := c.test(ctx, c.main.id, sampleOf("video"))
		if err != nil {
			return "", err
		}
		isThere = result.FilterPresent
	case c.isHidden(field):
		return acknowledged, nil
	default:
		t, err := c.awaitURL(ctx, c.main.id, c.main.spec.URI)
		if err != nil {
			return "", err
		}
		isThere = t.isSet(field)
	}
	if isThere {
		return ignored, nil
	}
	return cleared, nil
}

func (c *check) answerClearing(question string, results map[cloudinary.EmptyForm]clearing) {
	object, text := results[cloudinary.EmptyObject], results[cloudinary.EmptyString]
	verdict := "neither"
	switch {
	case len(results) == 0:
		c.answer(question, NotApplicable, "a PUT does not set it")
		return
	case object.works() && text.works():
		verdict = "both"
	case object.works():
		verdict = "empty-object"
	case text.works():
		verdict = "empty-string"
	}
	c.answer(question, verdict, `{}: %s; "": %s`, object, text)
}
