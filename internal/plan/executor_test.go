// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
)

var errCrash = errors.New("crash")

// chance decides what happens at a point of an execution; nil: nothing does.
type chance struct {
	crash   func(point string) bool
	lost    func() lostness
	refuse  func() bool
	shuffle func(n int) []int
	distort func([]Observed) []Observed // what a list shows instead of what it ought to
}

type lostness int

const (
	arrived lostness = iota
	lostBefore
	lostAfter
	notSent
)

// executor carries plans out as the manager does: what must survive a crash is stored before and
// after each call.
type executor struct {
	env      *environment
	specs    map[Key]Object   // without records
	stored   map[Key][]Record // what survives a crash
	refusals map[Place]Refusal
	chance   chance
	fails    func(format string, args ...any)

	doubted   []string // what was absent from a list that was in doubt
	refuted   bool     // an update has said that a trigger exists which the list does not show
	calls     int
	creates   int  // of them
	trouble   bool // a call was lost or refused in this pass
	replacing bool
}

func newExecutor(env *environment, fails func(string, ...any)) *executor {
	return &executor{
		env: env, specs: map[Key]Object{}, stored: map[Key][]Record{}, refusals: map[Place]Refusal{}, fails: fails,
		chance: chance{
			crash:  func(string) bool { return false },
			lost:   func() lostness { return arrived },
			refuse: func() bool { return false },
		},
	}
}

func (x *executor) input() *Input {
	in := &Input{URLLimit: x.env.Limit, Settle: settle, Refusals: x.refusals, ListedAt: x.env.now, Observed: x.env.list()}
	if x.chance.distort != nil {
		in.Observed = x.chance.distort(in.Observed)
	}
	for _, k := range slices.SortedFunc(maps.Keys(x.specs), Key.Compare) {
		o := x.specs[k]
		o.Records = slices.Clone(x.stored[k])
		in.Objects = append(in.Objects, o)
	}
	x.env.now = x.env.now.Add(time.Second)
	in.Now = x.env.now
	return in
}

// secondListAfter is how long after a list that is in doubt the next one is called.
const secondListAfter = 5 * time.Second

// believed is an input with a list that is not in doubt; nil: each list contradicts the one before.
func (x *executor) believed() *Input {
	for range 2 {
		in := x.input()
		absent, held := Absent(*in)
		if !Doubtful(absent, held, x.doubted) {
			x.doubted = nil
			return in
		}
		x.doubted = absent
		x.env.now = x.env.now.Add(secondListAfter)
	}
	return nil
}

// pass is one round: list, plan, store, call. It returns the plan that was carried out, or
// errCrash.
func (x *executor) pass() (Plan, error) {
	in := x.believed()
	if in == nil {
		return Plan{}, nil
	}
	x.trouble, x.refuted = false, false
	p := x.make(*in)
	if err := x.storeVerdicts(in, p); err != nil {
		return p, err
	}
	for _, s := range p.Steps {
		if x.refuted {
			break // nothing more is concluded from such a list
		}
		if err := x.step(in, s); err != nil {
			return p, err
		}
	}
	if !x.trouble {
		if again := x.make(*in); len(again.Steps) > 0 && !x.unlocks(p, again) {
			x.fails("planning again after applying gives steps\nfirst: %+v\nagain: %+v", p.Steps, again.Steps)
		}
	}
	for k, o := range x.specs {
		if o.Stance == Releases && len(x.stored[k]) == 0 {
			delete(x.specs, k)
		}
	}
	return p, nil
}

// unlocks reports whether steps were possible only because of those before: a delete has made room
// for a URL, or an object whose wishes are not known now has handed over its record of a place.
func (x *executor) unlocks(p, again Plan) bool {
	refused := slices.ContainsFunc(slices.Collect(maps.Values(p.Verdicts)), func(v Verdict) bool {
		return slices.ContainsFunc(v.Findings, func(f Finding) bool {
			return f.Problem == URLLimitReached || f.Problem == Conflict && len(p.Verdicts[f.Other].Giving) > 0
		})
	})
	return refused && len(again.Steps) > 0
}

