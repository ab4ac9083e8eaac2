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
//	a trigger        | Y, which holds    | X           | X is in conflict
//	a trigger        | Y                 | nobody      | delete or keep it, by Y's deletion policy
//	anything         | anybody           | X and Y     | the older one wins, the other is in conflict
//	not a webhook    | -                 | -           | none of our business
//
// A new URL beyond the limit is refused, the older object first served; nothing is deleted to make room, and an
// object whose wish is refused keeps what it has.
func Make(in Input) Plan {
	m := newMatcher(&in)
	m.settleRecords()
	m.contend()
	m.matchRecorded()
	m.matchForeign()
	m.moveAndCreate()
	m.judgeAssigned()
	m.disclaimDoubles()
	m.claim()
	m.release()
	m.observe()
	return m.plan()
}

// matcher carries one decision from step to step. Its maps are only ever walked in the order of objects or places.
type matcher struct {
	in      *Input
	list    shown
	urls    []string
	objects []*subject // by age
	byID    map[string]Observed
	byPlace map[Place][]Observed // webhooks, the oldest first
	aliens  map[string]Observed  // what is no webhook, by id

	wishes  []*wish         // by the age of their objects, then event type
	wishAt  map[Place]*wish // the same
	owned   map[string]bool // ids that stand in a record
	intents map[Place]int   // calls under way that create a trigger
	used    map[string]bool // ids that fulfill a wish, stay as they are, or go
	at      map[Place][]*holding
	maybe   map[Place][]*holding
	strayed map[Place][]*holding
	missing map[Place][]*holding // that the list does not show
	holders map[Place]*subject   // objects that hold a place whatever others want
	steps   []Step
	gave    map[Key]bool
}

// subject is an object in the course of a decision.
type subject struct {
	*Object
	have     []*holding
	giving   []Record
	released []Record
	lost     map[Place]Record // of triggers that somebody deleted, as Cloudinary has said
	origins  map[Place]Origin // of creates that came to nothing
	findings map[Problem]*Finding
	compared []Comparison
}

// holding is a record in the course of a decision.
type holding struct {
	Record
	owner    *subject
	observed *Observed // nil: the list does not show it
	pending  bool      // a call is under way, or the list may lag behind
	unlisted bool      // the list does not show it, and ought to
	alien    *Alien    // the list shows it as no webhook
	taken    bool      // fulfills a wish of its owner
	handed   bool      // fulfills a wish of another object
	kept     bool      // stays as it is
	claimed  bool      // and no other record of the same trigger does
}

// wish is an object's want of one place, after conflicts.
type wish struct {
	subject *subject
	place   Place
	holding *holding // what fulfills it
	create  bool     // or this will
	closed  bool     // or nothing: a finding says why
}

func newMatcher(in *Input) *matcher {
	m := &matcher{
		in: in, list: fieldsShown(in.Observed), urls: urlsOf(in.Observed),
		byID: map[string]Observed{}, byPlace: map[Place][]Observed{}, aliens: map[string]Observed{},
		owned: map[string]bool{}, intents: map[Place]int{}, used: map[string]bool{}, gave: map[Key]bool{},
		at: map[Place][]*holding{}, maybe: map[Place][]*holding{}, strayed: map[Place][]*holding{}, missing: map[Place][]*holding{},
		holders: map[Place]*subject{}, wishAt: map[Place]*wish{},
	}
	for _, o := range in.Observed {
		if !o.webhook() {
			m.aliens[o.ID] = o
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
				m.owned[r.ID] = true
			} else if !r.unmade() {
				m.intents[r.place()]++
			}
		}
	}
	slices.SortFunc(m.objects, func(a, b *subject) int { return a.compare(b.Object) })
	return m
}

