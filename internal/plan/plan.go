// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"cmp"
	"slices"
	"time"
)

// Make decides. It looks at places (URL and event type) before it looks at objects:
//
//	at Cloudinary    | recorded by       | wanted by   | then
//	-----------------+-------------------+-------------+----------------------------------------------------------
//	nothing          | -                 | X           | move X's trigger of that type by an update, else create
//	nothing          | X, call under way | X or nobody | wait for a list begun after the call
//	a trigger        | nobody            | nobody      | none of our business
//	a trigger        | nobody            | X           | adopt it, or refuse X, by X's adoption policy
//	a trigger        | nobody, X's moved | X           | the same; what X had there goes by its deletion policy
//	a trigger        | X                 | X           | judge it: in sync, update, replace, or stuck
//	nothing          | X, with an id     | X or nobody | ask by an update or a delete whether there is one, see unlisted.go
//	a trigger        | Y                 | X           | hand it over from Y to X, then judge it
//	a trigger        | Y, which keeps it | X           | X is in conflict
//	a trigger        | Y                 | nobody      | delete or keep it, by Y's deletion policy
//	anything         | anybody           | X and Y     | the older one wins, the other is in conflict
//	not a webhook    | -                 | -           | none of our business
//
// A new URL beyond the limit is refused, and older objects come first. Nothing is deleted to make
// room. An object whose wish is refused keeps its triggers.
func Make(in Input) Plan {
	m := newMatcher(&in)
	m.lookUpRecords()
	m.resolveConflicts()
	m.matchRecorded()
	m.matchForeign()
	m.moveAndCreate()
	m.judgeAssigned()
	m.dropStrays()
	m.claimKept()
	m.release()
	m.observe()
	return m.result()
}

// matcher carries one decision from phase to phase. Loops over its maps would have no order, so
// they go by objects or by places.
type matcher struct {
	in          *Input
	list        shownFields
	urls        []string
	objects     []*subject // by age
	byID        map[string]Observed
	byPlace     map[Place][]Observed // webhooks, the oldest first
	nonWebhooks map[string]Observed  // triggers with another uri_type, by id

	wishes   []*wish         // by the age of their objects, then event type
	wishAt   map[Place]*wish // the same
	recorded map[string]bool // ids in a record
	intents  map[Place]int   // calls under way that create a trigger
	used     map[string]bool // ids that fulfill a wish, stay as they are, or go
	at       map[Place][]*heldRecord
	maybe    map[Place][]*heldRecord
	strayed  map[Place][]*heldRecord
	missing  map[Place][]*heldRecord // that the list does not show
	reserved map[Place]*subject      // by objects that keep a trigger there
	steps    []Step
	gave     map[Key]bool
}

// subject is an object in the course of a decision.
type subject struct {
	*Object
	have     []*heldRecord
	giving   []Record
	released []Record
	lost     map[Place]Record // of triggers that somebody deleted, as Cloudinary has said
	origins  map[Place]Origin // of creates that came to nothing
	findings map[Problem]*Finding
	compared []Comparison
}

// heldRecord is a record in the course of a decision.
type heldRecord struct {
	Record
	owner      *subject
	observed   *Observed   // the trigger in the list; nil: the list does not show it
	absence    absence     // why the list does not show it
	nonWebhook *NonWebhook // the list shows the id with another uri_type
	kept       bool        // it stays as it is, unless a wish uses it
	use        use
}

// absence is the reason why the list does not show the trigger of a record.
type absence int

const (
	// ignored: the list shows the trigger, or the reason does not matter.
	ignored absence = iota
	// pending: a call is under way, or the list may lag behind.
	pending
	// unlisted: the list should show the trigger, and does not.
	unlisted
)

// use is what a record is used for. A record has one use.
type use int

const (
	// unused: it is released, unless it is kept.
	unused use = iota
	// assigned: it fulfills a wish of its owner.
	assigned
	// handedOver: its trigger fulfills a wish of another object.
	handedOver
	// claimed: it is kept, and no other record of the same trigger is.
	claimed
)

// wish is an event type at a URL that an object asks for and that no other object has.
type wish struct {
	subject *subject
	place   Place
	record  *heldRecord // fulfills it; or
	create  bool        // a step will; or
	closed  bool        // nothing does, and a finding says why
}

