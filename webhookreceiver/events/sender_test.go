// SPDX-License-Identifier: Apache-2.0

package events

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/cloudinary-operator/cloudinary-operator/internal/kube"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

type creator func(context.Context, kube.Object) error

func (c creator) Create(ctx context.Context, object kube.Object) error { return c(ctx, object) }

var resource = schema.GroupResource{Group: "events.k8s.io", Resource: "events"}

func terminating() error {
	err := apierrors.NewForbidden(resource, "x", errors.New("because it is being terminated"))
	err.ErrStatus.Details.Causes = append(err.ErrStatus.Details.Causes, metav1.StatusCause{Type: corev1.NamespaceTerminatingCause})
	return err
}

func TestTheAPIServersAnswerDecidesWhetherAnEventIsTriedAgain(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err  error
		want delivery.Result
		why  string
	}{
		"written": {nil, delivery.Result{Verdict: delivery.Delivered, StatusCode: 201}, ""},
		"there already": {
			apierrors.NewAlreadyExists(resource, "x"),
			delivery.Result{Verdict: delivery.Delivered, StatusCode: 201},
			"a crash after the write makes no second one",
		},
		"the namespace is being deleted": {
			terminating(),
			delivery.Result{Verdict: delivery.Suppressed, StatusCode: 403, Message: "the namespace is being deleted"},
			"no Event can be made there any more",
		},
		"the namespace is gone": {
			apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "shop"),
			delivery.Result{Verdict: delivery.Suppressed, StatusCode: 404, Message: "the namespace is being deleted"},
			"",
		},
		"not allowed": {
			apierrors.NewForbidden(resource, "x", errors.New("no")),
			delivery.Result{
				Verdict: delivery.Failed, StatusCode: 403,
				Message: "the API server refused an Event (Forbidden): let the receiver create Events in the namespace, or raise its quota",
			},
			"a role may be granted yet",
		},
		"too many requests": {
			apierrors.NewTooManyRequests("slow down", 7),
			delivery.Result{
				Verdict: delivery.Failed, StatusCode: 429, RetryAfter: 7 * time.Second,
				Message: "the API server refused an Event (429 TooManyRequests)",
			},
			"",
		},
		"invalid": {
			apierrors.NewInvalid(schema.GroupKind{Group: "events.k8s.io", Kind: "Event"}, "x", nil),
			delivery.Result{Verdict: delivery.Refused, StatusCode: 422, Message: "the API server refused an Event (422 Invalid)"},
			"a bug does not mend itself",
		},
		"no answer": {
			errors.New("dial tcp 10.0.0.1:443: connection refused"),
			delivery.Result{Verdict: delivery.Failed, Message: "the API server did not answer"},
			"addresses are nobody's business",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := DefaultOptions()
			o.Client = creator(func(context.Context, kube.Object) error { return test.err })
			got := NewSender(o).Send(t.Context(), testDelivery())
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s (-want +got)\n%s", test.why, diff)
			}
		})
	}
}

func testDelivery() *delivery.Delivery {
	return &delivery.Delivery{
		ID: 1, Endpoint: testEndpoint("shop", testTrigger("shop", "images", "upload")), Target: &route.Target{Name: "describe", Event: true},
		Record: &queue.Record{Key: [32]byte{1}, ReceivedAt: noon, EventType: "upload", Body: []byte(uploadBody)}, Attempt: 1,
	}
}

func TestWhatIsOverTheBudgetIsSuppressedAndCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var told []Suppression
		o := DefaultOptions()
		o.Client = creator(func(context.Context, kube.Object) error { return nil })
		o.Suppressed = func(_ *route.Endpoint, why Suppression) { told = append(told, why) }
		s := NewSender(o)
		began := time.Now()
		for range 25 {
			if r := s.Send(t.Context(), testDelivery()); r.Verdict != delivery.Delivered {
				t.Fatalf("within the budget: %+v", r)
			}
		}
		// Ten at once, then ten a second.
		if took := time.Since(began); took != 1500*time.Millisecond {
			t.Errorf("25 Events took %s", took)
		}
		r := s.Send(t.Context(), testDelivery())
		if r.Verdict != delivery.Suppressed || r.Message != "the endpoint's budget of Kubernetes Events is used up" {
			t.Errorf("over the budget: %+v", r)
		}
		if !slices.Equal(told, []Suppression{SuppressedByEndpoint}) {
			t.Errorf("told %v", told)
		}
	})
}

func TestAnAttemptThatFailsUsesNothingOfTheEndpointsBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var answer error
		o := DefaultOptions()
		o.Client = creator(func(context.Context, kube.Object) error { return answer })
		s := NewSender(o)
		answer = apierrors.NewGenericServerResponse(http.StatusServiceUnavailable, "create", resource, "x", "", 0, true)
		for range 100 {
			if r := s.Send(t.Context(), testDelivery()); r.Verdict != delivery.Failed {
				t.Fatalf("while the API server is away: %+v", r)
			}
		}
		answer = nil
		for range 25 {
			if r := s.Send(t.Context(), testDelivery()); r.Verdict != delivery.Delivered {
				t.Fatalf("afterwards: %+v", r)
			}
		}
	})
}

func TestTheReceiversBudgetThrottlesAndThenSuppresses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := DefaultOptions()
		o.Client = creator(func(context.Context, kube.Object) error { return nil })
		s := NewSender(o)
		results := make(chan delivery.Result)
		const endpoints = 100
		for i := range endpoints {
			d := testDelivery()
			d.Endpoint.Key = key(i)
			go func() { results <- s.Send(t.Context(), d) }()
		}
		count := map[delivery.Verdict]int{}
		for range endpoints {
			count[(<-results).Verdict]++
		}
		if diff := cmp.Diff(map[delivery.Verdict]int{delivery.Delivered: 60, delivery.Suppressed: 40}, count); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

func TestAWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := DefaultOptions()
		o.Client = creator(func(context.Context, kube.Object) error { return nil })
		s := NewSender(o)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var last delivery.Result
		for range 25 {
			last = s.Send(ctx, testDelivery())
		}
		if last.Verdict != delivery.Failed || !strings.Contains(last.Message, "deadline") {
			t.Errorf("got %+v", last)
		}
	})
}
