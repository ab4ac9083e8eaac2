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
	// Refused means Cloudinary said no to what was asked; the same will be refused again.
	Refused
	// Exists means there is a trigger at that place already, which the list did not show.
	Exists
	// NotSent means the call had no effect, and may be made again.
	NotSent
	// Unknown means it may have taken effect or not.
	Unknown
)

// Outcome is how a step ended.
type Outcome struct {
	Result  Result
	At      time.Time // of the call, by Cloudinary's clock
	Trigger Observed  // of a create that is Done
	Message string    // of a refusal: Cloudinary's word
	Limit   bool      // of a refusal: the limit of URLs was the reason
}

const (
	// RefusalMemory is how long the same change is not asked for again after Cloudinary has refused it.
	RefusalMemory = time.Hour
	// firstStatePause and longestStatePause bound how long it is not asked for again where what is at Cloudinary was the reason, each list
	// since has shown nothing new, and asking again was refused too.
	firstStatePause   = 10 * time.Second
	longestStatePause = 10 * time.Minute
)

// statePause is the least time until something is asked for again that was refused so many times in a row for what is at Cloudinary. The first
// time a list is enough.
func statePause(times int) time.Duration {
	const doublings = 6 // takes it beyond the longest
	if times <= 1 {
		return 0
	}
	return min(longestStatePause, firstStatePause<<min(times-2, doublings))
}

// Intend records that a create is about to be called. It must be stored before the call is made. Where the call is not made after
// all, Apply with NotSent takes it back.
func Intend(in *Input, s Step, at time.Time) {
	o := in.object(s.Object)
	o.Records = slices.DeleteFunc(slices.Clone(o.Records), func(r Record) bool { return r.unmade() && r.place() == s.place() })
	o.Records = append(o.Records, Record{
		EventType: s.EventType, URL: s.URL, Secret: s.Secret, Origin: s.Origin,
		IntendedAt: at, SentHash: s.Hash, Repair: s.Repair,
	})
}

// forgetRefuted drops the overdue calls that a create has shown to be without effect: Cloudinary would
// have refused the same trigger a second time.
func (o *Object) forgetRefuted(s Step) {
	o.Records = slices.DeleteFunc(o.Records, func(r Record) bool {
		return r.overdue() && r.EventType == s.EventType && r.URL == s.URL && r.SentHash == s.Hash
	})
}

// Apply brings the input up to date with the outcome of a step, so that planning again tells what is left. The input's records must be
// those of the plan's verdicts. A Replace is applied as its two halves: the Delete, then the Create. It replaces the slices in the
// input, and leaves alone what they held: they may be somebody's cache.
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

// Halves splits a Replace into its Delete and its Create. Unless the Delete ends Done or Gone, the Create is not to be made, and
// applied as NotSent.
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

// record finds the record that a step speaks of: by id, and without one the intent at its place.
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
	case Unknown: // the intent stands
	case Gone, Refused, Exists, NotSent:
		if s.Origin == Adopted {
			o.edit(i).IntendedAt = time.Time{} // the rest of a replacement: its origin must not be lost
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
			in.found(s)
		} else {
			in.written(s)
		}
	case Gone:
		if s.Unlisted {
			in.lose(s)
		} else {
			in.forget(s)
		}
	case Unknown:
		// What is there now is for a list after Settle to say; where that does not show it, it is sent again.
		r := o.edit(i)
		r.SentHash, r.ConfirmedHash, r.SentAt = "", "", out.At
	case Refused, Exists, NotSent:
	}
}

// edit gives a record to write to, in a copy of the object's records.
func (o *Object) edit(i int) *Record {
	o.Records = slices.Clone(o.Records)
	return &o.Records[i]
}

func (o *Object) drop(i int) {
	o.Records = slices.Delete(slices.Clone(o.Records), i, i+1)
}

// written notes that a trigger is not as it was listed any more.
func (in *Input) written(s Step) {
	i := slices.IndexFunc(in.Observed, func(o Observed) bool { return o.ID == s.ID })
	if i < 0 {
		return
	}
	in.Observed = slices.Clone(in.Observed)
	in.Observed[i].URL, in.Observed[i].Written = s.URL, true
}

// forget drops a trigger that is no more, and its record.
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
	if last, again := in.Refusals[s.place()]; again && last.of(s) {
		times += last.Times
	}
	in.Refusals[s.place()] = Refusal{
		Action: s.Action, Hash: s.Hash, Limit: out.Limit, Exists: out.Result == Exists, Message: out.Message,
		URLs: hashOf(urlsOf(in.Observed)...), At: out.At, Times: times, Until: in.Now.Add(RefusalMemory),
	}
}
