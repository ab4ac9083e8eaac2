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

func benchmarkPut(b *testing.B, writers int) {
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
				if _, err := s.Put(context.Background(), r); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(ops.Load())/float64(max(groups.Load(), 1)), "ops/group")
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkDedupBytes(b *testing.B) {
	const keys = 2_000_000
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		set := &keySet{limit: keys}
		for i := range uint64(keys) {
			var k dedupKey
			binary.LittleEndian.PutUint64(k[:], i*0x9e3779b97f4a7c15)
			set.add(&k, int64(1_700_000_000+i/1000))
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/keys, "bytes/key")
		runtime.KeepAlive(set)
	}
}
