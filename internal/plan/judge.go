// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"slices"
	"time"
)

// The names of the managed fields, as a person sees them in the spec.
const (
	fieldURL             = "url"
	fieldAdditive        = "additive"
	fieldFilter          = "filter"
	fieldPayloadTemplate = "payloadTemplate"
	fieldAuthScheme      = "authScheme"
)

const (
	// repairMemory is how long a difference that was written over counts as the same one coming back.
	repairMemory = time.Hour
	// maxUpdates is how often the same difference is written over in place within repairMemory, once each
	// write was seen to have worked: the third time it is somebody else's will.
	maxUpdates = 2
	// maxReplacements is how often a trigger is replaced within repairMemory, whatever it reads back as.
	maxReplacements = 3
	// maxRepairs is how often a trigger is repaired, whatever differs, as long as no two repairs are repairMemory apart.
	maxRepairs = 6
)

// judgment is what has to be done about one trigger of ours.
type judgment int

const (
	inSync judgment = iota
	confirming
	update
	replace
	stuck
)

// shown is which fields a list shows, learned from all its triggers.
type shown map[string]bool

func fieldsShown(observed []Observed) shown {
	s := shown{}
	for _, o := range observed {
		if !o.webhook() {
			continue
		}
		for _, f := range o.fields() {
			s[f] = true
		}
	}
	return s
}

// fields are those that the list shows for this trigger. What the answer to a create shows says nothing about lists.
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

// reading is what a list says of one trigger, set against what is wanted.
type reading struct {
	differences []Difference
	unknown     bool // at least one field cannot be told
}

// read compares. A field that is not shown has its default where it was shown before or is shown for other triggers;
// for a trigger to which nothing was ever sent also where the list shows other managed fields of it. Otherwise it is unknown.
func read(rec Record, o Observed, wantURL string, want Settings, list shown) reading {
	var r reading
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

func (r reading) hash() string {
	var texts []string
	for _, d := range r.differences {
		texts = append(texts, d.Field, d.Have)
	}
	return hashOf(texts...)
}

// opinion is what judge thinks of one trigger of ours.
type opinion struct {
	judgment judgment
	record   Record // as it is to be kept, whether or not a write follows
	repair   Repair // to be recorded with the write, if one follows
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
func judge(in *Input, list shown, rec Record, o Observed, wantURL string, want Settings) opinion {
	r := read(rec, o, wantURL, want, list)
	wantHash := SentHash(wantURL, want)
	rec.Echoed = merged(rec.Echoed, o.fields())
	rec.Differences = r.differences
	matches := len(r.differences) == 0

	switch {
	case o.Written && rec.SentHash == wantHash:
		rec.Differences = nil
		return opinion{confirming, rec, Repair{}}
	case rec.SentHash != wantHash && matches && !r.unknown && !o.Written && in.settled(rec):
		rec.SentHash, rec.ConfirmedHash, rec.SentAt, rec.Repair = wantHash, wantHash, time.Time{}, Repair{}
		rec.URL = wantURL
		return opinion{inSync, rec, Repair{}}
	case rec.SentHash != wantHash && (r.unknown || o.Written):
		// Should we not live to see the outcome, no list will tell it: from now on nothing is known to have been sent.
		rec.SentHash, rec.ConfirmedHash = "", ""
		return opinion{update, rec, Repair{}}
	case rec.SentHash != wantHash:
		return opinion{update, rec, Repair{}}
	case matches && r.unknown && !in.ListedAt.After(rec.SentAt):
		return opinion{confirming, rec, Repair{}}
	case matches:
		rec.ConfirmedHash, rec.URL = rec.SentHash, wantURL
		if rec.Repair.Updates > maxUpdates && rec.Repair.ReadHash != goneHash {
			rec.Repair = Repair{}
		}
		return opinion{inSync, rec, Repair{}}
	case rec.ConfirmedHash != rec.SentHash:
		return judgeUnconfirmed(in, rec, r)
	default:
		return judgeDrift(in, rec, r)
	}
}

// settled reports whether a list is new enough to show the last write to a trigger.
func (in *Input) settled(r Record) bool {
	return !in.ListedAt.Before(r.SentAt.Add(in.Settle))
}

// judgeUnconfirmed decides about a write that reads back as something else.
func judgeUnconfirmed(in *Input, rec Record, r reading) opinion {
	have := r.hash()
	last := rec.Repair
	recent := last.recent(in.Now)
	switch {
	case !in.settled(rec):
		return opinion{confirming, rec, Repair{}}
	case last.ReadHash == have && last.Replacements > 0, recent && last.Replacements >= maxReplacements:
		return opinion{stuck, rec, Repair{}}
	case recent:
		return opinion{replace, rec, Repair{ReadHash: have, Replacements: last.Replacements + 1, Total: last.Total, LastAt: in.Now}}
	default:
		return opinion{replace, rec, Repair{ReadHash: have, Replacements: 1, LastAt: in.Now}}
	}
}

// judgeDrift decides about a write that was seen to work, and was undone.
func judgeDrift(in *Input, rec Record, r reading) opinion {
	have, last := r.hash(), rec.Repair
	recent, same := last.recent(in.Now), last.ReadHash == have
	repair := Repair{ReadHash: have, Updates: 1, Total: last.next(in.Now), LastAt: in.Now}
	switch {
	case same && last.Updates > maxUpdates:
		return opinion{stuck, rec, Repair{}}
	case same && recent && last.Updates == maxUpdates, repair.Total > maxRepairs:
		rec.Repair.ReadHash, rec.Repair.Updates = have, maxUpdates+1 // stays so as long as this does, however long it takes
		return opinion{stuck, rec, Repair{}}
	case same && recent:
		repair.Updates += last.Updates
	}
	return opinion{update, rec, repair}
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
