// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"slices"
	"time"
)

// The names of the managed fields, as a person finds them in the spec.
const (
	fieldURL             = "url"
	fieldAdditive        = "additive"
	fieldFilter          = "filter"
	fieldPayloadTemplate = "payloadTemplate"
	fieldAuthScheme      = "authScheme"
)

const (
	// repairMemory is how long an overwritten difference counts as the same one if it returns.
	repairMemory = time.Hour
	// maxUpdates is how often the same difference is overwritten in place within repairMemory, if
	// each write was seen to work. The third time somebody else wants it.
	maxUpdates = 2
	// maxReplacements is how often a trigger is replaced within repairMemory, regardless of its
	// differences.
	maxReplacements = 3
	// maxRepairs is how often a trigger is repaired for any difference, as long as no two repairs
	// are repairMemory apart.
	maxRepairs = 6
)

// judgment is the result of judge: in sync, or the next action.
type judgment int

const (
	inSync judgment = iota
	confirming
	update
	replace
	stuck
)

// shownFields are the fields that a list shows, for any of its triggers.
type shownFields map[string]bool

func fieldsShown(observed []Observed) shownFields {
	s := shownFields{}
	for _, o := range observed {
		if !o.isWebhook() {
			continue
		}
		for _, f := range o.fields() {
			s[f] = true
		}
	}
	return s
}

// fields are the fields that the list shows for this trigger. The answer to a create says nothing
// about lists.
func (o Observed) fields() []string {
	var fields []string
	if o.Written {
		return nil
	}
	if o.Additive != nil {
		fields = append(fields, fieldAdditive)
	}
	if o.Filter != nil {
		fields = append(fields, fieldFilter)
	}
	if o.PayloadTemplate != nil {
		fields = append(fields, fieldPayloadTemplate)
	}
	if o.AuthScheme != nil {
		fields = append(fields, fieldAuthScheme)
	}
	return fields
}

// diff is the result of comparing a listed trigger with the spec.
type diff struct {
	differences []Difference
	unknown     bool // the list does not tell at least one field
}

// compare compares a listed trigger with the spec. A field that is not shown has its default if the
// list showed it before, or shows it for other triggers. For a trigger that the operator never
// wrote, it also has its default if the list shows other managed fields of it. Otherwise it is
// unknown.
func compare(rec Record, o Observed, wantURL string, want Settings, list shownFields) diff {
	var r diff
	known := func(field string) bool {
		if list[field] || slices.Contains(rec.Echoed, field) {
			return true
		}
		return rec.SentHash == "" && (o.Additive != nil || o.AuthScheme != nil)
	}
	differ := func(field, want, have string) {
		r.differences = append(r.differences, Difference{Field: field, Want: want, Have: have})
	}
	if CanonicalURL(o.URL) != CanonicalURL(wantURL) {
		differ(fieldURL, wantURL, o.URL)
	}
	text := func(field string, have *string, unset, want string, equal func(a, b string) bool) {
		switch {
		case have == nil && !known(field):
			r.unknown = true
		case have == nil:
			have = &unset
			fallthrough
		default:
			if !equal(*have, want) {
				differ(field, want, *have)
			}
		}
	}
	same := func(a, b string) bool { return a == b }
	var additive *string
	if o.Additive != nil {
		s := fmt.Sprint(*o.Additive)
		additive = &s
	}
	text(fieldAdditive, additive, "false", fmt.Sprint(want.Additive), same)
	text(fieldFilter, o.Filter, "", want.Filter, equalFilters)
	text(fieldPayloadTemplate, o.PayloadTemplate, "", want.PayloadTemplate, same)
	text(fieldAuthScheme, o.AuthScheme, DefaultAuthScheme, want.AuthScheme, same)
	return r
}

func (r diff) hash() string {
	var texts []string
	for _, d := range r.differences {
		texts = append(texts, d.Field, d.Have)
	}
	return hashOf(texts...)
}

// decision is what judge decides about one trigger of ours.
type decision struct {
	judgment judgment
	record   Record // the record to keep, with or without a write
	repair   Repair // to record with the write, if there is one
}

