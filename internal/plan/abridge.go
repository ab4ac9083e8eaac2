// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"github.com/cloudinary-operator/cloudinary-operator/internal/bound"
)

// abridgement begins what stands for a filter or a template that is beyond its bounds. It is a JSON text, so that the object around it can
// be written and compared still, and no JSON object, so that the API server takes it of nobody.
const abridgement = "beyond its bounds: it "

// Abridge returns what is to be kept of a filter or a template: all of it, or why it is refused. Both are judged alike.
func Abridge(raw []byte) []byte {
	err := bound.Check(raw)
	if err == nil {
		return raw
	}
	text, err := json.Marshal(abridgement + exceeding(raw, err).Error())
	if err != nil { // a text has a JSON form
		return nil
	}
	return text
}

// Abridged reports whether Abridge has left no more than a reason.
func Abridged(raw []byte) bool { return bytes.HasPrefix(raw, []byte(`"`+abridgement)) }

// whyAbridged is the reason that Abridge has left; nil: it has left everything.
func whyAbridged(raw []byte) error {
	var text string
	if Abridged(raw) && json.Unmarshal(raw, &text) == nil {
		return errors.New(strings.TrimPrefix(text, abridgement))
	}
	return nil
}
