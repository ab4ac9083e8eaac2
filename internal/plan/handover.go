// SPDX-License-Identifier: Apache-2.0

package plan

import "slices"

// Handover is the set of triggers that one object gives and another one receives. The status of the
// receiver is written before that of the giver, so that a status records each of our triggers at
// every moment.
type Handover struct {
	plan  *Plan
	given map[string]bool // ids
}

// Handover returns the plan's hand-overs.
func (p *Plan) Handover() Handover {
	h := Handover{plan: p, given: map[string]bool{}}
	for _, key := range p.Handovers {
		for _, rec := range p.Verdicts[key].Giving {
			h.given[rec.ID] = true
		}
	}
	return h
}

// Receives reports whether an object receives a trigger that its status does not have yet.
func (h Handover) Receives(key Key, stored []Record) bool {
	return h.among(h.plan.Verdicts[key].Records, stored)
}

// Has reports whether an object receives a trigger, or has received it already.
func (h Handover) Has(key Key) bool { return h.among(h.plan.Verdicts[key].Records, nil) }

// Concerns reports whether an object receives or gives a trigger.
func (h Handover) Concerns(key Key) bool {
	v := h.plan.Verdicts[key]
	return h.among(slices.Concat(v.Records, v.Giving), nil)
}

// among reports whether one of the records changes hands and is not among those stored.
func (h Handover) among(records, stored []Record) bool {
	return slices.ContainsFunc(records, func(rec Record) bool {
		return h.given[rec.ID] && !slices.ContainsFunc(stored, func(s Record) bool { return s.ID == rec.ID })
	})
}
