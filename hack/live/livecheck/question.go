// SPDX-License-Identifier: Apache-2.0

package livecheck

import "slices"

// Mark says how well the answer to a question was known before.
type Mark string

// Values of Mark.
const (
	Known    Mark = "K" // documented
	Probable Mark = "P" // said by one source
	Unknown  Mark = "U" // said by none
)

// Verdicts that mean that there is no answer, and why.
const (
	// NotChecked is for what this check cannot see or was not asked to try.
	NotChecked = "not-checked"
	// NotReached is for what comes after the point at which the check failed.
	NotReached = "not-reached"
	// NotShown means that the list hides the field, so that nothing can be said about it.
	NotShown = "not-shown"
	// NotApplicable means that another answer leaves nothing to ask.
	NotApplicable = "not-applicable"
)

// Verdicts that are common to several questions. Where a switch of the simulator asks the same, its values are the verdicts.
const (
	verdictOff        = "off"
	verdictEquivalent = "equivalent"
	verdictLossy      = "lossy"
	verdictFull       = "full"
	verdictOpenAPI    = "openapi"
	verdictPartial    = "partial"
	verdictMixed      = "mixed"
	verdictRefused    = "refused"
	verdictAccepted   = "accepted"
	verdictOther      = "other"
	// noLimit is for limits that were not met.
	noLimit = "none"
	// noHeaders is for answers that do not tell of the budget.
	noHeaders = "no-headers"
)

// Question is something that the check wants to know.
type Question struct {
	// ID is the name of the simulator's switch, where there is one.
	ID   string
	Mark Mark
	Asks string
	// Verdicts are the possible answers beside NotReached. None: a number, or a word for that there is none.
	Verdicts []string
	// Why is set for what cannot be seen over the Admin API: it says what would be needed.
	Why string
}

// Questions are all that is asked, in the order of the report.
func Questions() []Question {
	return slices.Concat(createQuestions(), updateQuestions(), filterQuestions(), limitQuestions(), receiverQuestions())
}

func createQuestions() []Question {
	echoes := []string{verdictFull, verdictOpenAPI, verdictPartial}
	return []Question{
		{ID: "create-status", Mark: Known, Asks: "status of a successful create", Verdicts: []string{"201", "200", verdictOther}},
		{ID: "create-body", Mark: Known, Asks: "shape of a create's answer", Verdicts: []string{"object", "wrapped"}},
		{ID: "create-echo", Mark: Unknown, Asks: "whether a create's answer shows every field", Verdicts: echoes},
		{ID: "echo", Mark: Unknown, Asks: "whether the list shows every field", Verdicts: echoes},
		{
			ID: "unset-fields", Mark: Probable, Asks: "how an unset filter or template is listed",
			Verdicts: []string{"empty", "absent", "null", verdictMixed, NotShown},
		},
		{
			ID: "unset-auth-scheme", Mark: Unknown, Asks: "which auth_scheme a trigger has that was made without one",
			Verdicts: []string{"default", "legacy_hmac", verdictOther, NotShown},
		},
		{
			ID: "filter-language", Mark: Unknown, Asks: "whether filter_language beside a filter is needed, listed or refused",
			Verdicts: []string{"accept", "echo", "require", "refuse"},
		},
		{ID: "timestamps", Mark: Known, Asks: "how instants are written", Verdicts: []string{"z", "offset", verdictOther}},
		{
			ID: "normalize-url", Mark: Unknown, Asks: "whether a URL is listed as it was sent",
			Verdicts: []string{verdictOff, verdictEquivalent, verdictLossy, verdictRefused},
		},
		{
			ID: "normalize-filter", Mark: Unknown, Asks: "whether a filter is listed as it was sent",
			Verdicts: []string{verdictOff, verdictEquivalent, verdictLossy, NotShown},
		},
		{
			ID: "normalize-template", Mark: Unknown, Asks: "whether a template is listed as it was sent",
			Verdicts: []string{verdictOff, verdictLossy, NotShown},
		},
		{ID: "list-lag", Mark: Unknown, Asks: "whether the list shows a write at once", Verdicts: []string{"0s", "lagging"}},
		{
			ID: "duplicate-key", Mark: Unknown, Asks: "what two triggers must not share",
			Verdicts: []string{"uri+event_type", "uri+event_type+filter", "none"},
		},
	}
}