// settleRecords finds out what became of each record: seen, under way, or gone.
func (m *matcher) settleRecords() {
	for _, s := range m.objects {
		for _, r := range s.Records {
			h := m.settle(s, r)
			if h == nil || h.overdue() {
				s.noteLoss(r)
			}
			if h == nil || s.alsoOverdue(h) {
				continue
			}
			h.owner = s
			if s.Stance == Wants || s.Stance == Observes {
				h.Secret = s.Secret // which gives access to all that is here: the one it was written with may go
			}
			s.have = append(s.have, h)
			m.locate(h)
		}
	}
}

// locate notes the places at which a record's trigger can fulfill a wish.
//
//	the list shows it | and can be relied on | at    | maybe     | strayed
//	------------------+----------------------+-------+-----------+---------
//	no, but it may be | -                    | asked | -         | -
//	no                | -                    | -     | -         | -          (missing: asked)
//	yes               | yes                  | shown | -         | asked
//	yes               | no                   | asked | shown     | -
func (m *matcher) locate(h *holding) {
	asked := h.place()
	switch {
	case h.observed != nil:
	case h.pending:
		m.at[asked] = append(m.at[asked], h)
		return
	default:
		if h.unlisted {
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

// settle returns nil for a record of which nothing is left.
func (m *matcher) settle(s *subject, r Record) *holding {
	if r.ID == "" {
		return m.settleIntent(s, r)
	}
	if o, ok := m.byID[r.ID]; ok {
		return &holding{Record: r, observed: &o}
	}
	if _, isAlien := m.aliens[r.ID]; !isAlien && !m.in.settled(r) {
		return &holding{Record: r, pending: true}
	}
	return m.vanished(s, r)
}

// clockSlack is how far the times of intents, which go by the header Date, may be behind created_at.
const clockSlack = 5 * time.Second

// overdueMemory is how long the result of a call is looked for in the lists.
const overdueMemory = 24 * time.Hour

// settleIntent looks for the result of a call whose answer is not known:
//
//	a list shows it       | the call                     | then
//	----------------------+------------------------------+-----------------------------------------------------
//	yes, it is nobody's   | -                            | it is the object's
//	no, or another has it | was intended within Settle   | look at the next list
//	yes, another has it   | is older                     | it was handed over: nothing is left
//	no                    | is older                     | it is overdue: the trigger may be created again, and
//	                      |                              | the result is looked for in each list
//	no                    | is older than overdueMemory, | nothing is left
//	                      | or the object goes           |
func (m *matcher) settleIntent(s *subject, r Record) *holding {
	if r.unmade() {
		return nil
	}
	results := m.resultsOf(r)
	free := slices.IndexFunc(results, func(o Observed) bool { return !m.owned[o.ID] })
	switch {
	case free >= 0:
		return m.holdResult(r, &results[free])
	case !r.overdue() && m.in.ListedAt.Before(r.IntendedAt.Add(m.in.Settle)):
		return &holding{Record: r, pending: true}
	case len(results) > 0, s.Stance == Releases, !m.in.Now.Before(later(r.IntendedAt, r.OverdueAt).Add(overdueMemory)):
		return nil
	default:
		r.OverdueAt = later(r.IntendedAt, r.OverdueAt)
		return &holding{Record: r, kept: true}
	}
}

// resultsOf are the triggers that a call can have made. Only one that was not there before the call, and that came while the call can
// have been under way, can be its result; created_at counts in seconds.
func (m *matcher) resultsOf(r Record) []Observed {
	if !m.in.ListedAt.After(r.IntendedAt) {
		return nil
	}
	earliest, latest := r.IntendedAt.Truncate(time.Second), later(r.IntendedAt, r.OverdueAt).Add(m.in.Settle+clockSlack)
	var results []Observed
	for _, o := range m.byPlace[r.place()] {
		if !o.CreatedAt.Before(earliest) && !o.CreatedAt.After(latest) {
			results = append(results, o)
		}
	}
	return results
}

// holdResult makes the result of a call the object's.
func (m *matcher) holdResult(r Record, o *Observed) *holding {
	m.owned[o.ID] = true
	r.ID, r.SentAt, r.IntendedAt, r.OverdueAt = o.ID, later(r.IntendedAt, r.OverdueAt), time.Time{}, time.Time{}
	if m.intents[r.place()] > 1 {
		r.SentHash = "" // which of the calls has made it, and so what was sent, is not known
	}
	return &holding{Record: r, observed: o}
}

// alsoOverdue reports whether the object has an overdue call at the same place already, which then
// stands for both: an object has one record of such calls for each place, however many there were.
func (s *subject) alsoOverdue(h *holding) bool {
	if !h.overdue() {
		return false
	}
	for _, first := range s.have {
		if !first.overdue() || first.place() != h.place() {
			continue
		}
		if first.SentHash != h.SentHash {
			first.SentHash = "" // which of the calls has made it, and so what was sent, is not known
		}
		if h.IntendedAt.Before(first.IntendedAt) {
			first.IntendedAt = h.IntendedAt
		}
		first.OverdueAt = later(first.OverdueAt, h.OverdueAt)
		return true
	}
	return false
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// resultOf finds the trigger that a call has made. Only one that nobody has recorded, that was not there before the call, and that
// came while the call can have been under way, can be it; created_at counts in seconds.
func (m *matcher) resultOf(r Record) *holding {
	earliest, latest := r.IntendedAt.Truncate(time.Second), later(r.IntendedAt, r.OverdueAt).Add(m.in.Settle+clockSlack)
	for _, o := range m.byPlace[r.place()] {
		if m.owned[o.ID] || o.CreatedAt.Before(earliest) || o.CreatedAt.After(latest) || !m.in.ListedAt.After(r.IntendedAt) {
			continue
		}
		m.owned[o.ID] = true
		r.ID, r.SentAt, r.IntendedAt, r.OverdueAt = o.ID, later(r.IntendedAt, r.OverdueAt), time.Time{}, time.Time{}
		if m.intents[r.place()] > 1 {
			r.SentHash = "" // which of the calls has made it, and so what was sent, is not known
		}
		return &holding{Record: r, observed: &o}
	}
	return nil
}

// contend decides which object gets which place: the older one, unless another holds it.
func (m *matcher) contend() {
	m.hold()
	won := map[Place]*subject{}
	for _, s := range m.objects {
		if s.Stance != Wants {
			continue
		}
		url := CanonicalURL(s.URL)
		for _, eventType := range sorted(s.EventTypes) {
			m.contendFor(Place{url, eventType}, s, won)
		}
	}
}

// hold notes the places of objects of which it cannot be known now what they want: where they asked their triggers to be, and
// where those are.
func (m *matcher) hold() {
	for _, s := range m.objects {
		if s.Stance != Holds {
			continue
		}
		for _, h := range s.have {
			if h.overdue() {
				continue
			}
			m.holders[h.place()] = s
			if h.observed != nil {
				m.holders[h.observed.place()] = s
			}
		}
	}
}

func (m *matcher) contendFor(place Place, s *subject, won map[Place]*subject) {
	winner := m.holders[place]
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

// find returns the finding of a problem, with the event type added to it.
func (s *subject) find(p Problem, eventType string) *Finding {
	f := s.findings[p]
	if f == nil {
		f = &Finding{Problem: p}
		s.findings[p] = f
	}
	f.EventTypes = append(f.EventTypes, eventType)
	return f
}

// keep makes an object's triggers of an event type stay as they are, since what was to take their place cannot.
func (s *subject) keep(eventType string) {
	for _, h := range s.have {
		if h.EventType == eventType {
			h.kept = true
		}
	}
}

// matchRecorded fulfills wishes with what is recorded at their place: the object's own record first, then any
// other object's. Before a trigger that somebody moved is fetched back, what is at the place already is handed over, or left to
// matchForeign where it is nobody's: so no update ever aims at a place that is taken.
func (m *matcher) matchRecorded() {
	for _, pass := range []struct {
		records map[Place][]*holding
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
			if !w.open() || pass.fetch && m.adoptable(w) != nil {
				continue
			}
			h := m.newest(pass.records[w.place], w.subject, pass.own)
			if h == nil || m.contested(w, h) {
				continue
			}
			m.take(w, h)
		}
	}
}

// contested reports whether a trigger may be at either of two places that are both wanted: a list may lag behind a move, or a
// crash have kept a move from being recorded. Taking it for one would leave the other empty, so both wait until a list can tell.
func (m *matcher) contested(w *wish, h *holding) bool {
	other := m.wishAt[h.place()]
	if h.observed == nil || m.in.settled(h.Record) || h.observed.Written || other == nil || other == w || !other.open() {
		return false
	}
	w.waits()
	other.waits()
	h.kept = true
	return true
}

// newest is the record, of the object or of others, that was written last. An interrupted replacement leaves two at one place, and a
// list that lags behind may show the one that is deleted already.
func (m *matcher) newest(records []*holding, s *subject, own bool) *holding {
	var found *holding
	for _, h := range records {
		if (h.owner == s) == own && m.free(h) && (found == nil || h.SentAt.After(found.SentAt)) {
			found = h
		}
	}
	return found
}

// free reports whether a record may fulfill a wish. Two records of one trigger are what a crash in the middle of a hand-over leaves.
func (m *matcher) free(h *holding) bool {
	return !h.taken && !h.handed && h.owner.Stance != Holds && (h.ID == "" || !m.used[h.ID])
}

func (m *matcher) take(w *wish, h *holding) {
	if h.ID != "" {
		m.used[h.ID] = true
	}
	switch {
	case h.owner == w.subject:
		h.taken = true
		w.holding = h
	case h.ID == "":
		// The owner must see its own call through, and its finalizer holds it as long. Then there is something to hand over.
		h.kept = true
		w.waits()
	default:
		h.handed = true
		m.give(h)
		moved := *h
		moved.owner, moved.Secret, moved.taken, moved.handed, moved.kept = w.subject, w.subject.Secret, true, false, false
		w.fulfill(&moved)
	}
}

func (m *matcher) give(h *holding) {
	m.gave[h.owner.Key] = true
	h.owner.giving = append(h.owner.giving, h.Record)
}

// fulfill gives the object something that was not its own.
func (w *wish) fulfill(h *holding) {
	w.holding = h
	w.subject.have = append(w.subject.have, h)
}

// waits leaves the wish open until the next list.
func (w *wish) waits() {
	w.closed = true
	w.subject.find(Confirming, w.place.EventType)
	w.subject.keep(w.place.EventType)
}

// refuse closes the wish; the object keeps what it has of that type.
func (w *wish) refuse(p Problem) *Finding {
	w.closed = true
	w.subject.keep(w.place.EventType)
	return w.subject.find(p, w.place.EventType)
}

func (w *wish) open() bool { return w.holding == nil && !w.closed }

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
		m.owned[o.ID], m.used[o.ID] = true, true
		w.fulfill(&holding{owner: w.subject, observed: o, taken: true, Record: Record{
			EventType: w.place.EventType, URL: w.subject.URL, Secret: w.subject.Secret, ID: o.ID, Origin: Adopted,
		}})
	}
}

// adoptable returns the trigger at a wish's place that is nobody's: one that needs no change if there is one, else the oldest.
func (m *matcher) adoptable(w *wish) *Observed {
	var found *Observed
	for _, o := range m.byPlace[w.place] {
		if m.owned[o.ID] {
			continue
		}
		r := read(Record{}, o, w.subject.URL, w.subject.Settings, m.list)
		if len(r.differences) == 0 && !r.unknown {
			return &o
		}
		if found == nil {
			found = &o
		}
	}
	return found
}
