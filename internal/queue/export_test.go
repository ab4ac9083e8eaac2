// SPDX-License-Identifier: Apache-2.0

package queue

// SmallFiles has a store write, roll and compact small files, so that little data shows what much would.
func SmallFiles(o Options) Options {
	o.tune = smallFiles
	return o
}

// Share is what an endpoint holds.
type Share struct {
	Notifications int
	Bytes         int64
}

// Shares tells what a store has counted for each endpoint, and what there is.
func (s *Store) Shares() (counted, is map[Endpoint]Share) {
	s.mu.Lock()
	defer s.mu.Unlock()
	counted, is = map[Endpoint]Share{}, map[Endpoint]Share{}
	for at, h := range s.index.shares {
		counted[at] = Share{h.notifications, h.bytes}
	}
	for _, e := range s.index.entries {
		h := is[e.route.endpoint]
		if e.pending > 0 {
			h.Notifications += e.route.counts()
			h.Bytes += int64(e.size)
		}
		is[e.route.endpoint] = h
	}
	return counted, is
}
