// SPDX-License-Identifier: Apache-2.0

package plan

import "slices"

// Handover is what changes hands in a plan: triggers that one object gives up and another one wants. It is stored in the status of the
// one that takes before it leaves that of the one that gives, so that a trigger of ours is recorded at every moment.
type Handover struct {
	plan  *Plan
	given map[string]bool // ids
}

// Handover finds out what changes hands.
func (p *Plan) Handover() Handover {
	h := Handover{plan: p, given: map[string]bool{}}
	for _, key := range p.Handovers {
		for _, rec := range p.Verdicts[key].Giving {
			h.given[rec.ID] = true
		}
	}
	return h
}

// Takes reports whether an object gets something by it that its status does not have yet.
func (h Handover) Takes(key Key, stored []Record) bool {
	return h.among(h.plan.Verdicts[key].Records, stored)
}

// Has reports whether an object is to have what others give, or has it already.
func (h Handover) Has(key Key) bool { return h.among(h.plan.Verdicts[key].Records, nil) }

// Concerns reports whether an object takes or gives.
func (h Handover) Concerns(key Key) bool {
	v := h.plan.Verdicts[key]
	return h.among(slices.Concat(v.Records, v.Giving), nil)
}

// among reports whether something that changes hands is among the records, and not in stored.
func (h Handover) among(records, stored []Record) bool {
	return slices.ContainsFunc(records, func(rec Record) bool {
		return h.given[rec.ID] && !slices.ContainsFunc(stored, func(s Record) bool { return s.ID == rec.ID })
	})
}
