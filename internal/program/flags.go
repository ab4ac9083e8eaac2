// SPDX-License-Identifier: Apache-2.0

package program

import (
	"cmp"
	"fmt"
	"strings"
)

// AtLeast refuses a flag's value that is below the least that works.
func AtLeast[T cmp.Ordered](flag string, value, least T) error {
	if value < least {
		return fmt.Errorf("%s is %v, must be at least %v", flag, value, least)
	}
	return nil
}

// List is what a flag names, separated by commas; nil where it names nothing.
func List(value string) []string {
	var names []string
	for name := range strings.SplitSeq(value, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}
