// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
)

// Whoever asks in whatever order: never more is in flight than there may be, what waits gets on, and nothing is left in the end.
func TestPoolHoldsItsLimit(t *testing.T) {
	type attempt struct {
		track *track
		bytes int64
	}
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		flights, bytes := 1+random.IntN(8), int64(1+random.IntN(2000))
		p := newPool(ofFirsts, flights, bytes)
		tracks := make([]*track, 1+random.IntN(30))
		wants := map[*track][]int64{} // what each has to begin, first one first
		left := 0
		for i := range tracks {
			tracks[i] = &track{destination: destination{endpoint: queue.Endpoint{Namespace: fmt.Sprint(random.IntN(6))}}}
			for range random.IntN(6) {
				wants[tracks[i]] = append(wants[tracks[i]], 1+random.Int64N(bytes))
				left++
			}
		}
		var flying []attempt
		used := int64(0)
		begin := func(t *track) {
			for len(wants[t]) > 0 && p.take(t, wants[t][0]) {
				flying = append(flying, attempt{t, wants[t][0]})
				used += wants[t][0]
				wants[t] = wants[t][1:]
				left--
			}
		}
		for round := 0; left > 0 || len(flying) > 0; round++ {
			if random.IntN(2) == 0 {
				begin(tracks[random.IntN(len(tracks))])
			}
			if len(flying) > 0 && random.IntN(2) == 0 {
				i := random.IntN(len(flying))
				a := flying[i]
				flying = append(flying[:i], flying[i+1:]...)
				used -= a.bytes
				p.giveBack(a.track, a.bytes)
			}
			for next := p.next(); next != nil; next = p.next() {
				if random.IntN(8) > 0 { // it may have nothing to do any more, and come back later
					begin(next)
				}
				p.passed(next)
			}
			if len(flying) > flights || used > bytes {
				t.Fatalf("seed %d: %d attempts of %d bytes are in flight, %d and %d may be", seed, len(flying), used, flights, bytes)
			}
			if round > 20_000 {
				t.Fatalf("seed %d: %d do not get on", seed, left)
			}
		}
		for next := p.next(); next != nil; next = p.next() {
			p.passed(next) // those that were passed over, and have been served since
		}
		if len(p.shares) > 0 || len(p.waiting) > 0 || p.poor != 0 || p.free != p.limit {
			t.Errorf("seed %d: %d shares, %d waiting, %d poor and %+v free are left", seed, len(p.shares), len(p.waiting), p.poor, p.free)
		}
	}
}

// One that has nothing goes before those that have, however large its own is.
func TestPoolIsForThoseThatHaveNothing(t *testing.T) {
	of := func(namespace string) *track {
		return &track{destination: destination{endpoint: queue.Endpoint{Namespace: namespace}}}
	}
	p := newPool(ofFirsts, 100, 100)
	busy, second, large := of("busy"), of("second"), of("large")
	for range 50 {
		if !p.take(busy, 1) {
			t.Fatal("half of the pool is not for one namespace alone")
		}
	}
	if p.take(busy, 1) {
		t.Error("one namespace has more than half of the pool")
	}
	if !p.take(second, 10) || p.take(large, 60) {
		t.Fatal("want 10 to fit, and 60 not to")
	}
	if p.take(of("second"), 1) {
		t.Error("a namespace that has something goes before one that has nothing")
	}
	for range 20 {
		p.giveBack(busy, 1)
	}
	if next := p.next(); next != large || !p.take(large, 60) {
		t.Error("it is not the turn of the one that has nothing")
	}
}
