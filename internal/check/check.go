// SPDX-License-Identifier: Apache-2.0

// Package check judges manifests: what the operator refuses, what most likely is a mistake, and what there is to know of the rest. The
// manager's conditions, kubectl cloudinary plan and preview, and export all go by it, so that what one of them lets pass the others do too.
//
// It is pure: specs go in, findings come out. It must know neither a cluster nor Cloudinary, and repeats nothing that may be a secret.
package check

import (
	"slices"
	"strings"

	"github.com/cloudinary-operator/cloudinary-operator/internal/excerpt"
)

// Severity is what a finding means for the object.
type Severity int

const (
	// Note is about something that may be meant.
	Note Severity = iota
	// Doubt is about something that most likely is a mistake. The operator tries it all the same, since it may know less than Cloudinary
	// does; a pipeline should stop.
	Doubt
	// Refusal means that the operator does not accept the object.
	Refusal
)

// The fields that findings are about, besides those that are made of an element's name.
const (
	FieldURL        = "spec.url"
	FieldBaseURL    = "spec.receiver.baseURL"
	FieldEventTypes = "spec.eventTypes"
)

// Finding is one thing that there is to say of an object.
type Finding struct {
	Severity Severity
	// Reason is a condition's; a Refusal has one.
	Reason string
	// Field is where it is. It may be empty, where it is no field of the object.
	Field string
	// Why says what is the matter, and Advice what to do; Why may have that in it.
	Why, Advice string
}

// String is the finding as one clause: field, why, what to do.
func (f Finding) String() string {
	text := f.Why
	if f.Field != "" {
		text = f.Field + ": " + text
	}
	if f.Advice != "" {
		text += "; " + f.Advice
	}
	return text
}

// Refusals are those findings for which the object is not accepted.
func Refusals(all []Finding) []Finding {
	return slices.DeleteFunc(slices.Clone(all), func(f Finding) bool { return f.Severity != Refusal })
}

// Notes are all other findings.
func Notes(all []Finding) []Finding {
	return slices.DeleteFunc(slices.Clone(all), func(f Finding) bool { return f.Severity == Refusal })
}

// Join is findings as clauses in one text.
func Join(findings []Finding) string {
	texts := make([]string, len(findings))
	for i, f := range findings {
		texts[i] = f.String()
	}
	return strings.Join(texts, "; ")
}

const (
	noteMark = "; note: "
	// maxNotes is how many bytes of notes a condition's message has. It may have 32768, and there are up to three with the same notes.
	maxNotes = 4 << 10
)

// Annotate is a condition's message with notes behind it.
func Annotate(message string, notes []Finding) string {
	if len(notes) == 0 {
		return message
	}
	return strings.TrimSuffix(message, ".") + noteMark + excerpt.Shorten(Join(notes), maxNotes)
}

// NotesIn returns the notes of a message that Annotate made; empty: it has none.
func NotesIn(message string) string {
	_, notes, _ := strings.Cut(message, noteMark)
	return notes
}
