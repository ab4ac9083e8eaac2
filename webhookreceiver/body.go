// SPDX-License-Identifier: Apache-2.0

package webhookreceiver

import (
	"errors"
	"io"
	"net/http"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/internal/httpserver"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
)

const (
	// FirstBody is the room for the start of a body that a request has before any of it has arrived. It is counted with the connection.
	FirstBody = 4 << 10
	// smallBody is how large Cloudinary's bodies are: a few kilobytes. Beyond it, a body is a large one.
	smallBody = 16 << 10
)

// body is a request's body in memory. Release gives back what it takes.
type body struct {
	guest

	signed notification.Signed
	bytes  []byte
	small  *[]byte // from the pool, nil while the first room suffices
	first  [FirstBody]byte
}

// bodies reads the bodies of requests.
type bodies struct {
	intake   *intake
	maxBytes int64

	pool   sync.Pool // of *body
	smalls sync.Pool // of *[]byte
}

func newBodies(maxBytes int64, intake *intake) *bodies {
	b := &bodies{intake: intake, maxBytes: maxBytes}
	b.pool.New = func() any { return &body{} }
	b.smalls.New = func() any {
		buffer := make([]byte, smallBody)
		return &buffer
	}
	return b
}

// read takes in a body as it arrives: what it takes grows with what is there. The reason is empty where it is whole; then it is to be
// released.
func (b *bodies) read(r *http.Request, key types.NamespacedName) (*body, Reason) {
	if r.ContentLength > b.maxBytes {
		return nil, ReasonBodyTooLarge
	}
	x, _ := b.pool.Get().(*body)
	x.guest = guest{key: key, request: r}
	if !b.intake.enter(&x.guest) {
		b.pool.Put(x)
		return nil, ReasonOverloaded
	}
	if reason := b.fill(r, x); reason != "" {
		if reason == ReasonBodyIncomplete && b.intake.wasTold(&x.guest) {
			reason = ReasonOverloaded // its connection was closed for another one
		}
		b.release(x)
		return nil, reason
	}
	r.Trailer = nil // nobody looks at what came behind it
	return x, ""
}

func (b *bodies) fill(r *http.Request, x *body) Reason {
	n, err := fill(r.Body, x.first[:])
	x.bytes = x.first[:n]
	for err == nil { // there is more
		var reason Reason
		var room []byte
		if room, reason = b.grow(r, x); reason != "" {
			return reason
		}
		have := copy(room, x.bytes)
		n, err = fill(r.Body, room[have:])
		x.bytes = room[:have+n]
	}
	switch {
	case !errors.Is(err, io.EOF):
		return ReasonBodyIncomplete
	case int64(len(x.bytes)) > b.maxBytes:
		return ReasonBodyTooLarge
	}
	return ""
}

// grow makes more room for a body whose room is full: as much again at most.
func (b *bodies) grow(r *http.Request, x *body) ([]byte, Reason) {
	have := int64(len(x.bytes))
	if have > b.maxBytes {
		return nil, ReasonBodyTooLarge
	}
	if have < smallBody {
		if !b.intake.take(&x.guest, smallBody, false) {
			return nil, ReasonOverloaded
		}
		x.small, _ = b.smalls.Get().(*[]byte)
		return *x.small, ""
	}
	end := b.maxBytes + 1 // so that one that is too large is found out
	if r.ContentLength > 0 {
		end = r.ContentLength
	}
	step := min(have, max(end-have, 1))
	if !b.intake.take(&x.guest, step, true) {
		return nil, ReasonOverloaded
	}
	return make([]byte, have+step), ""
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

// prove says that a body is Cloudinary's: neither it nor its connection gives way any more.
func (b *bodies) prove(x *body) {
	b.intake.prove(&x.guest)
	httpserver.Trust(x.request)
}

func (b *bodies) release(x *body) {
	b.intake.leave(&x.guest)
	if x.small != nil {
		b.smalls.Put(x.small)
	}
	x.guest, x.signed, x.bytes, x.small = guest{}, notification.Signed{}, nil, nil
	b.pool.Put(x)
}
