// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/check"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

// Endpoint is an endpoint with its references resolved.
type Endpoint struct {
	*v1alpha1.NotificationEndpoint
	Key         plan.Key
	Secret      plan.Key
	URL         string
	Environment cloudinary.Environment // zero until the Secret can be used
	Primary     Unit
	Problem     *Problem        // Accepted=False
	Warnings    []check.Finding // notes that concern the endpoint's triggers too
	Notes       []check.Finding // notes that concern the endpoint alone
}

// ResolveEndpoint resolves an endpoint's URL and credentials.
func (w *World) ResolveEndpoint(ep *v1alpha1.NotificationEndpoint) Endpoint {
	v := Endpoint{
		NotificationEndpoint: ep,
		Key:                  KeyOf(ep),
	}
	v.Secret, v.Environment, v.Primary = w.LeadsTo(ep)
	var kept string
	v.URL, v.Warnings, kept, v.Problem = w.endpointURL(ep)
	if v.Notes = pathNotes(ep); kept != "" {
		v.Notes = append(v.Notes, check.Finding{Why: kept})
	}
	own := check.Endpoint(&ep.Spec)
	if v.Problem == nil {
		v.Problem = refusal(own)
	}
	if v.Problem == nil {
		v.Problem = w.permissionProblem(ep)
	}
	v.Notes = slices.Concat(v.Notes, check.Notes(own), w.typesWithoutTrigger(ep))
	state, known := w.Secret(v.Secret)
	switch {
	case !known: // the pass of its unit reads it
	case state.Problem != nil:
		v.Problem = state.Problem
	case state.Deleting && ep.DeletionTimestamp == nil:
		v.Warnings = append(v.Warnings, check.Finding{
			Why:    fmt.Sprintf("Secret %s is being deleted, but its finalizer keeps it while an endpoint names it", v.Secret),
			Advice: "refer to another Secret, or delete the endpoints",
		})
	case state.Contested != "":
		v.Warnings = append(v.Warnings, check.Finding{Why: fmt.Sprintf("Secret %s: %s", v.Secret, state.Contested)})
	}
	return v
}

// refusal is the reason why a manifest is not accepted, with everything to correct. Nil: it is
// accepted.
func refusal(found []check.Finding) *Problem {
	refused := check.Refusals(found)
	if len(refused) == 0 {
		return nil
	}
	return &Problem{Reason: refused[0].Reason, Message: check.Join(refused)}
}

// endpointURL is the URL that Cloudinary notifies, with the notes about it and about an address
// that is kept.
func (w *World) endpointURL(ep *v1alpha1.NotificationEndpoint) (url string, notes []check.Finding, kept string, _ *Problem) {
	url, field := ep.Spec.URL, check.FieldURL
	if ep.Spec.Receiver != nil {
		base := ep.Spec.Receiver.BaseURL
		field = check.FieldBaseURL
		if base == "" {
			base, field = w.Options.ReceiverBaseURL, "the manager's --receiver-base-url"
		}
		if base == "" {
			return "", nil, "", &Problem{
				Reason:  v1alpha1.ReasonBaseURLMissing,
				Message: "neither spec.receiver.baseURL nor the manager's --receiver-base-url is set. Set one to the receiver's address on the internet",
			}
		}
		var path string
		var p *Problem
		if path, kept, p = w.receiverPath(ep); p != nil {
			return "", nil, "", p
		}
		url = strings.TrimRight(base, "/") + path
	}
	found := check.URL(field, url)
	if p := refusal(found); p != nil {
		return "", nil, "", p
	}
	return url, check.Notes(found), kept, nil
}

// Proven reports whether Cloudinary accepts the endpoint's credentials in the environment that they
// name, or did so before. The receiver verifies only then: an endpoint that merely names somebody's
// cloud gets none of its keys.
func (v *Endpoint) Proven() bool {
	if v.Environment == (cloudinary.Environment{}) {
		return false
	}
	e := v.Status.Environment
	before := e != nil && e.APIBase == v.Environment.APIBase && e.CloudName == v.Environment.CloudName
	return before || v.Primary == UnitOfEnvironment(v.Environment)
}
