// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"cmp"
	"fmt"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/excerpt"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// MaxNote leaves room for the sentence around it in an Event's note of at most 1024 bytes.
const MaxNote = 900

// maxNoteBytes is what the API server takes of an Event's note.
const maxNoteBytes = 1024

// LeftBehind names all triggers of registrations, in as few notes an environment as they fit into.
func LeftBehind(registrations []v1alpha1.Registration) []string {
	var notes []string
	for _, env := range resolve.RegistrationEnvironments(registrations) {
		intro, note := excerpt.Shorten("Left behind in "+env.String(), maxNoteBytes-MaxNote)+": ", ""
		for _, left := range resolve.RecordsIn(registrations, env) {
			name := fmt.Sprintf("%s (%s)", left.EventType, cmp.Or(left.ID, "if it was created, its id is not known"))
			switch {
			case note == "":
				note = intro + name
			case len(note)+len(", ")+len(name) <= maxNoteBytes:
				note += ", " + name
			default:
				notes = append(notes, note)
				note = intro + name
			}
		}
		notes = append(notes, note)
	}
	return notes
}