// judge decides about a trigger of ours.
//
//	sent what is wanted? | list shows it     | last write was seen | then
//	---------------------+-------------------+---------------------+----------------------------------------------------
//	yes                  | (is older)        | -                   | look at the next list
//	no                   | all of it         | -                   | in sync (adopted as it is, or handed over), unless the
//	                     |                   |                     | list may be older than what was sent last: then update
//	no                   | not, or unknown   | -                   | update
//	yes                  | all of it         | -                   | in sync; the write is confirmed
//	yes                  | some unknown      | -                   | in sync by its hash, if the list is newer than the write
//	yes                  | something else    | no                  | look again after Settle; then replace, once; then stuck
//	yes, never the same  | something else    | no                  | as before, but stuck after maxReplacements
//	yes                  | something else    | yes (drift)         | update; the same again: once more; then stuck
//	yes, never the same  | something else    | yes (drift)         | update, and stuck after maxRepairs for the rest of repairMemory
//
// Stuck ends when either side changes.
func judge(in *Input, list shownFields, rec Record, o Observed, wantURL string, want Settings) decision {
	r := compare(rec, o, wantURL, want, list)
	wantHash := SentHash(wantURL, want)
	rec.Echoed = merged(rec.Echoed, o.fields())
	rec.Differences = r.differences
	matches := len(r.differences) == 0

	switch {
	case o.Written && rec.SentHash == wantHash:
		rec.Differences = nil
		return decision{confirming, rec, Repair{}}
	case rec.SentHash != wantHash && matches && !r.unknown && !o.Written && in.settled(rec):
		rec.SentHash, rec.ConfirmedHash, rec.SentAt, rec.Repair = wantHash, wantHash, time.Time{}, Repair{}
		rec.URL = wantURL
		return decision{inSync, rec, Repair{}}
	case rec.SentHash != wantHash && (r.unknown || o.Written):
		// If the process ends before it knows the outcome, no list can tell it. So the record no
		// longer names a last write.
		rec.SentHash, rec.ConfirmedHash = "", ""
		return decision{update, rec, Repair{}}
	case rec.SentHash != wantHash:
		return decision{update, rec, Repair{}}
	case matches && r.unknown && !in.ListedAt.After(rec.SentAt):
		return decision{confirming, rec, Repair{}}
	case matches:
		rec.ConfirmedHash, rec.URL = rec.SentHash, wantURL
		if rec.Repair.Updates > maxUpdates && rec.Repair.ReadHash != goneHash {
			rec.Repair = Repair{}
		}
		return decision{inSync, rec, Repair{}}
	case rec.ConfirmedHash != rec.SentHash:
		return judgeUnconfirmed(in, rec, r)
	default:
		return judgeDrift(in, rec, r)
	}
}

// settled reports whether the list began late enough to show the last write to a trigger.
func (in *Input) settled(r Record) bool {
	return !in.ListedAt.Before(r.SentAt.Add(in.Settle))
}

// judgeUnconfirmed decides about a write that the list shows with other values.
func judgeUnconfirmed(in *Input, rec Record, r diff) decision {
	have := r.hash()
	last := rec.Repair
	recent := last.recent(in.Now)
	switch {
	case !in.settled(rec):
		return decision{confirming, rec, Repair{}}
	case last.ReadHash == have && last.Replacements > 0, recent && last.Replacements >= maxReplacements:
		return decision{stuck, rec, Repair{}}
	case recent:
		return decision{replace, rec, Repair{ReadHash: have, Replacements: last.Replacements + 1, Total: last.Total, LastAt: in.Now}}
	default:
		return decision{replace, rec, Repair{ReadHash: have, Replacements: 1, LastAt: in.Now}}
	}
}

// judgeDrift decides about a write that the list confirmed and that somebody undid.
func judgeDrift(in *Input, rec Record, r diff) decision {
	have, last := r.hash(), rec.Repair
	recent, same := last.recent(in.Now), last.ReadHash == have
	repair := Repair{ReadHash: have, Updates: 1, Total: last.next(in.Now), LastAt: in.Now}
	switch {
	case same && last.Updates > maxUpdates:
		return decision{stuck, rec, Repair{}}
	case same && recent && last.Updates == maxUpdates, repair.Total > maxRepairs:
		// Stays so as long as this does, however long it takes
		rec.Repair.ReadHash, rec.Repair.Updates = have, maxUpdates+1
		return decision{stuck, rec, Repair{}}
	case same && recent:
		repair.Updates += last.Updates
	}
	return decision{update, rec, repair}
}

func merged(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

func fieldNames(differences []Difference) []string {
	var names []string
	for _, d := range differences {
		names = append(names, d.Field)
	}
	return names
}
