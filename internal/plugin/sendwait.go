// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

// waitLook is the time between two questions to the receiver.
const waitLook = 300 * time.Millisecond

// stateDone is the state of a target that is done with a notification, with an unknown result.
const stateDone = "Done"

// delivered is the state of a notification at one target.
type delivered struct {
	Name     string `json:"name"`
	State    string `json:"state"`
	Attempts int32  `json:"attempts,omitempty"`
	Message  string `json:"message,omitempty"`
}

// ended reports whether the state is final without a person.
func (d *delivered) ended() bool {
	return d.State != string(v1alpha1.DeliveryPending) && d.State != string(v1alpha1.DeliveryRetrying)
}

// well reports whether the target may have it.
func (d *delivered) well() bool {
	return d.State == string(v1alpha1.DeliveryDelivered) || d.State == stateDone
}

// String is the line that a person gets.
func (d *delivered) String() string {
	text := d.Name + ": " + d.State
	if d.Attempts > 0 {
		text += fmt.Sprintf(", attempt %d", d.Attempts)
	}
	if d.Message != "" {
		text += ": " + d.Message
	}
	return text
}

// progress reads the states of a notification of an endpoint.
func (a *adminClient) progress(ctx context.Context, ep *v1alpha1.NotificationEndpoint, id string) ([]delivered, error) {
	query := url.Values{"namespace": {ep.Namespace}, "endpoint": {ep.Name}}
	var said struct {
		Targets []delivered `json:"targets"`
	}
	err := a.call(ctx, http.MethodGet, "/v1/notifications/"+url.PathEscape(id)+"?"+query.Encode(), nil, &said)
	return said.Targets, err
}

// follow waits until all targets are done with a notification, or the time is over. It returns the
// last states.
func (a *adminClient) follow(ctx context.Context, ep *v1alpha1.NotificationEndpoint, id string, patience time.Duration) ([]delivered, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	look := time.NewTicker(waitLook)
	defer look.Stop()
	var all []delivered
	for {
		now, err := a.progress(ctx, ep, id)
		if err != nil && ctx.Err() == nil {
			return all, err
		}
		if err == nil {
			all = merged(all, now)
			if !slices.ContainsFunc(all, func(d delivered) bool { return !d.ended() }) {
				return all, nil
			}
		}
		select {
		case <-ctx.Done():
			return all, nil
		case <-look.C:
		}
	}
}

// merged is the present states, and stateDone for targets that are no longer there.
func merged(before, now []delivered) []delivered {
	for _, d := range before {
		if !slices.ContainsFunc(now, func(n delivered) bool { return n.Name == d.Name }) {
			if !d.ended() {
				d = delivered{Name: d.Name, State: stateDone}
			}
			now = append(now, d)
		}
	}
	return now
}

// deliveryError is nil if all targets have the notification, as far as is known.
func deliveryError(all []delivered, patience time.Duration) error {
	var waiting, lost []string
	for i := range all {
		switch d := &all[i]; {
		case !d.ended():
			waiting = append(waiting, d.Name)
		case !d.well():
			lost = append(lost, d.Name)
		}
	}
	var problems []error
	if len(lost) > 0 {
		problems = append(problems, fmt.Errorf("it was not delivered to %s", strings.Join(lost, ", ")))
	}
	if len(waiting) > 0 {
		problems = append(problems, fmt.Errorf("it was not delivered to %s within %s; it is tried again", strings.Join(waiting, ", "), patience))
	}
	return errors.Join(problems...)
}
