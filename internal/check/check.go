// SPDX-License-Identifier: Apache-2.0

// Package check checks manifests: what the operator refuses, what is most likely a mistake, and
// notes on the rest. The manager's conditions and the commands plan, preview and export of the
// plugin all use it, so that they agree.
//
// It is pure: the input is specs, the output findings. It knows neither a cluster nor Cloudinary,
// and repeats nothing that may be a secret.
package check

import (
	"slices"
	"strings"

	"github.com/cloudinary-operator/cloudinary-operator/internal/excerpt"
)

// Severity is the consequence of a finding for the object.
type Severity int

const (
	// Note is about something that may be intended.
	Note Severity = iota
	// Doubt is about something that is most likely a mistake. The operator tries it all the same,
	// because Cloudinary may know more than it does. A pipeline should stop.
	Doubt
	// Refusal means that the operator does not accept the object.
	Refusal
)

// The fields of findings, besides those with the name of an element.
const (
	FieldURL        = "spec.url"
	FieldBaseURL    = "spec.receiver.baseURL"
	FieldEventTypes = "spec.eventTypes"
)

// Finding is one remark on an object.
type Finding struct {
	Severity Severity
	// Reason is a condition's; a Refusal has one.
	Reason string
	// Field is the place of the finding. It is empty if the finding concerns no field of the
	// object.
	Field string
	// Why is the cause and Advice the way out. Why may have both.
	Why, Advice string
}

// String is the finding as text: field, cause, way out.
func (f Finding) String() string {
	text := f.Why
	if f.Field != "" {
		text = f.Field + ": " + text
	}
	if f.Advice != "" {
		text += ". " + capitalized(f.Advice)
	}
	return text
}

// Refusals are the findings for which the object is not accepted.
func Refusals(all []Finding) []Finding {
	return slices.DeleteFunc(slices.Clone(all), func(f Finding) bool { return f.Severity != Refusal })
}

// Notes are all other findings.
func Notes(all []Finding) []Finding {
	return slices.DeleteFunc(slices.Clone(all), func(f Finding) bool { return f.Severity == Refusal })
}

// Join returns findings as sentences in one text.
func Join(findings []Finding) string {
	texts := make([]string, len(findings))
	for i, f := range findings {
		texts[i] = f.String()
		if i > 0 {
			texts[i] = capitalized(texts[i])
		}
	}
	return strings.Join(texts, ". ")
}

// Sentence makes a sentence of a clause, or of several sentences. A text that begins with the path
// of a field keeps its beginning.
func Sentence(text string) string {
	text = capitalized(text)
	if text == "" || strings.HasSuffix(text, ".") {
		return text
	}
	return text + "."
}

// capitalized begins a text with a capital letter, unless its first word is more than a word.
func capitalized(text string) string {
	word, _, _ := strings.Cut(text, " ")
	if word == "" || strings.Trim(word, "abcdefghijklmnopqrstuvwxyz,") != "" {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

const (
	noteMark = ". Note: "
	// maxNotes is the largest size of the notes in a condition's message, in bytes. A message may
	// have 32768, and up to three conditions have the same notes.
	maxNotes = 4 << 10
)

// Annotate appends notes to a condition's message.
func Annotate(message string, notes []Finding) string {
	if len(notes) == 0 {
		return message
	}
	return strings.TrimSuffix(message, ".") + noteMark + excerpt.Shorten(Join(notes), maxNotes)
}

// NotesIn returns the notes in a message of Annotate. Empty: it has none.
func NotesIn(message string) string {
	_, notes, _ := strings.Cut(message, noteMark)
	return notes
}
