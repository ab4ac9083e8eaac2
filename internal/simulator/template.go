// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"errors"
	"fmt"

	"github.com/cbroglie/mustache"
)

const maxTemplateBytes = 16 << 10

var errTemplate = errors.New("invalid payload template")

// checkTemplate accepts an object of at most 16 KB whose texts, at any depth, are Mustache that parses.
func checkTemplate(template map[string]any) error {
	if text, err := compact(template); err != nil || len(text) > maxTemplateBytes {
		return fmt.Errorf("%w: more than %d bytes", errTemplate, maxTemplateBytes)
	}
	return checkTexts(template)
}

func checkTexts(value any) error {
	switch v := value.(type) {
	case string:
		return checkMustache(v)
	case []any:
		for _, element := range v {
			if err := checkTexts(element); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, element := range v {
			if err := checkTexts(element); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkMustache(text string) (err error) {
	// The library is not known to panic, but a template must never end a server.
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("%w: not Mustache", errTemplate)
		}
	}()
	// No partials: by default the library would read them from files.
	if _, err := mustache.ParseStringPartials(text, &mustache.StaticProvider{}); err != nil {
		return fmt.Errorf("%w: %w", errTemplate, err)
	}
	return nil
}
