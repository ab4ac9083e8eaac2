// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"cmp"
	"maps"
	"slices"
)

// judgeAssigned turns fulfilled wishes into steps and findings.
func (m *matcher) judgeAssigned() {
	for _, w := range m.wishes {
		switch {
		case w.create:
			m.create(w)
		case w.holding == nil: // closed, with a finding
		case w.holding.pending:
			w.subject.find(Confirming, w.place.EventType)
		case w.holding.unlisted:
			m.ask(w)
		default:
			m.judgeOne(w)
		}
	}
}

func (m *matcher) create(w *wish) {
	step := m.step(Create, CauseSpec, w)
	step.Origin = cmp.Or(w.subject.origins[w.place], Created)
	if lost, deleted := w.subject.lost[w.place]; deleted {
		cause, repair, tooMany := recreation(lost, step.Hash, m.in.Now)
		if tooMany {
			m.giveUp(w, lost, step.Origin)
			return
		}
		step.Cause, step.Repair = cause, repair
	}
	if step.Origin == Adopted { // remembered until it is made
		w.fulfill(&holding{owner: w.subject, taken: true, Record: Record{
			EventType: step.EventType, URL: step.URL, Secret: step.Secret, Origin: Adopted,
		}})
	}
	m.addStep(w, step)
}

func (m *matcher) judgeOne(w *wish) {
	h, s := w.holding, w.subject
	op := judge(m.in, m.list, h.Record, *h.observed, s.URL, s.Settings)
	h.Record = op.record
	eventType := w.place.EventType
	if op.judgment == replace && s.awaits(eventType) {
		op.judgment = confirming
	}
	switch op.judgment {
	case inSync:
	case confirming:
		s.find(Confirming, eventType)
	case stuck:
		f := s.find(NotConverging, eventType)
		f.Fields = merged(f.Fields, fieldNames(h.Differences))
	case update, replace:
		action := Update
		if op.judgment == replace {
			action = Replace
		}
		step := m.step(action, causeOf(h.Record, op), w)
		step.ID, step.Origin, step.Repair = h.ID, h.Origin, op.repair
		m.addStep(w, step)
	}
}

// awaits reports whether it is not known yet what became of a call that was to create a trigger of that type: perhaps an earlier
// replacement, of which the list still shows the trigger that is gone.
func (s *subject) awaits(eventType string) bool {
	return slices.ContainsFunc(s.have, func(h *holding) bool {
		return h.ID == "" && !h.overdue() && h.EventType == eventType
	})
}

func causeOf(r Record, op opinion) Cause {
	switch {
	case op.judgment == replace:
		return CauseIgnored
	case op.repair.Updates > 0:
		return CauseDrift
	case r.SentHash == "" && r.Origin == Adopted:
		return CauseAdoption
	default:
		return CauseSpec
	}
}

func (m *matcher) step(a Action, c Cause, w *wish) Step {
	s := w.subject
	return Step{
		Action: a, Cause: c, Object: s.Key, Secret: s.Secret,
		EventType: w.place.EventType, URL: s.URL, Settings: s.Settings, Hash: SentHash(s.URL, s.Settings),
	}
}

// addStep plans a write, unless Cloudinary has refused just that before.
func (m *matcher) addStep(w *wish, step Step) {
	refusal, refused := m.refusal(step)
	switch {
	case !refused:
	case refusal.Limit:
		w.subject.find(URLLimitReached, w.place.EventType).Message = refusal.Message
		return
	case refusal.Exists:
		m.taken(w, refusal)
		return
	default:
		w.subject.find(Rejected, w.place.EventType).Message = refusal.Message
		return
	}
	w.subject.find(Pending, w.place.EventType)
	m.steps = append(m.steps, step)
}

// refusal is Cloudinary's no to that step, as long as it is to be remembered. Of a Replace either half may have been refused.
func (m *matcher) refusal(step Step) (Refusal, bool) {
	r, found := m.in.Refusals[step.place()]
	if !found || !r.of(step) {
		return r, false
	}
	inTheWay := r.Exists && m.alienAt(step.place()) != nil && m.in.Now.Before(r.Until)
	return r, inTheWay || m.remembered(r)
}

// of reports whether it was that step, or half of it, that was refused.
func (r Refusal) of(step Step) bool {
	sameAction := r.Action == step.Action || (step.Action == Replace && r.Action != Update)
	return sameAction && r.Hash == step.Hash
}

