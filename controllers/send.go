// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

// send makes the call and says how it ended.
func (a *applier) send(ctx context.Context, c *cloudinary.Client, s plan.Step) (plan.Outcome, error) {
	var created cloudinary.Trigger
	var meta cloudinary.Meta
	var err error
	switch s.Action {
	case plan.Create:
		created, meta, err = c.CreateTrigger(ctx, triggerSpecFrom(s))
	case plan.Update:
		meta, err = a.update(ctx, c, s)
	case plan.Delete:
		meta, err = c.DeleteTrigger(ctx, s.ID)
	case plan.Replace:
		return plan.Outcome{}, errors.New("a replace is called as its halves")
	}
	now := a.Now()
	a.env.called(meta, now)
	out := plan.Outcome{Result: resultOf(err), At: a.env.clock.at(now), Limit: cloudinary.IsLimitReached(err)}
	if err == nil && s.Action == plan.Create {
		out.Trigger = observedFromOne(created)
	}
	if refused, ok := errors.AsType[*cloudinary.Error](err); ok {
		out.Message = refused.Message
	}
	return out, err
}

// update sends an update. Which forms clear a filter and a template is not documented: where those that were taken last are
// refused, the others are tried, and remembered where they are taken.
func (a *applier) update(ctx context.Context, c *cloudinary.Client, s plan.Step) (cloudinary.Meta, error) {
	spec := triggerSpecFrom(s)
	meta, err := c.UpdateTrigger(ctx, s.ID, spec, a.env.clearForms)
	if !cloudinary.IsInvalid(err) {
		return meta, err
	}
	for _, forms := range otherForms(spec, a.env.clearForms) {
		a.Metrics.call(a.g.environment.CloudName, plan.Update.String(), err)
		a.env.called(meta, a.Now())
		otherMeta, otherErr := c.UpdateTrigger(ctx, s.ID, spec, forms)
		if cloudinary.IsInvalid(otherErr) {
			continue
		}
		if otherErr == nil {
			a.env.clearForms = forms
		}
		return otherMeta, otherErr
	}
	return meta, err
}

// otherForms are the other ways to clear what the spec leaves unset.
func otherForms(spec cloudinary.TriggerSpec, tried cloudinary.UpdateOptions) []cloudinary.UpdateOptions {
	template, filter, both := tried, tried, tried
	template.ClearTemplate = otherForm(tried.ClearTemplate)
	filter.ClearFilter = otherForm(tried.ClearFilter)
	both.ClearTemplate, both.ClearFilter = template.ClearTemplate, filter.ClearFilter
	switch {
	case spec.PayloadTemplate == nil && spec.Filter == nil:
		return []cloudinary.UpdateOptions{template, filter, both}
	case spec.PayloadTemplate == nil:
		return []cloudinary.UpdateOptions{template}
	case spec.Filter == nil:
		return []cloudinary.UpdateOptions{filter}
	default:
		return nil
	}
}

func otherForm(f cloudinary.EmptyForm) cloudinary.EmptyForm {
	if f == cloudinary.EmptyString {
		return cloudinary.EmptyObject
	}
	return cloudinary.EmptyString
}

func resultOf(err error) plan.Result {
	switch {
	case err == nil:
		return plan.Done
	case cloudinary.IsAmbiguous(err):
		return plan.Unknown
	case cloudinary.IsNotFound(err):
		return plan.Gone
	case cloudinary.IsAlreadyExists(err):
		return plan.Exists
	case cloudinary.IsLimitReached(err), cloudinary.IsInvalid(err):
		return plan.Refused
	default:
		return plan.NotSent
	}
}
