// SPDX-License-Identifier: Apache-2.0

package cloudinary

// Parts of the Admin API are not documented. These are the ways to write the same request. If a
// server refuses one, the next one is tried.

// OtherLanguage is the spec with the language of its filter added or removed; false: it has no
// filter. It is not documented whether a server needs the language, or refuses it.
func (s TriggerSpec) OtherLanguage() (TriggerSpec, bool) {
	if s.FilterLanguage == "" {
		s.FilterLanguage = JSONLogic
	} else {
		s.FilterLanguage = ""
	}
	return s, s.Filter != nil
}

// Way is a way to write an update.
type Way struct {
	Spec  TriggerSpec
	Forms UpdateOptions
}

// OtherWays are all ways except the one that was tried: with or without the language of the filter,
// with other forms of unset fields, and both.
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

// otherForms are the other forms of the spec's unset fields.
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