func newMatcher(in *Input) *matcher {
	m := &matcher{
		in: in, list: fieldsShown(in.Observed), urls: urlsOf(in.Observed),
		byID: map[string]Observed{}, byPlace: map[Place][]Observed{}, nonWebhooks: map[string]Observed{},
		recorded: map[string]bool{}, intents: map[Place]int{}, used: map[string]bool{}, gave: map[Key]bool{},
		at: map[Place][]*heldRecord{}, maybe: map[Place][]*heldRecord{}, strayed: map[Place][]*heldRecord{}, missing: map[Place][]*heldRecord{},
		reserved: map[Place]*subject{}, wishAt: map[Place]*wish{},
	}
	for _, o := range in.Observed {
		if !o.isWebhook() {
			m.nonWebhooks[o.ID] = o
			continue
		}
		place := o.place()
		m.byID[o.ID] = o
		m.byPlace[place] = append(m.byPlace[place], o)
	}
	for _, triggers := range m.byPlace {
		slices.SortFunc(triggers, func(a, b Observed) int {
			return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
		})
	}
	for i := range in.Objects {
		s := &subject{Object: &in.Objects[i], findings: map[Problem]*Finding{}, lost: map[Place]Record{}, origins: map[Place]Origin{}}
		m.objects = append(m.objects, s)
		for _, r := range s.Records {
			if r.ID != "" {
				m.recorded[r.ID] = true
			} else if !r.originOnly() {
				m.intents[r.place()]++
			}
		}
	}
	slices.SortFunc(m.objects, func(a, b *subject) int { return a.compare(b.Object) })
	return m
}

// lookUpRecords finds out about each record whether its trigger is listed, under way, or gone.
func (m *matcher) lookUpRecords() {
	for _, s := range m.objects {
		for _, r := range s.Records {
			h := m.lookUp(s, r)
			if h == nil || h.overdue() {
				s.rememberLoss(r)
			}
			if h == nil || s.alsoOverdue(h) {
				continue
			}
			h.owner = s
			if s.Stance == Wants || s.Stance == Observes {
				// The present Secret gives access too, and the one that wrote it may be deleted.
				h.Secret = s.Secret
			}
			s.have = append(s.have, h)
			m.locate(h)
		}
	}
}

// locate registers a record at the places where its trigger can fulfill a wish.
//
//	the list shows it | and can be relied on | at    | maybe     | strayed
//	------------------+----------------------+-------+-----------+---------
//	no, but it may be | -                    | asked | -         | -
//	no                | -                    | -     | -         | -          (missing: asked)
//	yes               | yes                  | shown | -         | asked
//	yes               | no                   | asked | shown     | -
func (m *matcher) locate(h *heldRecord) {
	asked := h.place()
	switch {
	case h.observed != nil:
	case h.absence == pending:
		m.at[asked] = append(m.at[asked], h)
		return
	default:
		if h.absence == unlisted {
			m.missing[asked] = append(m.missing[asked], h)
		}
		return
	}
	shown := h.observed.place()
	switch {
	case shown == asked:
		m.at[asked] = append(m.at[asked], h)
	case h.observed.Written || m.in.settled(h.Record):
		m.at[shown] = append(m.at[shown], h)
		m.strayed[asked] = append(m.strayed[asked], h)
	default:
		m.at[asked] = append(m.at[asked], h)
		m.maybe[shown] = append(m.maybe[shown], h)
	}
}

// lookUp returns nil for a record whose trigger is gone.
func (m *matcher) lookUp(s *subject, r Record) *heldRecord {
	if r.ID == "" {
		return m.lookUpIntent(s, r)
	}
	if o, ok := m.byID[r.ID]; ok {
		return &heldRecord{Record: r, observed: &o}
	}
	if _, isNonWebhook := m.nonWebhooks[r.ID]; !isNonWebhook && !m.in.settled(r) {
		return &heldRecord{Record: r, absence: pending}
	}
	return m.unlistedRecord(s, r)
}

// clockSlack is how far the time of an intent, from the header Date, may be behind created_at.
const clockSlack = 5 * time.Second

// overdueMemory is how long each list is searched for the result of a call.
const overdueMemory = 24 * time.Hour

// lookUpIntent looks for the result of a call without an answer:
//
//	a trigger is listed that   | the call                     | then
//	the call may have created  |                              |
//	---------------------------+------------------------------+---------------------------------------
//	and no status records it   | -                            | it is the object's
//	-                          | was intended within Settle   | look at the next list
//	and another object has it  | is older                     | it was handed over: nothing is left
//	-                          | is older                     | it is overdue: the trigger may be created
//	                           |                              | again, and each list is searched
//	-                          | is older than overdueMemory, | nothing is left
//	                           | or the object is released    |
func (m *matcher) lookUpIntent(s *subject, r Record) *heldRecord {
	if r.originOnly() {
		return nil
	}
	results := m.resultsOf(r)
	unrecorded := slices.IndexFunc(results, func(o Observed) bool { return !m.recorded[o.ID] })
	switch {
	case unrecorded >= 0:
		return m.recordResult(r, &results[unrecorded])
	case !r.overdue() && m.in.ListedAt.Before(r.IntendedAt.Add(m.in.Settle)):
		return &heldRecord{Record: r, absence: pending}
	case len(results) > 0, s.Stance == Releases, !m.in.Now.Before(r.lastIntent().Add(overdueMemory)):
		return nil
	default:
		r.OverdueAt = r.lastIntent()
		return &heldRecord{Record: r, kept: true}
	}
}

