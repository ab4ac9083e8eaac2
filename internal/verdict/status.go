// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// TriggerStatus is the manager's part of a trigger's status.
func TriggerStatus(t *resolve.Trigger, a Assessment, registrations []v1alpha1.Registration, observed []plan.Comparison, now metav1.Time) v1alpha1.CloudinaryTriggerStatus {
	return v1alpha1.CloudinaryTriggerStatus{
		Conditions:         a.Conditions(t.Status.Conditions, t.Generation, now),
		ObservedGeneration: &t.Generation,
		EventTypes:         inOneLine(t.Spec.EventTypes),
		Registrations:      registrations,
		Observed:           observedTriggers(observed),
	}
}

// maxInOneLine is the number of event types that kubectl get shows.
const maxInOneLine = 4

// inOneLine joins event types with commas: a printer column can show a list only as JSON.
func inOneLine(eventTypes []string) string {
	if more := len(eventTypes) - maxInOneLine; more > 0 {
		return fmt.Sprintf("%s +%d", strings.Join(eventTypes[:maxInOneLine], ","), more)
	}
	return strings.Join(eventTypes, ",")
}

func observedTriggers(compared []plan.Comparison) []v1alpha1.ObservedTrigger {
	var observed []v1alpha1.ObservedTrigger
	limit := resolve.ShownBytes(len(compared))
	for _, c := range compared {
		observed = append(observed, v1alpha1.ObservedTrigger{
			EventType: c.EventType, ID: c.ID, Differences: resolve.FieldDifferences(c.Differences, limit),
		})
	}
	return observed
}

// EndpointStatus is the manager's part of an endpoint's status.
func EndpointStatus(ep *resolve.Endpoint, a Assessment, use Usage, now metav1.Time) v1alpha1.NotificationEndpointStatus {
	status := v1alpha1.NotificationEndpointStatus{
		Conditions:         a.Conditions(ep.Status.Conditions, ep.Generation, now),
		ObservedGeneration: &ep.Generation,
		URL:                ep.URL,
		Environment:        ep.Status.Environment,
	}
	if status.URL == "" {
		status.URL = resolve.KeepURL(ep.NotificationEndpoint)
	}
	if ep.Proven() {
		status.Environment = environmentStatus(ep.Environment, use)
	}
	return status
}

// maxURLs is the largest number in status.environment.
const maxURLs = 100000

// Usage is how full an environment is.
type Usage struct {
	URLs      *int // nil: it was not listed yet
	Limit     int  // of URLs
	Waiting   int  // changes for which there are no calls
	CallShare int  // calls an hour at most
	CallLimit int  // of these that the plan allows; 0: not known
}

func environmentStatus(e cloudinary.Environment, use Usage) *v1alpha1.EnvironmentStatus {
	bounded := func(n int) *int32 { return new(int32(max(0, min(n, maxURLs)))) }
	s := &v1alpha1.EnvironmentStatus{APIBase: e.APIBase, CloudName: e.CloudName, URLLimit: bounded(use.Limit)}
	if use.URLs != nil {
		s.URLsUsed = bounded(*use.URLs)
		s.URLs = fmt.Sprintf("%d/%d", *s.URLsUsed, *s.URLLimit)
	}
	if use.CallLimit > 0 {
		s.CallShare = fmt.Sprintf("%d/%d", use.CallShare, use.CallLimit)
	}
	if use.Waiting > 0 {
		s.ChangesWaiting = bounded(use.Waiting)
	}
	return s
}
