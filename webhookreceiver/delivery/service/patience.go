// SPDX-License-Identifier: Apache-2.0

package service

import (
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
)

const (
	// patientFor is how long a target may answer a notification with what it also answers while it is rolled out.
	patientFor = 5 * time.Minute
	// forgottenAfter is when a notification is forgotten of which nothing was heard any more: it was given up otherwise. It is longer than any pause
	// between two attempts.
	forgottenAfter = 2 * time.Hour
	maxPatience    = 1 << 16
)

// passing reports whether an answer may be one of a rollout, and not about the notification: a proxy that has no route yet, a program that has not
// yet set up its paths, two versions at a time. By itself it is a refusal.
func passing(code int) bool {
	switch code {
	case http.StatusNotFound, http.StatusConflict, http.StatusMisdirectedRequest, http.StatusTooEarly:
		return true
	default:
		return false
	}
}

// patience knows since when notifications are answered so.
type patience struct {
	mu    sync.Mutex
	since map[waiting]time.Time
	swept time.Time
}

// waiting is a notification for a target.
type waiting struct {
	id     queue.ID
	target string
}

func newPatience() *patience { return &patience{since: map[waiting]time.Time{}} }

// ends reports whether a notification was answered so for long enough.
func (p *patience) ends(d *delivery.Delivery, now time.Time) bool {
	key := waiting{id: d.ID, target: d.Target.Name}
	p.mu.Lock()
	defer p.mu.Unlock()
	since, known := p.since[key]
	if known {
		return now.Sub(since) >= patientFor
	}
	if len(p.since) >= maxPatience && now.Sub(p.swept) > time.Minute {
		p.swept = now
		maps.DeleteFunc(p.since, func(_ waiting, since time.Time) bool { return now.Sub(since) > forgottenAfter })
	}
	if len(p.since) < maxPatience { // else it is tried again, until there is room
		p.since[key] = now
	}
	return false
}

// settled forgets a notification that is not tried again, or was answered in another way.
func (p *patience) settled(d *delivery.Delivery) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.since, waiting{id: d.ID, target: d.Target.Name})
}
