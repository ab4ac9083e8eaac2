// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"cmp"
	"fmt"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/excerpt"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// MaxEventText is the longest variable part of an Event's text, which has at most 1024 bytes with
// the sentence around it.
const MaxEventText = 900

// maxEventBytes is the longest text of an Event that the API server accepts.
const maxEventBytes = 1024

// LeftBehind names all triggers of registrations, in as few texts for each environment as possible.
func LeftBehind(registrations []v1alpha1.Registration) []string {
	var texts []string
	for _, env := range resolve.RegistrationEnvironments(registrations) {
		intro, text := excerpt.Shorten("Left behind in "+env.String(), maxEventBytes-MaxEventText)+": ", ""
		for _, left := range resolve.RecordsIn(registrations, env) {
			name := fmt.Sprintf("%s (%s)", left.EventType, cmp.Or(left.ID, "if it was created, its id is not known"))
			switch {
			case text == "":
				text = intro + name
			case len(text)+len(", ")+len(name) <= maxEventBytes:
				text += ", " + name
			default:
				texts = append(texts, text)
				text = intro + name
			}
		}
		texts = append(texts, text)
	}
	return texts
}
