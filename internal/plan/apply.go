// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Result is how a call at Cloudinary ended.
type Result int

// The results.
const (
	// Done means it took effect.
	Done Result = iota
	// Gone means there is no such trigger (any more).
	Gone
	// Refused means that Cloudinary refused the request. It would refuse the same request again.
	Refused
	// Exists means that there is a trigger at that place, which the list did not show.
	Exists
	// NotSent means that the call had no effect and can be repeated.
	NotSent
	// Unknown means that the call may or may not have had an effect.
	Unknown
)

// Outcome is how a step ended.
type Outcome struct {
	Result  Result
	At      time.Time // of the call, by Cloudinary's clock
	Trigger Observed  // of a create that is Done
	Message string    // of a refusal: Cloudinary's message
	Limit   bool      // of a refusal: the URL limit was the reason
}

const (
	// RefusalMemory is how long the operator does not repeat a change that Cloudinary refused.
	RefusalMemory = time.Hour
	// firstStatePause and longestStatePause bound the pause after a refusal that is about the state
	// at Cloudinary. They apply if each list since has shown nothing new and the retry was refused
	// too.
	firstStatePause   = 10 * time.Second
	longestStatePause = 10 * time.Minute
)

// statePause is the shortest time until the next attempt, after so many refusals in a row about the
// state at Cloudinary. After the first one, a new list is enough.
func statePause(times int) time.Duration {
	const doublings = 6 // takes it beyond the longest
	if times <= 1 {
		return 0
	}
	return min(longestStatePause, firstStatePause<<min(times-2, doublings))
}

// Intend records that a create is about to be called. Store it before the call. If the call is not
// made, Apply with NotSent takes it back.
func Intend(in *Input, s Step, at time.Time) {
	o := in.object(s.Object)
	o.Records = slices.DeleteFunc(slices.Clone(o.Records), func(r Record) bool { return r.originOnly() && r.place() == s.place() })
	o.Records = append(o.Records, Record{
		EventType: s.EventType, URL: s.URL, Secret: s.Secret, Origin: s.Origin,
		IntendedAt: at, SentHash: s.Hash, Repair: s.Repair,
	})
}

// forgetRefuted drops the overdue calls that a successful create proves to be without effect:
// Cloudinary would have refused the same trigger a second time.
func (o *Object) forgetRefuted(s Step) {
	o.Records = slices.DeleteFunc(o.Records, func(r Record) bool {
		return r.overdue() && r.EventType == s.EventType && r.URL == s.URL && r.SentHash == s.Hash
	})
}

// Apply updates the input with the outcome of a step, so that the next plan has the steps that
// remain. The input's records must be those of the plan's verdicts. A Replace is applied as its two
// halves: the Delete, then the Create. Apply replaces the slices of the input and does not change
// their elements, which may belong to a cache.
func Apply(in *Input, s Step, out Outcome) {
	switch s.Action {
	case Create:
		in.applyCreate(s, out)
	case Update:
		in.applyUpdate(s, out)
	case Delete:
		if out.Result == Done || out.Result == Gone {
			in.forget(s)
		}
	case Replace: // applied as its halves
	}
	switch out.Result {
	case Refused, Exists:
		in.refuse(s, out)
	case Done, Gone:
		delete(in.Refusals, s.place())
	case NotSent, Unknown:
	}
}

// Halves splits a Replace into its Delete and its Create. Make the Create only if the Delete ends
// as Done or Gone. Otherwise apply it as NotSent.
func (s Step) Halves() (Step, Step) {
	del, create := s, s
	del.Action, create.Action = Delete, Create
	create.ID = ""
	return del, create
}

func (in *Input) object(k Key) *Object {
	i := slices.IndexFunc(in.Objects, func(o Object) bool { return o.Key == k })
	return &in.Objects[i]
}

// record finds the record of a step: by id, or without an id the intent at its place.
func (in *Input) record(s Step) (*Object, int) {
	o := in.object(s.Object)
	return o, slices.IndexFunc(o.Records, func(r Record) bool {
		return r.ID == s.ID && (s.ID != "" || r.place() == s.place() && !r.overdue())
	})
}

func (in *Input) applyCreate(s Step, out Outcome) {
	o, i := in.record(s)
	if i < 0 {
		return
	}
	switch out.Result {
	case Done:
		r := o.edit(i)
		r.ID, r.Origin, r.SentAt, r.IntendedAt = out.Trigger.ID, s.Origin, out.At, time.Time{}
		created := out.Trigger
		created.Written = true
		created.EventType = s.EventType
		created.URL = cmp.Or(created.URL, s.URL)
		in.Observed = append(slices.Clip(in.Observed), created)
		o.forgetRefuted(s)
	case Unknown: // the intent stays
	case Gone, Refused, Exists, NotSent:
		if s.Origin == Adopted {
			// The rest of a replacement: its origin must not be lost
			o.edit(i).IntendedAt = time.Time{}
			return
		}
		o.drop(i)
	}
}

func (in *Input) applyUpdate(s Step, out Outcome) {
	o, i := in.record(s)
	if i < 0 {
		return
	}
	switch out.Result {
	case Done:
		r := o.edit(i)
		r.URL, r.SentHash, r.SentAt, r.ConfirmedHash, r.Repair = s.URL, s.Hash, out.At, "", s.Repair
		if s.Unlisted {
			in.recordFound(s)
		} else {
			in.markWritten(s)
		}
	case Gone:
		if s.Unlisted {
			in.recordGone(s)
		} else {
			in.forget(s)
		}
	case Unknown:
		// A list after the settle time shows the state. If it does not show the change, the change
		// is sent again.
		r := o.edit(i)
		r.SentHash, r.ConfirmedHash, r.SentAt = "", "", out.At
	case Refused, Exists, NotSent:
	}
}

// edit returns a record to write to, in a copy of the object's records.
func (o *Object) edit(i int) *Record {
	o.Records = slices.Clone(o.Records)
	return &o.Records[i]
}

func (o *Object) drop(i int) {
	o.Records = slices.Delete(slices.Clone(o.Records), i, i+1)
}

// markWritten records that a trigger has changed since the list.
func (in *Input) markWritten(s Step) {
	i := slices.IndexFunc(in.Observed, func(o Observed) bool { return o.ID == s.ID })
	if i < 0 {
		return
	}
	in.Observed = slices.Clone(in.Observed)
	in.Observed[i].URL, in.Observed[i].Written = s.URL, true
}

// forget drops a trigger that is gone, and its record.
func (in *Input) forget(s Step) {
	if o, i := in.record(s); i >= 0 {
		o.drop(i)
	}
	in.Observed = slices.DeleteFunc(slices.Clone(in.Observed), func(t Observed) bool { return t.ID == s.ID })
}

func (in *Input) refuse(s Step, out Outcome) {
	if in.Refusals == nil {
		in.Refusals = map[Place]Refusal{}
	}
	maps.DeleteFunc(in.Refusals, func(_ Place, r Refusal) bool { return !in.Now.Before(r.Until) })
	times := 1
	if last, again := in.Refusals[s.place()]; again && last.appliesTo(s) {
		times += last.Times
	}
	in.Refusals[s.place()] = Refusal{
		Action: s.Action, Hash: s.Hash, Limit: out.Limit, Exists: out.Result == Exists, Message: out.Message,
		URLs: hashOf(urlsOf(in.Observed)...), At: out.At, Times: times, Until: in.Now.Add(RefusalMemory),
	}
}