func updateQuestions() []Question {
	clears := []string{"empty-object", "empty-string", "both", "neither", NotApplicable}
	return []Question{
		{
			ID: "update-semantics", Mark: Unknown, Asks: "what a PUT does to the fields that it leaves out",
			Verdicts: []string{"merge", "replace", verdictMixed},
		},
		{
			ID: "put-fields", Mark: Probable, Asks: "whether the PUT that moves the URL also sets the other fields",
			Verdicts: []string{"accept", "ignore", verdictPartial, verdictRefused},
		},
		{
			ID: "put-same-url", Mark: Unknown, Asks: "whether a PUT with the URL that the trigger has sets the other fields",
			Verdicts: []string{"accept", "ignore", verdictRefused},
		},
		{ID: "clear-filter", Mark: Probable, Asks: "what clears a filter in a PUT", Verdicts: clears},
		{ID: "clear-template", Mark: Unknown, Asks: "what clears a template in a PUT", Verdicts: clears},
		{ID: "put-url", Mark: Unknown, Asks: "whether a PUT must name the URL, by new_uri", Verdicts: []string{"new_uri", "either"}},
		{ID: "put-answer", Mark: Unknown, Asks: "what a PUT answers", Verdicts: []string{"message", "trigger", verdictOther}},
		{ID: "malformed-id", Mark: Known, Asks: "how a delete by what cannot be an id is answered", Verdicts: []string{"malformed", "not-found", verdictOther}},
		{ID: "unknown-id", Mark: Known, Asks: "how a trigger that is gone is answered", Verdicts: []string{"not-found", verdictOther}},
	}
}

func filterQuestions() []Question {
	refusals := []string{verdictRefused, verdictAccepted}
	return []Question{
		{ID: "test", Mark: Known, Asks: "whether a test evaluates the trigger's filter", Verdicts: []string{"evaluates", verdictOther}},
		{ID: "test-without-sample", Mark: Known, Asks: "whether a test needs a sample", Verdicts: []string{verdictAccepted, verdictRefused}},
		{
			ID: "filter-operators", Mark: Probable, Asks: "whether startsWith, endsWith, contains and matches are operators",
			Verdicts: []string{"all", "some", "none"},
		},
		{ID: "bad-filter", Mark: Unknown, Asks: "how a filter with an unknown operator is answered", Verdicts: refusals},
		{ID: "bad-template", Mark: Unknown, Asks: "how a template that is no Mustache is answered", Verdicts: refusals},
		{ID: "bad-auth-scheme", Mark: Unknown, Asks: "how an unknown auth_scheme is answered", Verdicts: refusals},
	}
}

func limitQuestions() []Question {
	return []Question{
		{ID: "rate-limit", Mark: Known, Asks: "how many calls an hour are allowed"},
		{ID: "url-limit", Mark: Known, Asks: "how many different URLs are allowed"},
		{
			ID: "move-at-limit", Mark: Unknown, Asks: "whether a trigger that is alone at its URL can move at the limit",
			Verdicts: []string{"allowed", verdictRefused, NotApplicable, NotChecked},
		},
		{
			ID: "put-limit-check", Mark: Unknown, Asks: "whether a PUT to a new URL counts against the limit",
			Verdicts: []string{"true", "false", NotApplicable, NotChecked},
		},
	}
}

// receiverQuestions are left open by design: they are listed so that nobody takes the table for all there is to know.
func receiverQuestions() []Question {
	needsReceiver := "can only be seen where notifications arrive"
	open := func(id string, mark Mark, asks, why string) Question {
		return Question{ID: id, Mark: mark, Asks: asks, Why: why, Verdicts: []string{NotChecked}}
	}
	return []Question{
		open("rate-limit-status", Known, "status of a call beyond the budget", "would need the whole budget to be used up"),
		open("filter-limits", Unknown, "how large and how deep a filter may be", "would need many calls"),
		open("signature-v2", Unknown, "what X-Cld-Signature_v2 signs, and how it is written", needsReceiver),
		open("notification-bodies", Probable, "what the bodies of the event types hold", needsReceiver),
		open("retry-schedule", Probable, "when a notification is sent again", needsReceiver),
		open("retry-timestamp", Unknown, "whether a notification that is sent again is signed anew", needsReceiver),
		open("template-escaping", Unknown, "whether {{name}} in a template escapes HTML", needsReceiver),
	}
}
