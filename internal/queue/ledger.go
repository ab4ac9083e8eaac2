// SPDX-License-Identifier: Apache-2.0

package queue

import "encoding/binary"

// ledger is what the store holds as a whole. Each write carries it along, as the link, so that after a start what is there
// can be held against what should be: an entry that vanished for whatever reason does not go unnoticed.
type ledger struct {
	commit  uint64 // number of the last write
	nextID  ID
	entries uint64
	sum     uint64
}

// noLink is where no link can be.
const noLink = ^ID(0)

const (
	linkVersion = 1
	linkLen     = 1 + 4*8 + 4
)

func (l *ledger) add(id ID, k kind) {
	l.entries++
	l.sum += entryHash(id, k)
}

// count is add for what is found in the store, where there are links too.
func (l *ledger) count(id ID, k kind) {
	if k != kindLink {
		l.add(id, k)
	}
}

func (l *ledger) remove(id ID, k kind) {
	l.entries--
	l.sum -= entryHash(id, k)
}

// entryHash is splitmix64 of the entry's key.
func entryHash(id ID, k kind) uint64 {
	h := uint64(id)<<2 | uint64(k)
	h += 0x9e3779b97f4a7c15
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

func (l *ledger) encode() (b [linkLen]byte) {
	b[0] = linkVersion
	binary.LittleEndian.PutUint64(b[1:], l.commit)
	binary.LittleEndian.PutUint64(b[9:], uint64(l.nextID))
	binary.LittleEndian.PutUint64(b[17:], l.entries)
	binary.LittleEndian.PutUint64(b[25:], l.sum)
	binary.LittleEndian.PutUint32(b[33:], checksum(b[:33]))
	return b
}

func decodeLink(b []byte) (ledger, error) {
	if len(b) != linkLen || b[0] != linkVersion {
		return ledger{}, errMalformed
	}
	if binary.LittleEndian.Uint32(b[33:]) != checksum(b[:33]) {
		return ledger{}, errChecksum
	}
	return ledger{
		commit: binary.LittleEndian.Uint64(b[1:]), nextID: ID(binary.LittleEndian.Uint64(b[9:])),
		entries: binary.LittleEndian.Uint64(b[17:]), sum: binary.LittleEndian.Uint64(b[25:]),
	}, nil
}
