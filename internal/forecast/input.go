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

// Input is the input of a forecast: objects as they are or as they would be once applied, and
// Cloudinary's lists.
type Input struct {
	Endpoints []v1alpha1.NotificationEndpoint
	Triggers  []v1alpha1.CloudinaryTrigger
	// Namespaces are the labels of all namespaces, for endpoints that select by them. Nil: unknown.
	Namespaces map[string]labels.Set
	// Partial means that there may be further objects, which could not be read.
	Partial bool
	// Secrets are the known ones. A Secret that is not here could not be read, and the forecast
	// concludes nothing for the objects that need it.
	Secrets map[plan.Key]Secret
	// Now is this process's clock.
	Now     time.Time
	Options Options
}

// Options are the manager's options for a forecast.
type Options struct {
	resolve.Options
	// URLLimit is how many different notification URLs a product environment may hold.
	URLLimit int
	// Settle is how long Cloudinary's list may lag behind a write.
	Settle time.Duration
}

// DefaultOptions are the options of a manager without flags.
func DefaultOptions() Options {
	return Options{URLLimit: plan.DefaultURLLimit, Settle: plan.DefaultSettle}
}

// Secret is a Secret, and the result of a list with its credentials.
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

// Result is what the manager would do, and what it would say before it begins.
type Result struct {
	// Environments are sorted. The steps of each are in their order of execution.
	Environments []EnvironmentForecast
	Endpoints    []Object
	Triggers     []Object
}

// EnvironmentForecast is what would happen in one product environment.
type EnvironmentForecast struct {
	Environment cloudinary.Environment
	URLsBefore  int
	URLsAfter   int
	Steps       []Step
}

// Step is a step with details for a person.
type Step struct {
	plan.Step
	// Differences are the fields that an update or a replacement would change, as far as the list
	// shows them.
	Differences []plan.Difference
	// Silent are the differences in fields that the manifest does not set, if an existing trigger
	// is adopted: they change to Cloudinary's defaults all the same.
	Silent []plan.Difference
	// Blocked means that the step waits, because no Secret gives access.
	Blocked bool
}

// Object is the manager's conditions on an object before its first step.
type Object struct {
	Key        plan.Key
	Conditions []metav1.Condition
	// Notes are the notes in the conditions. Some of them may be doubts.
	Notes []check.Finding
}