// remembered reports whether Cloudinary may not be asked again yet:
//
//	the reason was            | it may be asked again
//	--------------------------+----------------------------------------------------------------------------------------------------
//	what was asked            | after RefusalMemory
//	the limit of URLs         | where other URLs are in use, or after RefusalMemory
//	what is at Cloudinary     | once a list was begun after it; where that has shown nothing new, ever less often
func (m *matcher) remembered(r Refusal) bool {
	switch {
	case !m.in.Now.Before(r.Until):
		return false
	case r.Limit:
		return r.URLs == hashOf(m.urls...)
	case r.ofState():
		return !m.in.ListedAt.After(r.At) || m.in.Now.Before(r.At.Add(statePause(r.Times)))
	default:
		return true
	}
}

// taken says what has the place of a trigger that Cloudinary has refused for that: what is no webhook stays in the way until a person takes
// it out; what no list shows may be gone any time.
func (m *matcher) taken(w *wish, r Refusal) {
	if alien := m.alienAt(w.place); alien != nil {
		w.subject.find(AlreadyExists, w.place.EventType).Alien = alien
		return
	}
	w.subject.find(PlaceTaken, w.place.EventType).Message = r.Message
}

// alienAt is what the list shows at a place that is no webhook; nil: nothing.
func (m *matcher) alienAt(p Place) *Alien {
	for _, o := range m.in.Observed {
		if !o.webhook() && o.place() == p {
			return &Alien{ID: o.ID, URIType: o.URIType}
		}
	}
	return nil
}

// disclaimDoubles has go what an object would keep for a wish that was refused, but which is not where the object asked for it: it came to
// another object's place, such as by a call of which nobody could record the result, and that object has its own there.
func (m *matcher) disclaimDoubles() {
	for _, s := range m.objects {
		for _, h := range s.have {
			if h.kept && h.observed != nil && h.observed.place() != h.place() && m.in.settled(h.Record) && m.servedByAnother(h) {
				h.kept = s.leaves(h)
			}
		}
	}
}

// servedByAnother reports whether another object has a trigger of its own where the list shows that of a record.
func (m *matcher) servedByAnother(h *holding) bool {
	place := h.observed.place()
	w := m.wishAt[place]
	return w != nil && w.subject != h.owner && w.holding != nil && w.holding.ID != h.ID &&
		w.holding.observed != nil && w.holding.observed.place() == place
}

// claim notes the triggers that objects keep without a wish for them. The rest of an interrupted hand-over must not delete them.
func (m *matcher) claim() {
	for _, s := range m.objects {
		for _, h := range s.have {
			if h.ID != "" && !h.handed && (h.kept || s.Stance == Holds || s.Stance == Observes) && !m.used[h.ID] {
				m.used[h.ID], h.kept = true, true
				h.claimed = true
			}
		}
	}
}

// release releases what nobody wants any more.
func (m *matcher) release() {
	for _, s := range m.objects {
		s.have = slices.DeleteFunc(s.have, func(h *holding) bool { return m.releaseOne(s, h) })
	}
}

// releaseOne reports whether the record is to be dropped now. A record whose trigger is to be deleted stays until it is.
func (m *matcher) releaseOne(s *subject, h *holding) bool {
	switch {
	case h.taken, h.claimed:
		return false
	case h.handed:
		return true
	case h.ID != "" && m.used[h.ID]: // the rest of an interrupted hand-over
		m.give(h)
		return true
	case h.kept, s.Stance == Holds, s.Stance == Observes:
		return false
	case h.ID == "":
		s.find(Releasing, h.EventType)
		return false
	case h.alien != nil && !s.leaves(h):
		s.find(DeletionRefused, h.EventType).Alien = h.alien
		return false
	case h.unlisted && m.refusesDelete(s, h):
		return true
	case m.surplus(s, h):
		return m.releaseSurplus(s, h)
	case s.leaves(h):
		s.released = append(s.released, h.Record)
		return true
	default:
		m.used[h.ID] = true
		m.delete(s, h)
		return false
	}
}

// surplus reports whether the object has another trigger at the place of this one: an interrupted replacement leaves two. One that
// somebody has moved elsewhere since is none.
func (m *matcher) surplus(s *subject, h *holding) bool {
	w := m.wishAt[h.place()]
	moved := h.observed != nil && h.observed.place() != h.place()
	return !moved && w != nil && w.subject == s && w.holding != nil && w.holding.ID != h.ID
}

