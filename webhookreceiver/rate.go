// SPDX-License-Identifier: Apache-2.0

package webhookreceiver

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/types"
)

// rates limits how many new notifications each endpoint gets. It knows no more endpoints than there were since the start.
type rates struct {
	limiters sync.Map // of types.NamespacedName to *rate.Limiter
}

// allow takes one notification's share of an endpoint's limit a second; 0 is no limit.
func (r *rates) allow(key types.NamespacedName, limit int, now func() time.Time) bool {
	if limit <= 0 {
		return true
	}
	limiter, known := r.limiters.Load(key)
	if !known {
		limiter, _ = r.limiters.LoadOrStore(key, rate.NewLimiter(rate.Limit(limit), limit))
	}
	return limiter.(*rate.Limiter).AllowN(now(), 1) // nothing else is stored
}
