// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"testing"
)

// manyKeys is as many as are remembered by default.
const manyKeys = DefaultMaxKeys

func benchKey(i uint64) *dedupKey {
	var k dedupKey
	binary.LittleEndian.PutUint64(k[:], entryHash(ID(i), kindRecord))
	binary.LittleEndian.PutUint64(k[8:], entryHash(ID(i), kindStub))
	return &k
}

func benchOwners(n int) (owners [][]byte) {
	for i := range n {
		owners = append(owners, appendOwner(nil, Endpoint{Namespace: fmt.Sprintf("team-%d", i/10), Name: fmt.Sprintf("endpoint-%d", i)}))
	}
	return owners
}

func filledSet(limit, keys int, owners [][]byte) *keySet {
	s := newKeySet(limit)
	for i := range uint64(keys) {
		s.add(owners[i%uint64(len(owners))], benchKey(i), ID(i+1), int64(1_700_000_000+i/1000))
	}
	return s
}

// BenchmarkDedup looks keys up among as many as there can be, and adds further ones: with room, and when another has to be forgotten for each.
func BenchmarkDedup(b *testing.B) {
	owners := benchOwners(1000)
	s := filledSet(100*manyKeys, manyKeys, owners)
	b.Run("unknown", func(b *testing.B) {
		for i := uint64(1 << 40); b.Loop(); i++ {
			if _, known := s.has(benchKey(i), 0); known {
				b.Fatal("known")
			}
		}
	})
	b.Run("known", func(b *testing.B) {
		for i := uint64(0); b.Loop(); i = i*6364136223846793005 + 1442695040888963407 {
			if _, known := s.has(benchKey((i>>20)%manyKeys), 0); !known {
				b.Fatal("unknown")
			}
		}
	})
	full := filledSet(manyKeys, manyKeys, owners)
	for name, set := range map[string]*keySet{"new, with room": s, "new, without": full} {
		b.Run(name, func(b *testing.B) {
			for i := uint64(1 << 41); b.Loop(); i++ {
				k := benchKey(i)
				if _, known := set.has(k, 0); known {
					b.Fatal("known")
				}
				for tooMany := set.add(owners[i%1000], k, ID(i), 1_800_000_000); tooMany; {
					_, tooMany = set.forgetOne(0)
				}
			}
		})
	}
}

// BenchmarkDedupBytes tells what a key takes up in memory: with as many as there can be, and with few of each of many endpoints.
func BenchmarkDedupBytes(b *testing.B) {
	for name, tc := range map[string]struct{ keys, endpoints int }{
		"2,000,000 of one endpoint": {manyKeys, 1}, "2,000,000 of 1,000 endpoints": {manyKeys, 1000}, "10 of each of 1,000 endpoints": {10_000, 1000},
	} {
		b.Run(name, func(b *testing.B) {
			owners := benchOwners(tc.endpoints)
			for b.Loop() {
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				set := filledSet(manyKeys, tc.keys, owners)
				runtime.GC()
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(tc.keys), "bytes/key")
				runtime.KeepAlive(set)
			}
		})
	}
}