// make plans, and holds what must be true of every plan against it.
func (x *executor) make(in Input) Plan {
	before := clone(in)
	p := Make(in)
	if !reflect.DeepEqual(before, in) { // cmp.Diff takes ten times as long
		x.fails("Make changed its input (-before +after):\n%s", cmp.Diff(before, in))
	}
	if x.chance.shuffle != nil {
		other := clone(in)
		other.Objects = permuted(other.Objects, x.chance.shuffle(len(other.Objects)))
		other.Observed = permuted(other.Observed, x.chance.shuffle(len(other.Observed)))
		if q := Make(other); !reflect.DeepEqual(p, q) {
			x.fails("another order of the input gives another plan:\n%s", cmp.Diff(p, q))
		}
	}
	x.checkSteps(in, p)
	return p
}

func permuted[T any](values []T, order []int) []T {
	out := make([]T, 0, len(values))
	for _, i := range order {
		out = append(out, values[i])
	}
	return out
}

func clone(in Input) Input {
	in.Objects, in.Observed, in.Refusals = slices.Clone(in.Objects), slices.Clone(in.Observed), maps.Clone(in.Refusals)
	for i := range in.Objects {
		o := &in.Objects[i]
		o.EventTypes, o.Records = slices.Clone(o.EventTypes), slices.Clone(o.Records)
		for j := range o.Records {
			r := &o.Records[j]
			r.Echoed, r.Differences = slices.Clone(r.Echoed), slices.Clone(r.Differences)
		}
	}
	return in
}

// checkSteps: steps touch what stands in a record, and nothing but webhooks; the order is updates,
// creates, deletes, of what people ask for and then of repairs.
func (x *executor) checkSteps(in Input, p Plan) {
	rank := func(s Step) int {
		if s.Cause == CauseDrift || s.Cause == CauseIgnored {
			return int(s.Action) + 100
		}
		return int(s.Action)
	}
	if !slices.IsSortedFunc(p.Steps, func(a, b Step) int { return rank(a) - rank(b) }) {
		x.fails("the steps are out of order: %+v", p.Steps)
	}
	touched := map[string]bool{}
	for _, s := range p.Steps {
		if o := in.Objects[slices.IndexFunc(in.Objects, func(o Object) bool { return o.Key == s.Object })]; o.Stance == Observes || o.Stance == Keeps {
			x.fails("a step for an object that writes nothing: %+v", s)
		}
		if s.Action == Create {
			continue
		}
		if touched[s.ID] {
			x.fails("two steps for one trigger: %+v", p.Steps)
		}
		touched[s.ID] = true
		if !slices.ContainsFunc(p.Verdicts[s.Object].Records, func(r Record) bool { return r.ID == s.ID }) {
			x.fails("a step touches a trigger that stands in no record: %+v", s)
		}
		if slices.ContainsFunc(in.Observed, func(o Observed) bool { return o.ID == s.ID && !o.isWebhook() }) {
			x.fails("a step touches what is no webhook: %+v", s)
		}
	}
	for k, v := range p.Verdicts {
		for _, r := range v.Records {
			others := 0
			for _, w := range p.Verdicts {
				others += len(slices.DeleteFunc(slices.Clone(w.Records), func(o Record) bool { return o.ID != r.ID }))
			}
			if r.ID != "" && others > 1 {
				x.fails("trigger %s stands in %d records, one of %s", r.ID, others, k)
			}
		}
	}
}

// storeVerdicts writes what is given only after it was taken.
func (x *executor) storeVerdicts(in *Input, p Plan) error {
	for i := range in.Objects {
		k := in.Objects[i].Key
		v := p.Verdicts[k]
		in.Objects[i].Records = v.Records
		if err := x.store(k, slices.Concat(v.Records, v.Giving)); err != nil {
			return err
		}
	}
	for _, k := range p.Handovers {
		if err := x.store(k, p.Verdicts[k].Records); err != nil {
			return err
		}
	}
	return nil
}

func (x *executor) store(k Key, records []Record) error {
	if x.chance.crash("before a write of status") {
		return errCrash
	}
	x.stored[k] = slices.Clone(records)
	return nil
}

func (x *executor) step(in *Input, s Step) error {
	switch s.Action {
	case Create:
		return x.intendAnd(in, s, func() error { return x.do(in, s) })
	case Replace:
		return x.intendAnd(in, s, func() error { return x.replace(in, s) })
	default:
		return x.do(in, s)
	}
}

