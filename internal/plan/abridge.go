// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"github.com/cloudinary-operator/cloudinary-operator/internal/bound"
)

// abridgement begins the text that replaces a filter or a template beyond its bounds. It is JSON,
// so that the object around it can still be written and compared. It is no JSON object, so that the
// API server accepts it from nobody.
const abridgement = "beyond its bounds: it "

// Abridge returns what a cache keeps of a filter or a template: all of it, or the reason for its
// refusal. The validation of both gives the same result.
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

// Abridged reports whether Abridge has left only a reason.
func Abridged(raw []byte) bool { return bytes.HasPrefix(raw, []byte(`"`+abridgement)) }

// whyAbridged is the reason that Abridge has left. Nil: it has left everything.
func whyAbridged(raw []byte) error {
	var text string
	if Abridged(raw) && json.Unmarshal(raw, &text) == nil {
		return errors.New(strings.TrimPrefix(text, abridgement))
	}
	return nil
}
