// SPDX-License-Identifier: Apache-2.0

package httpserver

import (
	"math"
	"time"
)

// Limits are what strangers may take. Each has to be set, but for those that say what their zero means.
type Limits struct {
	// MaxConnections is how many connections there may be at once.
	MaxConnections int
	// MaxHeaderBytes is how large a request's line and header may be together, with the empty line at their end.
	MaxHeaderBytes int
	// MaxHeaderLines is how many lines a header may have. net/http makes an entry of a map and a slice of each while they arrive, so
	// that short ones take many times their bytes.
	MaxHeaderLines int

	// HeaderTimeout is until the header has to be there: from the first byte of a request on, for a connection's first request from its
	// being accepted on, TLS included.
	HeaderTimeout time.Duration
	// BodyStartTimeout is until the first BodyStart bytes of a body have to be there, from the header's end on. Zero: as RequestTimeout.
	BodyStartTimeout time.Duration
	// RequestTimeout is until the whole request has to be there, from when HeaderTimeout counts.
	RequestTimeout time.Duration
	// AnswerTimeout is until the answer has to be taken, from the header's end on.
	AnswerTimeout time.Duration
	// IdleTimeout is how long a connection that has brought a trusted request may be idle.
	IdleTimeout time.Duration
	// StrangerIdleTimeout is how long any other one may be.
	StrangerIdleTimeout time.Duration
	// LastRequests is how long Shutdown waits for requests on connections that had brought none yet, or were idle. Zero: not at all.
	LastRequests time.Duration
}

// BodyStart is how many bytes of a body have to arrive within BodyStartTimeout, or all of it if it is shorter.
const BodyStart = 16 << 10

// InternalLimits are for listeners that only the cluster's own are to reach, few at a time: probes, metrics, administration.
func InternalLimits() Limits {
	const (
		connections = 32
		patience    = 5 * time.Second
		answer      = 10 * time.Second
		idle        = 2 * time.Minute // longer than scrapes are apart
	)
	return Limits{
		MaxConnections: connections, MaxHeaderBytes: DefaultMaxHeaderBytes, MaxHeaderLines: DefaultMaxHeaderLines,
		HeaderTimeout: patience, BodyStartTimeout: patience, RequestTimeout: answer, AnswerTimeout: answer,
		IdleTimeout: idle, StrangerIdleTimeout: patience,
	}
}

// Bounds on a header that leave room for what proxies add. Cloudinary sends ten lines, and proxies add up to twenty.
const (
	DefaultMaxHeaderBytes = 8 << 10
	DefaultMaxHeaderLines = 64
)

// maxHandshakeBytes is what a client may send before TLS is agreed on. A client's hello takes up to 2 KiB; its lists take many times their
// bytes where they are decoded.
const maxHandshakeBytes = 8 << 10

// What a connection takes, as TestConnectionsTakeNoMoreThanIsReckoned measures it.
const (
	connectionBytes = 20 << 10 // its goroutine's stack, net/http's two buffers, the request
	bytesPerByte    = 2        // of a header: as it is read, and as it is kept
	bytesPerLine    = 160      // the entry in net/http's map, and its slice
	tlsBytes        = 96 << 10 // a handshake whose hello is as long as may be, and all of it lists
)

// Memory is how many bytes a listener with these limits may take, whatever is sent to it, beside what its handler takes.
func (l *Limits) Memory(tls bool) int64 {
	each := connectionBytes + bytesPerByte*int64(l.MaxHeaderBytes) + bytesPerLine*int64(l.MaxHeaderLines)
	if tls {
		each += tlsBytes
	}
	if int64(l.MaxConnections) > math.MaxInt64/2/each {
		return math.MaxInt64
	}
	return int64(l.MaxConnections+newTable(l.MaxConnections).slack()) * each
}
