// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

// What one waiting notification costs, with a lane that does nothing.
func BenchmarkWaiting(b *testing.B) {
	const n = 1_000_000
	for name, order := range map[string]func(i int) uint64{
		"Unordered":        func(int) uint64 { return 0 },
		"AKeyEach":         func(i int) uint64 { return uint64(i + 1) },
		"BehindTheSameKey": func(int) uint64 { return 7 },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				before := heapInUse()
				l := &lane{width: 16, maxBytes: 1 << 20}
				for i := range n {
					l.add(entry{id: queue.ID(i + 1), order: order(i), since: int64(i), size: 2048})
				}
				open := terms{open: true, maxAge: time.Hour}
				for s := l.next(int64(time.Minute), &open, always1); !s.nothing(); s = l.next(int64(time.Minute), &open, always1) {
				}
				b.ReportMetric(float64(heapInUse()-before)/n, "B/item")
				if l.waiting() != n {
					b.Fatal(l.waiting())
				}
			}
		})
	}
}

func heapInUse() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// The way of a notification from its announcement until it is noted as delivered, with a target that takes no time.
func BenchmarkDispatch(b *testing.B) {
	for name, hanging := range map[string]int{"Alone": 0, "BesideAHangingTarget": 16, "BesideAHangingBacklog": 100_000} {
		b.Run(name, func(b *testing.B) {
			q := &endless{done: make(chan struct{}), record: &queue.Record{Endpoint: shop, EventType: "upload"}}
			routes := table("a", "b")
			d := New(Options{Queue: q, Routes: func() *route.Table { return routes }, Service: answersA{}, Grace: time.Millisecond})
			ctx, stop := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			go func() { ended <- d.Run(ctx) }()
			for i := range hanging {
				d.Announce(queue.Item{ID: queue.ID(1<<40 + i), Endpoint: shop, Target: "b"})
			}
			q.left.Store(int64(b.N))
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				d.Announce(queue.Item{ID: queue.ID(i + 1), Endpoint: shop, Target: "a", OrderKey: uint64(i), Size: 2048})
			}
			<-q.done
			b.StopTimer()
			stop()
			if err := <-ended; err != nil {
				b.Fatal(err)
			}
		})
	}
}

// endless has every notification, and counts down to done.
type endless struct {
	record *queue.Record
	left   atomic.Int64
	done   chan struct{}
}

func (q *endless) Get(queue.ID) (*queue.Record, error) { return q.record, nil }
func (q *endless) Items(func(queue.Item) bool)         {}
func (q *endless) Finish(_ context.Context, outcomes ...queue.Outcome) error {
	if q.left.Add(-int64(len(outcomes))) == 0 {
		close(q.done)
	}
	return nil
}

// answersA hangs for any target but a.
type answersA struct{}

func (answersA) Send(ctx context.Context, d *Delivery) Result {
	if d.Target.Name == "a" {
		return delivered
	}
	return hang(ctx, d)
}
