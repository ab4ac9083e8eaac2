// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

func TestLeftBehind(t *testing.T) {
	t.Parallel()
	base := "https://" + strings.Repeat("b", 300)
	registrations := []v1alpha1.Registration{
		{APIBase: base, CloudName: "demo", URL: "https://hooks.example.com/", Triggers: []v1alpha1.RegisteredTrigger{{EventType: "upload", ID: "1"}}},
		{APIBase: base, CloudName: "demo", URL: "https://hooks.example.com/2", Triggers: []v1alpha1.RegisteredTrigger{{EventType: "delete"}}},
		{APIBase: base, CloudName: "other"},
	}
	for i := range 64 {
		registrations[2].Triggers = append(registrations[2].Triggers, v1alpha1.RegisteredTrigger{
			EventType: fmt.Sprintf("%064d", i), ID: strings.Repeat("i", 128),
		})
	}
	notes := LeftBehind(registrations)
	for _, note := range notes {
		if len(note) > 1024 || !strings.HasPrefix(note, "Left behind in https://b") {
			t.Errorf("a note of %d bytes: %s", len(note), note)
		}
	}
	if !strings.HasSuffix(notes[0], ": upload (1), delete (if it was created, its id is not known)") {
		t.Errorf("the first note: %s", notes[0])
	}
	if got := strings.Count(strings.Join(notes[1:], ""), strings.Repeat("i", 128)); got != 64 {
		t.Errorf("%d ids in the other notes, want 64", got)
	}
}
