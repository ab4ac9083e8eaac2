// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
)

// SizeOf is about how many bytes triggers take.
func SizeOf(triggers []cloudinary.Trigger) int {
	const bytesEach = 256
	size := 0
	for _, t := range triggers {
		size += bytesEach + len(t.ID) + len(t.URI) + len(t.EventType) + len(t.Filter) + len(t.PayloadTemplate)
	}
	return size
}

// Sooner is the shorter of two waits, of which zero is none.
func Sooner(a, b time.Duration) time.Duration {
	if a == 0 || b == 0 {
		return a + b
	}
	return min(a, b)
}
