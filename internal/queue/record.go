// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"time"
)

const (
	recordVersion = 1
	// recordFixed is the length of what stands before the route: version, checksum, key, its expiry, time of receipt, order key.
	recordFixed = 1 + 4 + 32 + 8 + 8 + 8
	maxTargets  = 256
	// maxRecordBytes keeps one record well below what the engine can take in one write.
	maxRecordBytes = 64 << 20
	maxReason      = 256
)

var (
	errMalformed = errors.New("malformed")
	errChecksum  = errors.New("checksum mismatch")
)

// appendRecord encodes a record, as described in format.go.
func appendRecord(b []byte, r *Record) []byte {
	start := len(b)
	b = append(b, recordVersion, 0, 0, 0, 0)
	b = append(b, r.Key[:]...)
	b = binary.LittleEndian.AppendUint64(b, unixNano(r.KeyExpires))
	b = binary.LittleEndian.AppendUint64(b, unixNano(r.ReceivedAt))
	b = binary.LittleEndian.AppendUint64(b, r.OrderKey)
	b = appendRoute(b, r)
	b = binary.AppendUvarint(b, uint64(len(r.Header)))
	for _, h := range r.Header {
		b = appendString(b, h.Name)
		b = appendString(b, h.Value)
	}
	b = append(b, r.Body...)
	binary.LittleEndian.PutUint32(b[start+1:], checksum(b[start+5:]))
	return b
}

// appendRoute encodes what many records have in common, led by its length.
func appendRoute(b []byte, r *Record) []byte {
	n := sizedLen(r.Endpoint.Namespace) + sizedLen(r.Endpoint.Name) + sizedLen(r.EventType) + uvarintLen(len(r.Targets))
	for _, t := range r.Targets {
		n += sizedLen(t)
	}
	b = binary.AppendUvarint(b, uint64(n)) //nolint:gosec // a length
	b = appendOwner(b, r.Endpoint)
	b = appendString(b, r.EventType)
	b = binary.AppendUvarint(b, uint64(len(r.Targets)))
	for _, t := range r.Targets {
		b = appendString(b, t)
	}
	return b
}

// appendOwner encodes an endpoint as a route begins.
func appendOwner(b []byte, e Endpoint) []byte {
	return appendString(appendString(b, e.Namespace), e.Name)
}

// ownerOf is what a route begins with: the endpoint. Of something else it is nil.
func ownerOf(route []byte) []byte {
	d := decoder{b: route}
	d.sized()
	d.sized()
	if d.err != nil {
		return nil
	}
	return route[:len(route)-len(d.b)]
}

// endpointOf decodes an owner.
func endpointOf(owner []byte) Endpoint {
	d := decoder{b: owner}
	return Endpoint{Namespace: string(d.sized()), Name: string(d.sized())}
}

// head is the part of a record that is kept in memory.
type head struct {
	key        dedupKey
	keyExpires int64 // unix seconds, rounded up; 0: none
	receivedAt int64 // unix nanoseconds
	orderKey   uint64
	route      []byte // encoded; aliases the record
	rest       []byte // header and body, encoded; aliases the record
}

// decodeHead takes apart an encoded record after checking its checksum.
func decodeHead(b []byte) (head, error) {
	var h head
	if len(b) < recordFixed+1 {
		return h, errMalformed
	}
	if b[0] != recordVersion {
		return h, fmt.Errorf("record version %d: %w", b[0], errMalformed)
	}
	if binary.LittleEndian.Uint32(b[1:]) != checksum(b[5:]) {
		return h, errChecksum
	}
	copy(h.key[:], b[5:])
	h.keyExpires = expirySeconds(binary.LittleEndian.Uint64(b[37:]))
	h.receivedAt = int64(binary.LittleEndian.Uint64(b[45:])) //nolint:gosec // as it was stored
	h.orderKey = binary.LittleEndian.Uint64(b[53:])
	d := decoder{b: b[recordFixed:]}
	h.route = d.sized()
	h.rest = d.b
	return h, d.err
}

// decodeRecord takes apart an encoded record; the result aliases b.
func decodeRecord(b []byte) (*Record, error) {
	h, err := decodeHead(b)
	if err != nil {
		return nil, err
	}
	rt, err := decodeRoute(h.route)
	if err != nil {
		return nil, err
	}
	r := &Record{
		KeyExpires: fromUnixNano(binary.LittleEndian.Uint64(b[37:])), Endpoint: rt.endpoint,
		ReceivedAt: fromUnixNano(binary.LittleEndian.Uint64(b[45:])), EventType: rt.eventType,
		OrderKey: h.orderKey, Targets: rt.targets,
	}
	copy(r.Key[:], b[5:])
	d := decoder{b: h.rest}
	if n := d.count(); n > 0 {
		r.Header = make([]Header, n)
		for i := range r.Header {
			r.Header[i] = Header{Name: string(d.sized()), Value: string(d.sized())}
		}
	}
	if len(d.b) > 0 {
		r.Body = d.b
	}
	return r, d.err
}

func decodeRoute(b []byte) (*route, error) {
	d := decoder{b: b}
	rt := &route{endpoint: Endpoint{Namespace: string(d.sized()), Name: string(d.sized())}, eventType: string(d.sized())}
	if n := d.count(); n > 0 {
		rt.targets = make([]string, n)
		for i := range rt.targets {
			rt.targets[i] = string(d.sized())
		}
	}
	return rt, d.err
}

// decoder reads sized fields off the front of b. After an error it gives empty ones.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.b, d.err = nil, errMalformed
		return 0
	}
	d.b = d.b[n:]
	return v
}

// count reads the number of things that follow, none of which takes less than a byte.
func (d *decoder) count() int {
	n := d.uvarint()
	if n > uint64(len(d.b)) {
		d.b, d.err = nil, errMalformed
		return 0
	}
	return int(n) //nolint:gosec // at most the length of a slice
}

func (d *decoder) sized() []byte {
	n := d.count()
	field := d.b[:n:n]
	d.b = d.b[n:]
	return field
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.err = errMalformed
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

func appendString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func sizedLen(s string) int { return uvarintLen(len(s)) + len(s) }

func uvarintLen(n int) int {
	l := 1
	for n >= 0x80 {
		n >>= 7
		l++
	}
	return l
}

// encodedLen is at least as large as what appendRecord will need.
func encodedLen(r *Record) int {
	const field = 10 // the longest length of a field
	n := recordFixed + 5*field + len(r.Endpoint.Namespace) + len(r.Endpoint.Name) + len(r.EventType) + len(r.Body)
	for _, t := range r.Targets {
		n += field + len(t)
	}
	for _, h := range r.Header {
		n += 2*field + len(h.Name) + len(h.Value)
	}
	return n
}

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

func unixNano(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(t.UnixNano())
}

func fromUnixNano(n uint64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(n)).UTC() //nolint:gosec // as it was stored
}

// expirySeconds rounds up, so that a key does not expire early, to what a stub can hold.
func expirySeconds(nano uint64) int64 {
	if nano == 0 || nano > math.MaxInt64 {
		return 0
	}
	return min(int64((nano+uint64(time.Second)-1)/uint64(time.Second)), math.MaxUint32) //nolint:gosec // fits after the division
}
