// SPDX-License-Identifier: Apache-2.0

package forecast

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/check"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// Input is what a forecast rests on: objects as they are, or as they would be once applied, and
// what was read at Cloudinary.
type Input struct {
	Endpoints []v1alpha1.NotificationEndpoint
	Triggers  []v1alpha1.CloudinaryTrigger
	// Namespaces are the labels of all namespaces, for endpoints that go by them; nil: they are not
	// known.
	Namespaces map[string]labels.Set
	// Partial says that there may be objects which are not among these, since they could not be
	// read.
	Partial bool
	// Secrets are those that are known. One that is not here could not be read: nothing is
	// concluded for the objects that need it.
	Secrets map[plan.Key]Secret
	// Now is this process's clock.
	Now     time.Time
	Options Options
}

// Options are the manager's options that a forecast rests on.
type Options struct {
	resolve.Options
	// URLLimit is how many different notification URLs a product environment may hold.
	URLLimit int
	// Settle is how long Cloudinary's list may lag behind a write.
	Settle time.Duration
}

// DefaultOptions are those of a manager that was given none.
func DefaultOptions() Options {
	return Options{URLLimit: plan.DefaultURLLimit, Settle: plan.DefaultSettle}
}

// Secret is a Secret, and what a list with its credentials brought.
type Secret struct {
	Secret *corev1.Secret // nil: it does not exist
	List   *List          // nil: its credentials could not be tried
}

// List is the outcome of one list of all triggers.
type List struct {
	Triggers []cloudinary.Trigger
	Meta     cloudinary.Meta
	Begun    time.Time // by this process's clock
	Err      error
}

// offset is by how much Cloudinary's clock is ahead of this process's; zero: that is not known.
func (l *List) offset() time.Duration {
	if l.Meta.Date.IsZero() {
		return 0
	}
	return l.Meta.Date.Sub(l.Begun)
}

// Result is what the manager would do, and what it would say before it does.
type Result struct {
	// Environments are sorted, and each has its steps in the order in which they would be taken.
	Environments []Environment
	Endpoints    []Object
	Triggers     []Object
}

// Environment is what would happen in one product environment.
type Environment struct {
	Environment cloudinary.Environment
	URLsBefore  int
	URLsAfter   int
	Steps       []Step
}

// Step is a step with what a person wants to know of it.
type Step struct {
	plan.Step
	// Differences are the fields that an update or a replacement would change, as far as the list
	// shows them.
	Differences []plan.Difference
	// Silent are those of them of which the manifest says nothing, where a trigger that was there
	// before is adopted: they go to Cloudinary's defaults all the same.
	Silent []plan.Difference
	// Blocked means no Secret gives access for it, so that it waits.
	Blocked bool
}

// Object is what the manager's conditions on an object would be before its first step.
type Object struct {
	Key        plan.Key
	Conditions []metav1.Condition
	// Notes are what the conditions have beside their verdict. One of them may be in doubt.
	Notes []check.Finding
}
