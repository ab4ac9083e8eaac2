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
		case w.record == nil: // closed, with a finding
		case w.record.absence == pending:
			w.subject.find(Confirming, w.place.EventType)
		case w.record.absence == unlisted:
			m.confirmUnlisted(w)
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
			m.stopRecreating(w, lost, step.Origin)
			return
		}
		step.Cause, step.Repair = cause, repair
	}
	if step.Origin == Adopted { // remembered until it is made
		w.fulfill(&heldRecord{owner: w.subject, use: assigned, Record: Record{
			EventType: step.EventType, URL: step.URL, Secret: step.Secret, Origin: Adopted,
		}})
	}
	m.addStep(w, step)
}

func (m *matcher) judgeOne(w *wish) {
	h, s := w.record, w.subject
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

// awaits reports whether the result of a create of that type is still unknown. It may belong to an
// earlier replacement, whose deleted trigger the list still shows.
func (s *subject) awaits(eventType string) bool {
	return slices.ContainsFunc(s.have, func(h *heldRecord) bool {
		return h.ID == "" && !h.overdue() && h.EventType == eventType
	})
}

func causeOf(r Record, op decision) Cause {
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

// addStep plans a write, unless Cloudinary has refused the same write before.
func (m *matcher) addStep(w *wish, step Step) {
	refusal, refused := m.refusal(step)
	switch {
	case !refused:
	case refusal.Limit:
		w.subject.find(URLLimitReached, w.place.EventType).Message = refusal.Message
		return
	case refusal.Exists:
		m.placeTaken(w, refusal)
		return
	default:
		w.subject.find(Rejected, w.place.EventType).Message = refusal.Message
		return
	}
	w.subject.find(Pending, w.place.EventType)
	m.steps = append(m.steps, step)
}

// refusal is Cloudinary's refusal of that step, while it is remembered. It may be the refusal of
// either half of a Replace.
func (m *matcher) refusal(step Step) (Refusal, bool) {
	r, found := m.in.Refusals[step.place()]
	if !found || !r.appliesTo(step) {
		return r, false
	}
	inTheWay := r.Exists && m.nonWebhookAt(step.place()) != nil && m.in.Now.Before(r.Until)
	return r, inTheWay || m.stillRefused(r)
}

// appliesTo reports whether the refused change is that step, or half of it.
func (r Refusal) appliesTo(step Step) bool {
	sameAction := r.Action == step.Action || (step.Action == Replace && r.Action != Update)
	return sameAction && r.Hash == step.Hash
}

// stillRefused reports whether the operator may not ask Cloudinary again yet:
//
//	the reason was            | it may be asked again
//	--------------------------+----------------------------------------------------------------------------------------------------
//	what was asked            | after RefusalMemory
//	the limit of URLs         | where other URLs are in use, or after RefusalMemory
//	what is at Cloudinary     | once a list was begun after it; where that has shown nothing new, ever less often
func (m *matcher) stillRefused(r Refusal) bool {
	switch {
	case !m.in.Now.Before(r.Until):
		return false
	case r.Limit:
		return r.URLs == hashOf(m.urls...)
	case r.aboutState():
		return !m.in.ListedAt.After(r.At) || m.in.Now.Before(r.At.Add(statePause(r.Times)))
	default:
		return true
	}
}

// placeTaken reports the trigger that has the place of a refused one. A trigger with another
// uri_type stays in the way until a person deletes it. A trigger that no list shows may disappear
// any time.
func (m *matcher) placeTaken(w *wish, r Refusal) {
	if alien := m.nonWebhookAt(w.place); alien != nil {
		w.subject.find(AlreadyExists, w.place.EventType).NonWebhook = alien
		return
	}
	w.subject.find(PlaceTaken, w.place.EventType).Message = r.Message
}

// nonWebhookAt is the listed trigger at a place that is not a webhook. Nil: there is none.
func (m *matcher) nonWebhookAt(p Place) *NonWebhook {
	for _, o := range m.in.Observed {
		if !o.isWebhook() && o.place() == p {
			return &NonWebhook{ID: o.ID, URIType: o.URIType}
		}
	}
	return nil
}

// dropStrays releases a kept record if another object has its own trigger at the same place. Lost
// answers and wrong lists can lead to that.
func (m *matcher) dropStrays() {
	for _, s := range m.objects {
		for _, h := range s.have {
			if h.kept && h.observed != nil && m.in.settled(h.Record) && m.servedByAnother(h) {
				h.kept = s.retains(h)
			}
		}
	}
}

// servedByAnother reports whether another object has a trigger of its own at the listed place of a
// record, by a list that is not older than the last write to that trigger.
func (m *matcher) servedByAnother(h *heldRecord) bool {
	place := h.observed.place()
	w := m.wishAt[place]
	return w != nil && w.subject != h.owner && w.record != nil && w.record.ID != h.ID &&
		w.record.observed != nil && w.record.observed.place() == place && m.in.settled(w.record.Record)
}

// claimKept claims the triggers that objects keep without a wish for them. The rest of an
// interrupted hand-over must not delete them.
func (m *matcher) claimKept() {
	for _, s := range m.objects {
		for _, h := range s.have {
			if h.ID != "" && h.use != handedOver && (h.kept || s.Stance == Keeps || s.Stance == Observes) && !m.used[h.ID] {
				m.used[h.ID], h.use = true, claimed
			}
		}
	}
}

// release releases the records that no wish uses and that no object keeps.
func (m *matcher) release() {
	for _, s := range m.objects {
		s.have = slices.DeleteFunc(s.have, func(h *heldRecord) bool { return m.releaseOne(s, h) })
	}
}

// releaseOne reports whether the record is dropped now. A record stays until its trigger is
// deleted.
func (m *matcher) releaseOne(s *subject, h *heldRecord) bool {
	switch {
	case h.use == assigned, h.use == claimed:
		return false
	case h.use == handedOver:
		return true
	case h.ID != "" && m.used[h.ID]: // the rest of an interrupted hand-over
		m.recordGiven(h)
		return true
	case h.kept, s.Stance == Keeps, s.Stance == Observes:
		return false
	case h.ID == "":
		s.find(Releasing, h.EventType)
		return false
	case h.nonWebhook != nil && !s.retains(h):
		s.find(DeletionRefused, h.EventType).NonWebhook = h.nonWebhook
		return false
	case h.absence == unlisted && m.deleteRefused(s, h):
		return true
	case m.surplus(s, h):
		return m.releaseSurplus(s, h)
	case s.retains(h):
		s.released = append(s.released, h.Record)
		return true
	default:
		m.used[h.ID] = true
		m.delete(s, h)
		return false
	}
}

// surplus reports whether the object has another trigger at this one's place: an interrupted
// replacement leaves two. A trigger that somebody moved elsewhere is not surplus.
func (m *matcher) surplus(s *subject, h *heldRecord) bool {
	w := m.wishAt[h.place()]
	moved := h.observed != nil && h.observed.place() != h.place()
	return !moved && w != nil && w.subject == s && w.record != nil && w.record.ID != h.ID
}

// releaseSurplus finishes the delete of an interrupted replacement. The deletion policy does not
// apply: it is about triggers that an object leaves behind, not about a second one. Both stay
// recorded until a list shows the other one.
func (m *matcher) releaseSurplus(s *subject, h *heldRecord) bool {
	if m.wishAt[h.place()].record.observed != nil {
		m.used[h.ID] = true
		m.delete(s, h)
	}
	return false
}

// retains reports whether a trigger stays at Cloudinary when the object releases it.
func (s *subject) retains(h *heldRecord) bool {
	return s.Deletion == RetainAll || s.Deletion == DeleteCreated && h.Origin == Adopted
}

func deletionOf(s *subject, h *heldRecord) Step {
	return Step{
		Action: Delete, Cause: CauseReleased, Object: s.Key, Secret: h.Secret,
		ID: h.ID, EventType: h.EventType, URL: h.URL, Hash: hashOf(h.ID), Origin: h.Origin, Unlisted: h.absence == unlisted,
	}
}

// deleteRefused reports whether Cloudinary has refused to delete a trigger.
func (m *matcher) deleteRefused(s *subject, h *heldRecord) bool {
	step := deletionOf(s, h)
	r, found := m.in.Refusals[step.place()]
	return found && r.appliesTo(step) && m.in.Now.Before(r.Until)
}

func (m *matcher) delete(s *subject, h *heldRecord) {
	step := deletionOf(s, h)
	if refusal, refused := m.refusal(step); refused {
		s.find(DeletionRefused, h.EventType).Message = refusal.Message
		return
	}
	s.find(Releasing, h.EventType)
	m.steps = append(m.steps, step)
}

// observe compares for objects that only observe.
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
	r := compare(Record{}, *o, s.URL, s.Settings, m.list)
	if len(r.differences) > 0 {
		f := s.find(Drifted, eventType)
		f.Fields = merged(f.Fields, fieldNames(r.differences))
	}
	return Comparison{EventType: eventType, ID: o.ID, Differences: r.differences}
}

// observedFor is the trigger of an observing object: the one in its records, else the one at its
// place.
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

func (m *matcher) result() Plan {
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