func (x *executor) intendAnd(in *Input, s Step, then func() error) error {
	Intend(in, s, x.env.now)
	if err := x.store(s.Object, in.object(s.Object).Records); err != nil {
		return err
	}
	return then()
}

func (x *executor) replace(in *Input, s Step) error {
	x.replacing = true
	defer func() { x.replacing = false }()
	del, create := s.Halves()
	if err := x.do(in, del); err != nil {
		return err
	}
	if in.index(s) >= 0 { // still there
		Apply(in, create, Outcome{Result: NotSent})
		return x.store(s.Object, in.object(s.Object).Records)
	}
	return x.do(in, create)
}

func (in *Input) index(s Step) int {
	_, i := in.record(s)
	return i
}

func (x *executor) do(in *Input, s Step) error {
	out := x.call(s)
	if x.chance.crash("after a call") {
		return errCrash
	}
	Apply(in, s, out)
	return x.store(s.Object, in.object(s.Object).Records)
}

func (x *executor) call(s Step) Outcome {
	x.calls++
	if s.Action == Create {
		x.creates++
	}
	x.env.now = x.env.now.Add(700 * time.Millisecond)
	lost := x.chance.lost()
	if lost != arrived {
		x.trouble = true
	}
	switch {
	case lost == lostBefore:
		return Outcome{Result: Unknown, At: x.env.now}
	case lost == notSent:
		return Outcome{Result: NotSent, At: x.env.now}
	case x.chance.refuse():
		x.trouble = true
		return Outcome{Result: Refused, At: x.env.now, Message: "no"}
	}
	before := slices.Clone(x.env.triggers)
	out := x.env.call(s)
	x.checkGap(s, before)
	if out.Result != Done {
		x.trouble = true
	}
	if out.Result == Done && s.Unlisted {
		x.trouble, x.refuted = true, true
	}
	if lost == lostAfter {
		return Outcome{Result: Unknown, At: x.env.now}
	}
	return out
}

// checkGap: a call leaves no place empty that an object wants, replacements apart. Nobody can tell
// while lists show triggers elsewhere than they are.
func (x *executor) checkGap(s Step, before []serverTrigger) {
	if x.chance.distort != nil || x.replacing || s.Action == Create || x.uncertain(s) {
		return
	}
	for _, t := range before {
		if t.ID != s.ID {
			continue
		}
		p := Place{CanonicalURL(t.URL), t.EventType}
		if len(x.env.at(p)) > 0 {
			continue
		}
		for _, o := range x.specs {
			if o.Stance == Wants && CanonicalURL(o.URL) == p.URL && slices.Contains(o.EventTypes, p.EventType) {
				x.fails("%s leaves %v empty, which %s wants: %+v", s.Action, p, o.Key, s)
			}
		}
	}
}

// uncertain reports whether the trigger was moved shortly before, and it is not known whether that
// took effect. Until a list can tell, it counts as being where it was.
func (x *executor) uncertain(s Step) bool {
	return slices.ContainsFunc(x.stored[s.Object], func(r Record) bool {
		return r.ID == s.ID && r.SentHash == "" && x.env.now.Before(r.SentAt.Add(2*settle))
	})
}

// ended says what is wrong with the environment where nothing is left to do.
func (x *executor) ended(p Plan) error {
	recorded := map[string]bool{}
	for k, v := range p.Verdicts {
		for _, r := range v.Records {
			if r.overdue() {
				continue // for a day
			}
			if r.ID == "" {
				return fmt.Errorf("%s still has an intent: %+v", k, r)
			}
			recorded[r.ID] = true
		}
	}
	ours := map[Place]string{}
	for _, t := range x.env.triggers {
		if !t.Ours {
			continue
		}
		place := Place{CanonicalURL(t.URL), t.EventType}
		if other := ours[place]; other != "" {
			return fmt.Errorf("%s and %s are both at %v", other, t.ID, place)
		}
		ours[place] = t.ID
		if !recorded[t.ID] {
			return fmt.Errorf("%s at %v is leaked", t.ID, place)
		}
	}
	return nil
}
