// SPDX-License-Identifier: Apache-2.0

package events

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/cloudinary-operator/cloudinary-operator/internal/kube"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

// Creator writes an object that is not there yet; kube.Client is one.
type Creator interface {
	Create(ctx context.Context, object kube.Object) error
}

// Options are what a Sender works with, and its bounds.
type Options struct {
	Client Creator
	// Instance is the name of the Pod.
	Instance string
	Now      func() time.Time
	// Suppressed is told of each Event that is not written, with the reason. It may be nil.
	Suppressed func(e *route.Endpoint, why Suppression)

	// PerEndpoint is what one endpoint may write.
	PerEndpoint Rate
	// PerReceiver is what all of them may write. An Event that is over it waits for its turn.
	PerReceiver Rate
	// MaxWait is how long that may take; what would wait longer is suppressed.
	MaxWait time.Duration
	// Timeout is that of one write.
	Timeout time.Duration
}

// DefaultOptions has the budget that the API's documentation names.
func DefaultOptions() Options {
	return Options{
		Now:         time.Now, //nolint:forbidigo // where the injected clock gets its default
		PerEndpoint: Rate{Burst: 25, Every: 15 * time.Second},
		PerReceiver: Rate{Burst: 10, Every: 100 * time.Millisecond},
		MaxWait:     5 * time.Second,
		Timeout:     10 * time.Second,
	}
}

// Suppression is why an Event was not written, as the value of a metric's label.
type Suppression string

// The reasons why Events are not written.
const (
	// SuppressedByEndpoint means the endpoint's budget is used up.
	SuppressedByEndpoint Suppression = "endpoint_budget"
	// SuppressedByReceiver means the receiver's budget is used up for longer than Options.MaxWait.
	SuppressedByReceiver Suppression = "receiver_budget"
	// SuppressedByNamespace means the namespace is being deleted, or gone.
	SuppressedByNamespace Suppression = "namespace_gone"
)

// Suppressions are all of them.
func Suppressions() []Suppression {
	return []Suppression{SuppressedByEndpoint, SuppressedByReceiver, SuppressedByNamespace}
}

// Outcome is what became of an Event.
type Outcome struct {
	// Suppressed says why the Event is not written, now or later.
	Suppressed Suppression
	// Err is why it is not written yet, in words that may be shown.
	Err error
	// Final means that trying again is of no use.
	Final bool
	// StatusCode is what the API server answered, 0 where it did not.
	StatusCode int
	// RetryAfter is how long the API server wants to be left alone.
	RetryAfter time.Duration
}

// Sender writes Events. Any number of goroutines may use it at once.
type Sender struct {
	Options
	budget *budget
}

// NewSender makes a sender.
func NewSender(o Options) *Sender {
	return &Sender{Options: o, budget: newBudget(o.PerEndpoint, o.PerReceiver, o.MaxWait)}
}

// Write writes the Event of a notification, once: that it is there already is success.
func (s *Sender) Write(ctx context.Context, e *route.Endpoint, n Notification) Outcome {
	wait, verdict := s.budget.take(e.Key, s.Now())
	switch verdict {
	case endpointOver:
		return s.suppress(e, SuppressedByEndpoint)
	case receiverOver:
		return s.suppress(e, SuppressedByReceiver)
	case granted:
	}
	if err := sleep(ctx, wait); err != nil {
		s.budget.giveBack(e.Key)
		return Outcome{Err: fmt.Errorf("wait for the budget of Events: %w", err)}
	}
	outcome := s.create(ctx, Event(e, n, s.Instance), e)
	if outcome.Err != nil || outcome.Suppressed != "" {
		s.budget.giveBack(e.Key)
	}
	return outcome
}

func (s *Sender) suppress(e *route.Endpoint, why Suppression) Outcome {
	if s.Suppressed != nil {
		s.Suppressed(e, why)
	}
	return Outcome{Suppressed: why}
}

func (s *Sender) create(ctx context.Context, event kube.Object, e *route.Endpoint) Outcome {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	outcome := judge(s.Client.Create(ctx, event))
	if outcome.Suppressed != "" {
		s.suppress(e, outcome.Suppressed)
	}
	return outcome
}

// judge says what the API server's answer to a write means.
//
//	answer                                | then
//	--------------------------------------+------------------------------------------------------------
//	none, AlreadyExists                   | written
//	NamespaceTerminating, NotFound        | the namespace goes, and its Events with it: not written
//	Invalid, too large                    | a bug: trying again is of no use
//	anything else, or no answer           | tried again: Forbidden is a role that may be granted yet
func judge(err error) Outcome {
	switch {
	case err == nil || apierrors.IsAlreadyExists(err):
		return Outcome{StatusCode: http.StatusCreated}
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) || apierrors.IsNotFound(err):
		return Outcome{Suppressed: SuppressedByNamespace, StatusCode: code(err)}
	}
	seconds, _ := apierrors.SuggestsClientDelay(err)
	reason := apierrors.ReasonForError(err)
	outcome := Outcome{
		StatusCode: code(err), RetryAfter: time.Duration(seconds) * time.Second,
		Final: apierrors.IsInvalid(err) || apierrors.IsRequestEntityTooLargeError(err),
	}
	switch {
	case apierrors.IsForbidden(err):
		outcome.Err = errors.New("the API server refused an Event (Forbidden): let the receiver create Events in the namespace, or raise its quota")
	case outcome.StatusCode == 0:
		outcome.Err = errors.New("the API server did not answer")
	default:
		// The server's own text may repeat what was sent.
		outcome.Err = fmt.Errorf("the API server refused an Event (%d %s)", outcome.StatusCode, reason)
	}
	return outcome
}

func code(err error) int {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return int(status.Status().Code)
	}
	return 0
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