// releaseSurplus deletes what a replacement would have deleted, whatever the deletion policy: that speaks of what the object
// leaves behind, and not of what it has twice. Until a list shows the other one both stay recorded.
func (m *matcher) releaseSurplus(s *subject, h *holding) bool {
	if m.wishAt[h.place()].holding.observed != nil {
		m.used[h.ID] = true
		m.delete(s, h)
	}
	return false
}

// leaves reports whether a trigger stays at Cloudinary when the object releases it.
func (s *subject) leaves(h *holding) bool {
	return s.Deletion == RetainAll || s.Deletion == DeleteCreated && h.Origin == Adopted
}

func deletionOf(s *subject, h *holding) Step {
	return Step{
		Action: Delete, Cause: CauseReleased, Object: s.Key, Secret: h.Secret,
		ID: h.ID, EventType: h.EventType, URL: h.URL, Hash: hashOf(h.ID), Origin: h.Origin, Unlisted: h.unlisted,
	}
}

// refusesDelete reports whether Cloudinary has refused to delete a trigger.
func (m *matcher) refusesDelete(s *subject, h *holding) bool {
	step := deletionOf(s, h)
	r, found := m.in.Refusals[step.place()]
	return found && r.of(step) && m.in.Now.Before(r.Until)
}

func (m *matcher) delete(s *subject, h *holding) {
	step := deletionOf(s, h)
	if refusal, refused := m.refusal(step); refused {
		s.find(DeletionRefused, h.EventType).Message = refusal.Message
		return
	}
	s.find(Releasing, h.EventType)
	m.steps = append(m.steps, step)
}

// observe compares for objects that only want to be told.
func (m *matcher) observe() {
	for _, s := range m.objects {
		if s.Stance != Observes {
			continue
		}
		for _, eventType := range sorted(s.EventTypes) {
			s.compared = append(s.compared, m.compareOne(s, eventType))
		}
	}
}

func (m *matcher) compareOne(s *subject, eventType string) Comparison {
	o := m.observedFor(s, eventType)
	if o == nil {
		f := s.find(Drifted, eventType)
		f.Missing = append(f.Missing, eventType)
		return Comparison{EventType: eventType}
	}
	r := read(Record{}, *o, s.URL, s.Settings, m.list)
	if len(r.differences) > 0 {
		f := s.find(Drifted, eventType)
		f.Fields = merged(f.Fields, fieldNames(r.differences))
	}
	return Comparison{EventType: eventType, ID: o.ID, Differences: r.differences}
}

// observedFor is the trigger that an observing object would have: the one it recorded once, else the one at its place.
func (m *matcher) observedFor(s *subject, eventType string) *Observed {
	for _, h := range s.have {
		if h.EventType == eventType && h.observed != nil {
			return h.observed
		}
	}
	place := Place{CanonicalURL(s.URL), eventType}
	if triggers := m.byPlace[place]; len(triggers) > 0 {
		return &triggers[0]
	}
	return nil
}

func (m *matcher) plan() Plan {
	slices.SortStableFunc(m.steps, func(a, b Step) int {
		return cmp.Or(cmp.Compare(a.Cause.urgency(), b.Cause.urgency()), cmp.Compare(a.Action, b.Action))
	})
	p := Plan{Steps: m.steps, Verdicts: map[Key]Verdict{}, URLs: m.urls}
	for _, s := range m.objects {
		p.Verdicts[s.Key] = s.verdict()
	}
	p.Handovers = slices.SortedFunc(maps.Keys(m.gave), Key.Compare)
	return p
}

func (s *subject) verdict() Verdict {
	v := Verdict{Observed: s.compared, Giving: s.giving, Released: s.released}
	for _, h := range s.have {
		v.Records = append(v.Records, h.Record)
	}
	slices.SortStableFunc(v.Records, func(a, b Record) int {
		return cmp.Or(cmp.Compare(a.EventType, b.EventType), cmp.Compare(a.URL, b.URL), cmp.Compare(a.ID, b.ID))
	})
	for _, p := range problemOrder() {
		if f := s.findings[p]; f != nil {
			v.Findings = append(v.Findings, *f)
		}
	}
	return v
}
