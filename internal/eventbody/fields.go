// SPDX-License-Identifier: Apache-2.0

package eventbody

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Fields are a JSON object's members, in the order in which they are written.
type Fields []Field

// Field is one of them.
type Field struct {
	Name  string
	Value any
}

// MarshalJSON implements json.Marshaler.
func (f Fields) MarshalJSON() ([]byte, error) {
	text := bytes.NewBufferString("{")
	for i, field := range f {
		name, err := Compact(field.Name)
		if err != nil {
			return nil, err
		}
		value, err := Compact(field.Value)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			text.WriteByte(',')
		}
		fmt.Fprintf(text, "%s:%s", name, value)
	}
	text.WriteByte('}')
	return text.Bytes(), nil
}

// Compact writes JSON without spaces, and without the escapes that only HTML needs.
func Compact(value any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), nil
}
