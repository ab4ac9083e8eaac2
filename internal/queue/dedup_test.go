// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"
)

func TestKeySetAgainstMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, model := &keySet{limit: 1 << 20}, map[dedupKey]int64{}
		now := int64(1000)
		for range rapid.IntRange(1, 2000).Draw(t, "steps") {
			var k dedupKey
			binary.LittleEndian.PutUint16(k[rapid.IntRange(0, 3).Draw(t, "at")*4:], rapid.Uint16Range(0, 500).Draw(t, "key"))
			switch rapid.IntRange(0, 20).Draw(t, "do") {
			case 0:
				now += int64(rapid.IntRange(1, 50).Draw(t, "wait"))
			case 1:
				for i := range 256 {
					s.expire(i, now)
				}
			default:
				expires := now + int64(rapid.IntRange(-5, 100).Draw(t, "lifetime"))
				s.add(&k, expires)
				model[k] = max(model[k], expires)
			}
			if got, want := s.has(&k, now), model[k] > now; got != want {
				t.Fatalf("has gave %t, want %t", got, want)
			}
		}
		for i := range 256 {
			s.expire(i, now)
		}
		live := 0
		for k, expires := range model {
			if got, want := s.has(&k, now), expires > now; got != want {
				t.Fatalf("after expiry has gave %t, want %t", got, want)
			}
			if expires > now {
				live++
			}
		}
		if s.n != live {
			t.Fatalf("%d keys are counted, and %d are there", s.n, live)
		}
	})
}

func TestKeySetForgetsTheOldest(t *testing.T) {
	const limit = 10_000
	s := &keySet{limit: limit}
	key := func(i int) *dedupKey {
		var k dedupKey
		binary.LittleEndian.PutUint64(k[:], uint64(i))
		return &k
	}
	for i := range 5 * limit {
		s.add(key(i), int64(1_000_000+i/10))
		if s.n > limit {
			t.Fatalf("%d keys are remembered", s.n)
		}
	}
	for i := range 5 * limit {
		known := s.has(key(i), 0)
		if i >= 4*limit+limit/8 && !known {
			t.Fatalf("key %d was forgotten, which is among the newest", i)
		}
		if i < 4*limit && known {
			t.Fatalf("key %d is remembered, which is among the oldest", i)
		}
	}
	if s.forgotten+s.n != 5*limit {
		t.Errorf("%d forgotten and %d there", s.forgotten, s.n)
	}
}

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
