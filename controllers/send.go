// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// send makes the call and says how it ended.
func (a *applier) send(ctx context.Context, c *cloudinary.Client, s plan.Step) (plan.Outcome, error) {
	var created cloudinary.Trigger
	var meta cloudinary.Meta
	var err error
	switch s.Action {
	case plan.Create:
		created, meta, err = a.create(ctx, c, s)
	case plan.Update:
		meta, err = a.update(ctx, c, s)
	case plan.Delete:
		meta, err = c.DeleteTrigger(ctx, s.ID)
	case plan.Replace:
		return plan.Outcome{}, errors.New("a replace is called as its halves")
	}
	now := a.Now()
	a.env.Called(meta, now)
	out := resolve.Outcome(err)
	out.At = a.env.Clock.At(now)
	if err == nil && s.Action == plan.Create {
		out.Trigger = resolve.ObservedOne(created)
	}
	return out, err
}

// spec is what a step sends, with the language of a filter where that is taken.
func (a *applier) spec(s plan.Step) cloudinary.TriggerSpec {
	spec := resolve.TriggerSpec(s)
	if spec.Filter != nil && !a.env.PlainFilters {
		spec.FilterLanguage = cloudinary.JSONLogic
	}
	return spec
}

// again notes a call that was refused and is followed by another one for the same step.
func (a *applier) again(s plan.Step, meta cloudinary.Meta, err error) {
	a.Metrics.call(a.Environment.CloudName, s.Action.String(), err)
	a.env.Called(meta, a.Now())
}

// create sends a create; where it is refused and has a filter, once more with the language of the
// filter told the other way.
func (a *applier) create(ctx context.Context, c *cloudinary.Client, s plan.Step) (cloudinary.Trigger, cloudinary.Meta, error) {
	spec := a.spec(s)
	created, meta, err := c.CreateTrigger(ctx, spec)
	other, hasFilter := spec.OtherLanguage()
	if !cloudinary.IsInvalid(err) || !hasFilter {
		return created, meta, err
	}
	a.again(s, meta, err)
	created, otherMeta, otherErr := c.CreateTrigger(ctx, other)
	if cloudinary.IsInvalid(otherErr) {
		return cloudinary.Trigger{}, otherMeta, err // as it is sent first the next time, too
	}
	if otherErr == nil {
		a.env.PlainFilters = other.FilterLanguage == ""
	}
	return created, otherMeta, otherErr
}

// update sends an update. Which forms clear a filter and a template is not documented: where those
// that were taken last are refused, the others are tried, and remembered where they are taken.
func (a *applier) update(ctx context.Context, c *cloudinary.Client, s plan.Step) (cloudinary.Meta, error) {
	spec := a.spec(s)
	meta, err := c.UpdateTrigger(ctx, s.ID, spec, a.env.ClearForms)
	if !cloudinary.IsInvalid(err) {
		return meta, err
	}
	for _, w := range spec.OtherWays(a.env.ClearForms) {
		a.again(s, meta, err)
		otherMeta, otherErr := c.UpdateTrigger(ctx, s.ID, w.Spec, w.Forms)
		if cloudinary.IsInvalid(otherErr) {
			meta = otherMeta
			continue
		}
		if otherErr == nil {
			a.env.ClearForms = w.Forms
			if spec.Filter != nil {
				a.env.PlainFilters = w.Spec.FilterLanguage == ""
			}
		}
		return otherMeta, otherErr
	}
	return meta, err
}
