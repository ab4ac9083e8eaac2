// SPDX-License-Identifier: Apache-2.0

package firing

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cloudinary-operator/cloudinary-operator/internal/jsonlogic"
)

var errFilter = errors.New("invalid filter")

// CheckFilter accepts an object that is one JSONLogic rule of known operators.
func CheckFilter(filter map[string]any) error {
	if len(filter) != 1 {
		return fmt.Errorf("%w: must have exactly one member, the operator", errFilter)
	}
	return checkRule(filter, 0, false)
}

// checkRule bounds the depth. That is the evaluation's bound; Cloudinary's is not published.
func checkRule(value any, depth int, literal bool) error {
	if depth >= jsonlogic.MaxDepth {
		return fmt.Errorf("%w: nested too deeply", errFilter)
	}
	switch v := value.(type) {
	case map[string]any:
		return checkObject(v, depth, literal)
	case []any:
		for _, element := range v {
			if err := checkRule(element, depth+1, literal); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkObject takes an object with exactly one member for an operation. Any other is a value, and so is what it holds.
func checkObject(object map[string]any, depth int, literal bool) error {
	literal = literal || len(object) != 1
	for name, member := range object {
		if !literal && !slices.Contains(jsonlogic.Operators(), name) {
			return fmt.Errorf("%w: unknown operator", errFilter)
		}
		if err := checkRule(member, depth+1, literal); err != nil {
			return err
		}
	}
	return nil
}
