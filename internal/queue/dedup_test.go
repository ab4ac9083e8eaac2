// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// The stubs of keys that have expired go away, and with them the room that they take up.
func TestSweep(t *testing.T) {
	fs := vfs.NewMem()
	now := time.Now()
	o := Options{Dir: "/q", FS: fs, Now: func() time.Time { return now }}
	s := mustOpen(t, o)
	for n := range 3000 {
		r := sample(n)
		r.KeyExpires = now.Add(time.Minute)
		if n == 2500 {
			r.KeyExpires = now.Add(time.Hour)
		}
		_, err := s.Put(t.Context(), r)
		must(t, err)
	}
	must(t, s.Close())
	now = now.Add(10 * time.Minute)
	s = mustOpen(t, o)
	eventually(t, "the stubs of the first blocks are removed", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.stubs) == 1
	})
	if _, err := s.Put(t.Context(), sample(2501)); err != nil {
		t.Error(err)
	}
	must(t, s.Close())
	s = mustOpen(t, o)
	res, err := s.Put(t.Context(), func() *Record { r := sample(2500); r.KeyExpires = now.Add(time.Minute); return r }())
	if err != nil || !res.Duplicate {
		t.Errorf("the key that lasts longer was forgotten: %+v, %v", res, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ledger.entries > 1000 {
		t.Errorf("%d entries are left", s.ledger.entries)
	}
}
