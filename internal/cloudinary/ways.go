// SPDX-License-Identifier: Apache-2.0

package cloudinary

// Some of the Admin API is not documented. What follows are the ways to write the same request, of which one is tried after the
// other where it is refused.

// OtherLanguage is the spec with the language of its filter, if it had none, or without it; false: it has no filter. Whether a server
// needs to be told the language, or refuses to, is not documented.
func (s TriggerSpec) OtherLanguage() (TriggerSpec, bool) {
	if s.FilterLanguage == "" {
		s.FilterLanguage = JSONLogic
	} else {
		s.FilterLanguage = ""
	}
	return s, s.Filter != nil
}

// Way is how to write an update.
type Way struct {
	Spec  TriggerSpec
	Forms UpdateOptions
}

// OtherWays are all but the one that was tried: the language of a filter told otherwise, other ways to clear what is unset, and both.
func (s TriggerSpec) OtherWays(tried UpdateOptions) []Way {
	var ways []Way
	for _, forms := range otherForms(s, tried) {
		ways = append(ways, Way{s, forms})
	}
	other, hasFilter := s.OtherLanguage()
	if !hasFilter {
		return ways
	}
	for _, forms := range append([]UpdateOptions{tried}, otherForms(s, tried)...) {
		ways = append(ways, Way{other, forms})
	}
	return ways
}

// otherForms are the other ways to clear what the spec leaves unset.
func otherForms(spec TriggerSpec, tried UpdateOptions) []UpdateOptions {
	template, filter, both := tried, tried, tried
	template.ClearTemplate = otherForm(tried.ClearTemplate)
	filter.ClearFilter = otherForm(tried.ClearFilter)
	both.ClearTemplate, both.ClearFilter = template.ClearTemplate, filter.ClearFilter
	switch {
	case spec.PayloadTemplate == nil && spec.Filter == nil:
		return []UpdateOptions{template, filter, both}
	case spec.PayloadTemplate == nil:
		return []UpdateOptions{template}
	case spec.Filter == nil:
		return []UpdateOptions{filter}
	default:
		return nil
	}
}

func otherForm(f EmptyForm) EmptyForm {
	if f == EmptyString {
		return EmptyObject
	}
	return EmptyString
}
