// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"net/http"
	"net/url"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
)

// progress is how far a notification has come, without what it says.
type progress struct {
	ID string `json:"id"`
	// Targets are those of which anything is known still: none if all are done with it, and later notifications have come since.
	Targets []delivered `json:"targets"`
}

// delivered is how far it has come with one target.
type delivered struct {
	Name string `json:"name"`
	// State is one of the API's, or stateDone.
	State    string `json:"state"`
	Attempts int32  `json:"attempts,omitempty"`
	Message  string `json:"message,omitempty"`
}

// follow tells how far a notification has come, dead letter or not.
func (s *Server) follow(w http.ResponseWriter, r *http.Request) {
	id, err := idOf(r.PathValue("id"))
	if err != nil {
		refuse(w, http.StatusBadRequest, "%v", err)
		return
	}
	asked, err := url.ParseQuery(r.URL.RawQuery)
	at := queue.Endpoint{Namespace: asked.Get("namespace"), Name: asked.Get("endpoint")}
	if err != nil || at.Namespace == "" || at.Name == "" {
		refuse(w, http.StatusBadRequest, "namespace and endpoint are required")
		return
	}
	// What the queue has is asked first: what leaves it meanwhile is known as done.
	var left []queue.Item
	for _, i := range s.queue.ItemsOf(id) {
		if i.Endpoint == at {
			left = append(left, i)
		}
	}
	answer(w, http.StatusOK, progress{ID: idText(id), Targets: progressOf(s.keeper.Deliveries(at, id), left)})
}

// progressOf is what is known of targets from the deliveries of a notification, and from what the queue still has of it.
func progressOf(known []v1alpha1.DeliveryStatus, left []queue.Item) []delivered {
	targets := []delivered{}
	for _, d := range known {
		t := delivered{Name: d.Target, State: string(d.State), Message: d.Message}
		if d.Attempts != nil {
			t.Attempts = *d.Attempts
		}
		if over := standingOf(d.Target, left); over.State != string(v1alpha1.DeliveryPending) && !ended(d.State) {
			t.State, t.Message = over.State, over.Reason
		}
		targets = append(targets, t)
	}
	for _, i := range left {
		if !hasTarget(targets, i.Target) {
			is := standingOf(i.Target, left)
			targets = append(targets, delivered{Name: is.Name, State: is.State, Message: is.Reason})
		}
	}
	return targets
}

// ended reports whether nothing more becomes of a delivery by itself.
func ended(s v1alpha1.DeliveryState) bool {
	return s != v1alpha1.DeliveryPending && s != v1alpha1.DeliveryRetrying
}

func hasTarget(targets []delivered, name string) bool {
	for i := range targets {
		if targets[i].Name == name {
			return true
		}
	}
	return false
}
