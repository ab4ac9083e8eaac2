// SPDX-License-Identifier: Apache-2.0

package plugin

import "fmt"

// counted is a number of things, such as "1 dead letter" and "2 dead letters".
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
