// SPDX-License-Identifier: Apache-2.0

// Package program has what the manager and the receiver share of starting, and nothing of what they do once they run. The receiver is
// small: controller-runtime's client and its manager must not come in through here.
package program

import (
	"cmp"
	"fmt"
)

// AtLeast refuses a flag's value that is below the least that works.
func AtLeast[T cmp.Ordered](flag string, value, least T) error {
	if value < least {
		return fmt.Errorf("%s is %v, must be at least %v", flag, value, least)
	}
	return nil
}
