// SPDX-License-Identifier: Apache-2.0

package livecheck

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
)

// probeRefusals tries what should be refused, for the words in which it is.
func (c *check) probeRefusals(ctx context.Context) error {
	for _, bad := range []struct {
		question string
		spec     cloudinary.TriggerSpec
	}{
		{"bad-filter", cloudinary.TriggerSpec{Filter: json.RawMessage(`{"no_such_operator":[1,2]}`)}},
		{"bad-template", cloudinary.TriggerSpec{PayloadTemplate: json.RawMessage(`{"open":"{{#section}}"}`)}},
		{"bad-auth-scheme", cloudinary.TriggerSpec{AuthScheme: "no_such_scheme"}},
	} {
		bad.spec.URI, bad.spec.EventType = c.main.spec.URI, otherEventType
		one, err := c.create(ctx, bad.spec)
		switch {
		case err == nil:
			c.answer(bad.question, verdictAccepted, "the trigger was made")
			if err := c.remove(ctx, one.ID); err != nil {
				return err
			}
		case cloudinary.IsInvalid(err):
			c.answer(bad.question, verdictRefused, "%v", err)
		default:
			return err
		}
	}
	return nil
}

// operator is one that JSONLogic does not have, with a rule that holds for operatorSample.
type operator struct{ name, rule string }

func extraOperators() []operator {
	return []operator{
		{"startsWith", `{"startsWith":[{"var":"public_id"},"shop/"]}`},
		{"endsWith", `{"endsWith":[{"var":"public_id"},".v1"]}`},
		{"contains", `{"contains":[{"var":"public_id"},"shoe"]}`},
		{"matches", `{"matches":[{"var":"public_id"},"^shop/[a-z]+[.]v1$"]}`},
	}
}

// probeOperators tries all of them in one filter, and only where that does not work each alone.
func (c *check) probeOperators(ctx context.Context) error {
	var rules, names, working []string
	for _, o := range extraOperators() {
		rules, names = append(rules, o.rule), append(names, o.name)
	}
	all, err := c.evaluates(ctx, `{"and":[`+strings.Join(rules, ",")+`]}`)
	if err != nil {
		return err
	}
	if all {
		c.answer("filter-operators", "all", "evaluated: %s", strings.Join(names, ", "))
		return nil
	}
	var failing []string
	for _, o := range extraOperators() {
		works, err := c.evaluates(ctx, o.rule)
		switch {
		case err != nil:
			return err
		case works:
			working = append(working, o.name)
		default:
			failing = append(failing, o.name)
		}
	}
	verdict := "some"
	if len(working) == 0 {
		verdict = "none"
	}
	c.answer("filter-operators", verdict, "evaluated: %s; refused or evaluated otherwise: %s", orNone(working), orNone(failing))
	return nil
}

// evaluates reports whether a filter is taken, holds for what it should, and not for anything else.
func (c *check) evaluates(ctx context.Context, filter string) (bool, error) {
	one, err := c.create(ctx, cloudinary.TriggerSpec{URI: c.main.spec.URI, EventType: otherEventType, Filter: json.RawMessage(filter)})
	if cloudinary.IsInvalid(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	holds, err := c.test(ctx, one.ID, map[string]any{"public_id": "shop/shoe.v1"})
	if err != nil {
		return false, err
	}
	fails, err := c.test(ctx, one.ID, map[string]any{"public_id": "other"})
	if err != nil {
		return false, err
	}
	return holds.FilterResult && !fails.FilterResult, c.remove(ctx, one.ID)
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