// resultsOf returns the triggers that a call can have created: those that were created after the
// call began and within the settle time. created_at counts in seconds.
func (m *matcher) resultsOf(r Record) []Observed {
	if !m.in.ListedAt.After(r.IntendedAt) {
		return nil
	}
	earliest, latest := r.IntendedAt.Truncate(time.Second), r.lastIntent().Add(m.in.Settle+clockSlack)
	var results []Observed
	for _, o := range m.byPlace[r.place()] {
		if !o.CreatedAt.Before(earliest) && !o.CreatedAt.After(latest) {
			results = append(results, o)
		}
	}
	return results
}

// recordResult makes the result of a call the object's.
func (m *matcher) recordResult(r Record, o *Observed) *heldRecord {
	m.recorded[o.ID] = true
	r.ID, r.SentAt, r.IntendedAt, r.OverdueAt = o.ID, r.lastIntent(), time.Time{}, time.Time{}
	if m.intents[r.place()] > 1 {
		r.SentHash = "" // it is unknown which of the calls created it
	}
	return &heldRecord{Record: r, observed: o}
}

// alsoOverdue reports whether the object already has an overdue call at the same place. The record
// of that call then stands for both, so a status has a bound.
func (s *subject) alsoOverdue(h *heldRecord) bool {
	if !h.overdue() {
		return false
	}
	i := slices.IndexFunc(s.have, func(first *heldRecord) bool { return first.overdue() && first.place() == h.place() })
	if i < 0 {
		return false
	}
	first := s.have[i]
	if first.SentHash != h.SentHash {
		first.SentHash = "" // it is unknown which of the calls created it
	}
	if h.IntendedAt.Before(first.IntendedAt) {
		first.IntendedAt = h.IntendedAt
	}
	if h.OverdueAt.After(first.OverdueAt) {
		first.OverdueAt = h.OverdueAt
	}
	return true
}

// resolveConflicts gives each place to one object: to the one whose trigger stays there, else to
// the oldest.
func (m *matcher) resolveConflicts() {
	m.reservePlaces()
	won := map[Place]*subject{}
	for _, s := range m.objects {
		if s.Stance != Wants {
			continue
		}
		url := CanonicalURL(s.URL)
		for _, eventType := range sorted(s.EventTypes) {
			m.resolveConflict(Place{url, eventType}, s, won)
		}
	}
}

// reservePlaces reserves the places of objects whose wishes are unknown now: where they asked for
// their triggers, and where these are.
func (m *matcher) reservePlaces() {
	for _, s := range m.objects {
		if s.Stance != Keeps {
			continue
		}
		for _, h := range s.have {
			if h.overdue() {
				continue
			}
			m.reserved[h.place()] = s
			if h.observed != nil {
				m.reserved[h.observed.place()] = s
			}
		}
	}
}

func (m *matcher) resolveConflict(place Place, s *subject, won map[Place]*subject) {
	winner := m.reserved[place]
	if winner == nil {
		winner = won[place]
	}
	if winner != nil && winner != s {
		s.find(Conflict, place.EventType).Other = winner.Key
		s.keep(place.EventType)
		return
	}
	won[place] = s
	w := &wish{subject: s, place: place}
	m.wishes, m.wishAt[place] = append(m.wishes, w), w
}

func sorted(texts []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(texts)))
}

// find returns the finding of a problem, and adds the event type to it.
func (s *subject) find(p Problem, eventType string) *Finding {
	f := s.findings[p]
	if f == nil {
		f = &Finding{Problem: p}
		s.findings[p] = f
	}
	f.EventTypes = append(f.EventTypes, eventType)
	return f
}

// keep makes an object's triggers of an event type stay as they are, because nothing can replace
// them.
func (s *subject) keep(eventType string) {
	for _, h := range s.have {
		if h.EventType == eventType {
			h.kept = true
		}
	}
}

