// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// MaxSelector is the largest size of an endpoint's selector of namespaces, which each pass
// evaluates. The size is the number of bytes of its texts.
const MaxSelector = 4 << 10

// AbridgedSelector is the operator that replaces a selector that is too large. The API server
// accepts it from nobody.
const AbridgedSelector = "beyond its bounds"

// AbridgeSelector returns a selector, or its replacement if it is too large. The evaluation of both
// gives the same result.
func AbridgeSelector(s *metav1.LabelSelector) *metav1.LabelSelector {
	reason := SelectorProblem(s)
	if reason == "" {
		return s
	}
	return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: reason, Operator: AbridgedSelector}}}
}

// SelectorProblem says that a selector is too large. Empty: it is not.
func SelectorProblem(s *metav1.LabelSelector) string {
	if s == nil {
		return ""
	}
	size := 0
	for key, value := range s.MatchLabels {
		size += len(key) + len(value)
	}
	for _, e := range s.MatchExpressions {
		if e.Operator == AbridgedSelector {
			return e.Key
		}
		size += len(e.Key)
		for _, value := range e.Values {
			size += len(value)
		}
	}
	if size <= MaxSelector {
		return ""
	}
	return fmt.Sprintf("has %d bytes of keys and values, but the maximum is %d", size, MaxSelector)
}
