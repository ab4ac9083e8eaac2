// SPDX-License-Identifier: Apache-2.0

package webhookreceiver

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/types"
)

// smallBody is what is read at once and kept for the next request. Cloudinary's bodies are a few kilobytes.
const smallBody = 16 << 10

// budget bounds the bytes of bodies in memory. What a body takes is counted as it arrives, so that nobody gets a share by
// announcing much and sending nothing.
type budget struct {
	limit int64
	used  atomic.Int64

	// Beyond small bodies, one endpoint may hold half of it, so that a flood for one leaves room for the others.
	mu    sync.Mutex
	large map[types.NamespacedName]int64
}

func newBudget(limit int64) *budget {
	return &budget{limit: limit, large: map[types.NamespacedName]int64{}}
}

func (b *budget) take(n int64) bool {
	if b.used.Add(n) > b.limit {
		b.used.Add(-n)
		return false
	}
	return true
}

func (b *budget) takeLarge(key types.NamespacedName, n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.large[key]+n > b.limit/2 || !b.take(n) {
		return false
	}
	b.large[key] += n
	return true
}

func (b *budget) give(key types.NamespacedName, small, large int64) {
	b.used.Add(-small - large)
	if large == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.large[key] -= large; b.large[key] <= 0 {
		delete(b.large, key)
	}
}

// body is a request's body in memory. Release gives back what it takes.
type body struct {
	bytes        []byte
	buffer       *[]byte // from the pool, nil for a large one
	key          types.NamespacedName
	small, large int64
}

// bodies reads the bodies of requests.
type bodies struct {
	budget   *budget
	maxBytes int64
	pool     sync.Pool
}

func newBodies(maxBytes, maxInFlight int64) *bodies {
	b := &bodies{budget: newBudget(maxInFlight), maxBytes: maxBytes}
	b.pool.New = func() any {
		buffer := make([]byte, smallBody)
		return &buffer
	}
	return b
}

// read takes in a body as it arrives. The reason is empty where it is whole.
func (b *bodies) read(r *http.Request, key types.NamespacedName) (body, Reason) {
	if r.ContentLength > b.maxBytes {
		return body{}, ReasonBodyTooLarge
	}
	if !b.budget.take(smallBody) {
		return body{}, ReasonOverloaded
	}
	buffer, _ := b.pool.Get().(*[]byte)
	read := body{buffer: buffer, key: key, small: smallBody}
	n, err := fill(r.Body, *buffer)
	read.bytes = (*buffer)[:n]
	if err == nil {
		var reason Reason
		if reason = b.readLarge(r.Body, &read); reason != "" {
			b.release(&read)
			return body{}, reason
		}
		return read, ""
	}
	if !errors.Is(err, io.EOF) {
		b.release(&read)
		return body{}, ReasonBodyIncomplete
	}
	return read, ""
}

// readLarge goes on where the small buffer is full.
func (b *bodies) readLarge(from io.Reader, into *body) Reason {
	all := into.bytes
	for {
		step := min(int64(len(all)), b.maxBytes+1-int64(len(all)))
		if step <= 0 {
			return ReasonBodyTooLarge
		}
		if !b.budget.takeLarge(into.key, step) {
			return ReasonOverloaded
		}
		into.large += step
		grown := make([]byte, int64(len(all))+step)
		have := copy(grown, all)
		n, err := fill(from, grown[have:])
		all = grown[:have+n]
		if err == nil {
			continue
		}
		if !errors.Is(err, io.EOF) {
			return ReasonBodyIncomplete
		}
		if int64(len(all)) > b.maxBytes {
			return ReasonBodyTooLarge
		}
		into.bytes = all
		return ""
	}
}

// fill reads until into is full or there is no more, which is io.EOF.
func fill(from io.Reader, into []byte) (int, error) {
	n := 0
	for n < len(into) {
		m, err := from.Read(into[n:])
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (b *bodies) release(x *body) {
	if x.buffer != nil {
		b.pool.Put(x.buffer)
	}
	b.budget.give(x.key, x.small, x.large)
	*x = body{}
}
