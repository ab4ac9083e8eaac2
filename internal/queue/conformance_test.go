// SPDX-License-Identifier: Apache-2.0

package queue_test

import (
	"sync"
	"testing"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue/queuetest"
)

func TestConformance(t *testing.T) {
	var mu sync.Mutex
	dirs := map[string]string{}
	queuetest.Run(t, func(tb testing.TB, id string, o queue.Options) queue.Queue {
		tb.Helper()
		mu.Lock()
		defer mu.Unlock()
		if dirs[id] == "" {
			dirs[id] = tb.TempDir()
		}
		o.Dir = dirs[id]
		s, err := queue.Open(tb.Context(), o)
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { _ = s.Close() }) // tests that care have closed it
		return s
	})
}