// matchRecorded fulfills wishes with the records at their place: the object's own first, then other
// objects'. A trigger that somebody moved is fetched back last. By then a trigger at the place was
// handed over, or is left to matchForeign. So no update aims at a place that is occupied.
func (m *matcher) matchRecorded() {
	for _, source := range []struct {
		records map[Place][]*heldRecord
		own     bool
		fetch   bool
	}{
		{records: m.at, own: true},
		{records: m.maybe, own: true},
		{records: m.at},
		{records: m.missing, own: true},
		{records: m.missing},
		{records: m.strayed, own: true, fetch: true},
		{records: m.maybe},
		{records: m.strayed, fetch: true},
	} {
		for _, w := range m.wishes {
			if !w.open() || source.fetch && m.adoptable(w) != nil {
				continue
			}
			h := m.newest(source.records[w.place], w.subject, source.own)
			if h == nil || m.contested(w, h) {
				continue
			}
			m.assign(w, h)
		}
	}
}

// contested reports whether a trigger may be at either of two places with a wish: the list may lag
// behind a move, or a crash may have lost its record. A wrong guess would leave one place empty, so
// both wishes wait until a list can tell.
func (m *matcher) contested(w *wish, h *heldRecord) bool {
	other := m.wishAt[h.place()]
	if h.observed == nil || m.in.settled(h.Record) || h.observed.Written || other == nil || other == w || !other.open() {
		return false
	}
	w.waits()
	other.waits()
	h.kept = true
	return true
}

// newest is the record with the latest write, among the object's own or among the others. An
// interrupted replacement leaves two at one place, and a list that lags behind may show the deleted
// one.
func (m *matcher) newest(records []*heldRecord, s *subject, own bool) *heldRecord {
	var found *heldRecord
	for _, h := range records {
		if (h.owner == s) == own && m.free(h) && (found == nil || h.SentAt.After(found.SentAt)) {
			found = h
		}
	}
	return found
}

// free reports whether a record may fulfill a wish. A crash during a hand-over leaves two records
// of one trigger.
func (m *matcher) free(h *heldRecord) bool {
	return h.use == unused && h.owner.Stance != Keeps && (h.ID == "" || !m.used[h.ID])
}

func (m *matcher) assign(w *wish, h *heldRecord) {
	if h.ID != "" {
		m.used[h.ID] = true
	}
	switch {
	case h.owner == w.subject:
		h.use = assigned
		w.record = h
	case h.ID == "":
		// The owner finishes its own call, and its finalizer stays until then. After that there is
		// a trigger to hand over.
		h.kept = true
		w.waits()
	default:
		h.use = handedOver
		m.recordGiven(h)
		moved := *h
		moved.owner, moved.Secret, moved.use, moved.kept = w.subject, w.subject.Secret, assigned, false
		w.fulfill(&moved)
	}
}

func (m *matcher) recordGiven(h *heldRecord) {
	m.gave[h.owner.Key] = true
	h.owner.giving = append(h.owner.giving, h.Record)
}

// fulfill gives the object a record that it did not have.
func (w *wish) fulfill(h *heldRecord) {
	w.record = h
	w.subject.have = append(w.subject.have, h)
}

// waits leaves the wish to the next list.
func (w *wish) waits() {
	w.closed = true
	w.subject.find(Confirming, w.place.EventType)
	w.subject.keep(w.place.EventType)
}

// refuse closes the wish. The object keeps its triggers of that type.
func (w *wish) refuse(p Problem) *Finding {
	w.closed = true
	w.subject.keep(w.place.EventType)
	return w.subject.find(p, w.place.EventType)
}

func (w *wish) open() bool { return w.record == nil && !w.closed }

// matchForeign fulfills wishes by adoption, or refuses them.
func (m *matcher) matchForeign() {
	for _, w := range m.wishes {
		if !w.open() {
			continue
		}
		o := m.adoptable(w)
		if o == nil {
			continue
		}
		if w.subject.RefuseAdopt {
			w.refuse(AlreadyExists)
			continue
		}
		m.recorded[o.ID], m.used[o.ID] = true, true
		w.fulfill(&heldRecord{owner: w.subject, observed: o, use: assigned, Record: Record{
			EventType: w.place.EventType, URL: w.subject.URL, Secret: w.subject.Secret, ID: o.ID, Origin: Adopted,
		}})
	}
}

// adoptable returns a trigger at the wish's place that no status records: one that needs no change,
// else the oldest.
func (m *matcher) adoptable(w *wish) *Observed {
	var found *Observed
	for _, o := range m.byPlace[w.place] {
		if m.recorded[o.ID] {
			continue
		}
		r := compare(Record{}, o, w.subject.URL, w.subject.Settings, m.list)
		if len(r.differences) == 0 && !r.unknown {
			return &o
		}
		if found == nil {
			found = &o
		}
	}
	return found
}
