// SPDX-License-Identifier: Apache-2.0

package report

import (
	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
)

// Deliveries are what became of a notification of an endpoint so far, by target, as long as no later one has taken its place: as the last of
// the endpoint, or of one of its triggers. It is empty after that. Any goroutine may call it.
func (w *Writer) Deliveries(at queue.Endpoint, id queue.ID) []v1alpha1.DeliveryStatus {
	e := w.Recorder.lookup(types.NamespacedName{Namespace: at.Namespace, Name: at.Name})
	if e == nil || id == 0 {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.last.id == id {
		return e.last.outcomes()
	}
	for _, t := range e.triggers {
		if t.last.id == id {
			return t.last.outcomes()
		}
	}
	return nil
}
