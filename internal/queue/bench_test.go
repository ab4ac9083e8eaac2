// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"context"
	"encoding/binary"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// benchRecord is a notification of 2 KiB with the headers that it has in practice.
func benchRecord(n uint64, targets ...string) *Record {
	r := &Record{
		KeyExpires: time.Now().Add(2 * time.Hour), Endpoint: Endpoint{Namespace: "shop", Name: "media"}, ReceivedAt: time.Now(),
		EventType: "upload", OrderKey: n, Body: make([]byte, 2048), Targets: targets,
		Header: []Header{
			{Name: "Content-Type", Value: "application/json"},
			{Name: "X-Cld-Timestamp", Value: "1710929554"},
			{Name: "X-Cld-Signature", Value: "0123456789abcdef0123456789abcdef01234567"},
		},
	}
	binary.LittleEndian.PutUint64(r.Key[:], n*0x9e3779b97f4a7c15)
	binary.LittleEndian.PutUint64(r.Key[8:], n)
	for i := 0; i < len(r.Body); i += 8 {
		binary.LittleEndian.PutUint64(r.Body[i:], (n+uint64(i))*0xd6e8feb86659fd93)
	}
	return r
}

func BenchmarkPut(b *testing.B) {
	for _, writers := range []int{1, 8, 64, 256} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) { benchmarkPut(b, writers) })
	}
}

// BenchmarkDeliver puts, reads and finishes, which leaves stubs alone.
func BenchmarkDeliver(b *testing.B) {
	benchmarkStore(b, 64, func(s *Store, res PutResult) error {
		if _, err := s.Get(res.ID); err != nil {
			return err
		}
		return s.Finish(context.Background(), Outcome{ID: res.ID, Target: "catalog", Kind: Delivered})
	})
}

func benchmarkPut(b *testing.B, writers int) {
	b.Helper()
	benchmarkStore(b, writers, func(*Store, PutResult) error { return nil })
}

func benchmarkStore(b *testing.B, writers int, then func(*Store, PutResult) error) {
	b.Helper()
	b.Helper()
	var groups, ops atomic.Int64
	s, err := Open(b.Context(), Options{Dir: b.TempDir(), MaxBytes: 1 << 40, MaxNotifications: 1 << 30, OnCommit: func(c Commit) {
		groups.Add(1)
		ops.Add(int64(c.Operations))
	}})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(2048)
	b.ReportAllocs()
	var n atomic.Uint64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range writers {
		wg.Go(func() {
			r := benchRecord(0, "catalog")
			for {
				i := n.Add(1)
				if i > uint64(b.N) {
					return
				}
				binary.LittleEndian.PutUint64(r.Key[:], i*0x9e3779b97f4a7c15)
				binary.LittleEndian.PutUint64(r.Key[8:], i)
				res, err := s.Put(context.Background(), r)
				if err == nil {
					err = then(s, res)
				}
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(s.Stats().DiskBytes)/(1<<20), "MiB-on-disk")
	b.ReportMetric(float64(ops.Load())/float64(max(groups.Load(), 1)), "ops/group")
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkOpen opens a store with 1,000,000 stubs and 100,000 pending notifications of 2 KiB.
func BenchmarkOpen(b *testing.B) {
	const stubs, pending, together = 1_000_000, 100_000, 1000
	o := Options{Dir: b.TempDir()}.withDefaults()
	lock, err := waitForLock(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	s := newStore(o)
	if err := s.open(lock); err != nil {
		b.Fatal(err)
	}
	for n := uint64(0); n < stubs+pending; n += together {
		g := &group{batch: s.db.NewBatch()}
		for i := range uint64(together) {
			r := benchRecord(n + i)
			if n%(stubs+pending) < pending {
				r.Targets = []string{"catalog"}
			}
			g.ops = append(g.ops, &op{apply: applyPut, record: appendRecord(nil, r)})
		}
		s.build(g)
		if err := s.db.Apply(g.batch, pebble.NoSync); err != nil {
			b.Fatal(err)
		}
	}
	payload := s.index.bytes
	if err := s.db.Flush(); err != nil {
		b.Fatal(err)
	}
	disk := s.Stats().DiskBytes
	if err := s.release(); err != nil {
		b.Fatal(err)
	}
	var before, after runtime.MemStats
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		s, err := Open(b.Context(), o)
		if err != nil {
			b.Fatal(err)
		}
		if got := s.Stats(); got.Notifications != pending || got.Keys != stubs+pending {
			b.Fatalf("stats are %+v", got)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(disk)/float64(payload), "disk/payload")
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MiB")
}

// BenchmarkItemBytes tells what an unfinished notification takes up in memory.
func BenchmarkItemBytes(b *testing.B) {
	const n = 1_000_000
	record := appendRecord(nil, benchRecord(0, "catalog"))
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		x := newIndex()
		for i := range ID(n) {
			h, err := decodeHead(record)
			if err != nil {
				b.Fatal(err)
			}
			e, err := x.newEntry(i, &h, len(record))
			if err != nil {
				b.Fatal(err)
			}
			x.add(e)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "bytes/notification")
		runtime.KeepAlive(x)
	}
}
