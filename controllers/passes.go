// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/memory"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// applier takes steps in one environment.
type applier struct {
	*environmentPass
	in   *plan.Input
	done map[plan.Key]bool
	told map[told][]string
	full map[string]string // URLs that the server has no place for, with its word

	intended time.Time // when the last intents were made
	ended    bool      // a call came too late for its intent: another round makes it, so that what is older stays first
}

// environmentPass is a pass over an environment that appears in objects.
type environmentPass struct {
	*Reconciler
	*resolve.Scope
	env   *memory.EnvironmentState // locked
	until time.Time                // when no further step is taken
	// setAside are objects to which the API server lets nothing be written now: no step is taken
	// for them in this pass, and the others go on. failures are why.
	setAside map[plan.Key]bool
	failures []error
}

// converged is the last plan of a pass, and why changes are kept back that it has.
type converged struct {
	plan.Plan
	barred map[plan.Key]*resolve.Problem // by the objects whose credentials may not make them
}

// told is what one Event is about: one object, one cause, all its event types. Events about single
// types would be merged by the API's series, and only the first would be read.
type told struct {
	object plan.Key
	cause  plan.Cause
}

// waitingPass is a pass over a unit that leads to no environment (yet).
type waitingPass struct {
	*Reconciler
	unit  resolve.Unit
	world *resolve.World // nil while a call is made, which may take long
}

// secretPass is a pass over a Secret.
type secretPass struct {
	waitingPass
	key plan.Key // of the Secret
}
