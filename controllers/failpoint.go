// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	rand "math/rand/v2"
	"slices"

	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

// Failpoint names a place between two steps of a pass. test/proof ends the process at each, and looks what the next one makes of it.
type Failpoint string

// The failpoints, in the order of a pass.
const (
	AtSecretRead         Failpoint = "secret read"
	AtGathered           Failpoint = "gathered"
	BeforeList           Failpoint = "before list"
	AfterList            Failpoint = "after list"
	AtPlanned            Failpoint = "planned"
	BeforeHandover       Failpoint = "before hand-over"
	AtTaken              Failpoint = "hand-over: taken, not given yet"
	AfterHandover        Failpoint = "after hand-over"
	BeforeIntent         Failpoint = "before intent"
	AfterIntent          Failpoint = "after intent"
	BeforeForgetting     Failpoint = "before forgetting what was sent"
	AfterForgetting      Failpoint = "after forgetting what was sent"
	BeforeUpdate         Failpoint = "before update"
	AfterUpdate          Failpoint = "after update"
	BeforeCreate         Failpoint = "before create"
	AfterCreate          Failpoint = "after create"
	BeforeDelete         Failpoint = "before delete"
	AfterDelete          Failpoint = "after delete"
	BetweenHalves        Failpoint = "between the halves of a replace"
	BeforeRecords        Failpoint = "before records"
	AfterRecords         Failpoint = "after records"
	BeforeReport         Failpoint = "before report"
	AfterReport          Failpoint = "after report"
	BeforeFinalizer      Failpoint = "before finalizer is added"
	AfterFinalizer       Failpoint = "after finalizer is added"
	BeforeTriggerStatus  Failpoint = "before status of trigger"
	AfterTriggerStatus   Failpoint = "after status of trigger"
	BeforeEndpointStatus Failpoint = "before status of endpoint"
	AfterEndpointStatus  Failpoint = "after status of endpoint"
	BeforeUnfinalizer    Failpoint = "before finalizer is removed"
	AfterUnfinalizer     Failpoint = "after finalizer is removed"
)

// Failpoints are all of them.
func Failpoints() []Failpoint {
	return []Failpoint{
		AtSecretRead, AtGathered, BeforeList, AfterList, AtPlanned, BeforeHandover, AtTaken, AfterHandover,
		BeforeIntent, AfterIntent, BeforeForgetting, AfterForgetting,
		BeforeUpdate, AfterUpdate, BeforeCreate, AfterCreate, BeforeDelete, AfterDelete, BetweenHalves,
		BeforeRecords, AfterRecords, BeforeReport, AfterReport, BeforeFinalizer, AfterFinalizer,
		BeforeTriggerStatus, AfterTriggerStatus, BeforeEndpointStatus, AfterEndpointStatus, BeforeUnfinalizer, AfterUnfinalizer,
	}
}

// Simulation takes the place of what a test can neither stop nor repeat: the end of the process, chance, and several writes at once.
type Simulation struct {
	// Reached is called at each failpoint. A panic there ends the pass, as the end of the process would.
	Reached func(Failpoint)
	// Chance gives a number from 0 up to but not including 1.
	Chance func() float64
}

func (r *Reconciler) reach(f Failpoint) {
	if r.Simulation != nil {
		r.Simulation.Reached(f)
	}
}

// aroundCall are the failpoints before and after a step's call.
func aroundCall(a plan.Action) (before, after Failpoint) {
	switch a {
	case plan.Create:
		return BeforeCreate, AfterCreate
	case plan.Delete:
		return BeforeDelete, AfterDelete
	case plan.Update, plan.Replace: // a replace is called as its halves
	}
	return BeforeUpdate, AfterUpdate
}

func (r *Reconciler) chance() float64 {
	if r.Simulation != nil {
		return r.Simulation.Chance()
	}
	return rand.Float64() //nolint:gosec // no secret is made of it
}

// shuffled is an order in which writes that are made at once may happen to arrive.
func (s *Simulation) shuffled(keys []plan.Key) []plan.Key {
	order := slices.Clone(keys)
	for i := len(order) - 1; i > 0; i-- {
		j := int(s.Chance() * float64(i+1))
		order[i], order[j] = order[j], order[i]
	}
	return order
}
