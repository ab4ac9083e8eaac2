// SPDX-License-Identifier: Apache-2.0

package events

import (
	"context"

	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
)

var _ delivery.Sender = (*Sender)(nil)

// Send writes the Event of a delivery.
func (s *Sender) Send(ctx context.Context, d *delivery.Delivery) delivery.Result {
	return result(s.Write(ctx, d.Endpoint, Notification{
		Key: d.Record.Key, ReceivedAt: d.Record.ReceivedAt, EventType: d.Record.EventType, Body: d.Record.Body,
	}))
}

func result(o Outcome) delivery.Result {
	r := delivery.Result{Verdict: delivery.Delivered, StatusCode: o.StatusCode, RetryAfter: o.RetryAfter}
	switch {
	case o.Suppressed != "":
		r.Verdict, r.Message = delivery.Suppressed, o.Suppressed.message()
	case o.Err != nil:
		r.Verdict, r.Message = delivery.Failed, o.Err.Error()
		if o.Final {
			r.Verdict = delivery.Refused
		}
	}
	return r
}

func (s Suppression) message() string {
	switch s {
	case SuppressedByEndpoint:
		return "the endpoint's budget of Kubernetes Events is used up"
	case SuppressedByReceiver:
		return "the receiver's budget of Kubernetes Events is used up"
	case SuppressedByNamespace:
		return "the namespace is being deleted"
	default:
		return string(s)
	}
}
