// SPDX-License-Identifier: Apache-2.0

package queue_test

import (
	"reflect"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue/queuetest"
)

// machine does random things to a store and to the model of one.
type machine struct {
	*queue.Store

	model *queuetest.Model
	fs    *vfs.MemFS
	// passed are minutes. A store that has crashed may still be asking.
	passed atomic.Int64
	n      int
}

func (m *machine) now() time.Time {
	return queuetest.Start().Add(time.Duration(m.passed.Load()) * time.Minute)
}

func (m *machine) open(t *rapid.T) {
	s, err := queue.Open(t.Context(), queue.SmallFiles(queue.Options{Dir: "/q", FS: m.fs, Now: m.now}))
	if err != nil {
		t.Fatal(err)
	}
	m.Store = s
}

func (m *machine) put(t *rapid.T) {
	m.n++
	r := queuetest.Record(m.n, rapid.SampledFrom([][]string{{"x"}, {"x", "y"}, {"z", "y", "x"}, nil}).Draw(t, "targets")...)
	r.Endpoint.Name = rapid.SampledFrom([]string{"one", "two"}).Draw(t, "endpoint")
	r.KeyExpires = m.now().Add(time.Duration(rapid.IntRange(-1, 4).Draw(t, "lifetime")) * time.Minute)
	if rapid.IntRange(0, 3).Draw(t, "again") == 0 {
		r.Key = queuetest.Record(rapid.IntRange(1, m.n).Draw(t, "key")).Key
	}
	want := m.model.IsDuplicate(r, m.now())
	got, err := m.Put(t.Context(), r)
	if err != nil || got.Duplicate != want {
		t.Fatalf("Put gave %+v, %v, want duplicate %t", got, err, want)
	}
	if !want {
		m.model.Put(got.ID, r)
	}
}

func (m *machine) finish(t *rapid.T) {
	ids := m.model.IDs()
	if len(ids) == 0 {
		return
	}
	var outcomes []queue.Outcome
	for range rapid.IntRange(1, 3).Draw(t, "outcomes") {
		o := queue.Outcome{
			ID: rapid.SampledFrom(ids).Draw(t, "id"), Target: rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "target"),
			Kind: rapid.SampledFrom([]queue.Kind{queue.Delivered, queue.Dead, queue.Discarded}).Draw(t, "kind"),
		}
		if o.Kind == queue.Dead {
			o.Reason = rapid.StringN(0, 10, 200).Draw(t, "reason")
		}
		outcomes = append(outcomes, o)
		m.model.Finish(o)
	}
	if err := m.Finish(t.Context(), outcomes...); err != nil {
		t.Fatal(err)
	}
}

// selection chooses dead letters in one way or another.
func (m *machine) selection(t *rapid.T) queue.Selection {
	which := queue.Selection{Target: rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "of target")}
	if name := rapid.SampledFrom([]string{"", "one", "two"}).Draw(t, "of endpoint"); name != "" {
		which.Endpoint = queue.Endpoint{Namespace: queuetest.Endpoint().Namespace, Name: name}
	}
	if ids := m.model.IDs(); rapid.Bool().Draw(t, "by ID") && len(ids) > 0 {
		which.IDs = rapid.SliceOfN(rapid.SampledFrom(ids), 0, 4).Draw(t, "IDs")
	}
	return which
}

func (m *machine) redrive(t *rapid.T) {
	which := m.selection(t)
	want := m.model.Redrive(which)
	got, err := m.Redrive(t.Context(), which)
	if err != nil || got != want {
		t.Fatalf("Redrive of %+v gave %d, %v, want %d", which, got, err, want)
	}
}

func (m *machine) discard(t *rapid.T) {
	which := m.selection(t)
	want := m.model.Discard(which)
	var told []queue.Item
	got, err := m.Discard(t.Context(), which, func(i queue.Item) { told = append(told, i) })
	if diff := cmp.Diff(want, told, cmpopts.IgnoreFields(queue.Item{}, "Size"), cmpopts.EquateEmpty()); err != nil || got != len(want) || diff != "" {
		t.Fatalf("Discard of %+v gave %d, %v, and told (-want +got):\n%s", which, got, err, diff)
	}
}

// list goes through dead letters page by page.
func (m *machine) list(t *rapid.T) {
	which, limit := m.selection(t), rapid.IntRange(1, 4).Draw(t, "limit")
	var got []queue.Item
	for after := (queue.Letter{}); ; {
		page := m.DeadLetters(which, after, limit)
		if got = append(got, page...); len(page) < limit {
			break
		}
		after = queue.Letter{ID: page[limit-1].ID, Target: page[limit-1].Target}
	}
	want := m.model.DeadLetters(which)
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(queue.Item{}, "Size"), cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("dead letters of %+v (-want +got):\n%s", which, diff)
	}
}

func (m *machine) restart(t *rapid.T) {
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	m.open(t)
}

// crash goes on with what would be on disk after a crash, with more or less of what was not synced.
func (m *machine) crash(t *rapid.T) {
	after := m.fs.CrashClone(vfs.CrashCloneCfg{
		UnsyncedDataPercent: rapid.SampledFrom([]int{0, 50, 100}).Draw(t, "unsynced"), RNG: newRand(rapid.Uint64().Draw(t, "seed")),
	})
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	m.fs = after
	m.open(t)
}

// check holds the store against the model.
func (m *machine) check(t *rapid.T) {
	want, got := m.model.Items(), slices.Collect(m.Items)
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(queue.Item{}, "Size"), cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("items (-want +got):\n%s", diff)
	}
	stats := m.Stats()
	dead := 0
	for _, i := range want {
		if i.Dead {
			dead++
		}
	}
	if stats.Pending != len(want)-dead || stats.Dead != dead || stats.Notifications != len(m.model.IDs()) || stats.Damaged != 0 {
		t.Fatalf("stats are %+v, with %d items, %d of them dead", stats, len(want), dead)
	}
	if counted, is := m.Shares(); !cmp.Equal(is, counted) {
		t.Fatalf("what each endpoint holds (-is +counted):\n%s", cmp.Diff(is, counted))
	}
	for _, id := range m.model.IDs() {
		if r, err := m.Get(id); err != nil || !reflect.DeepEqual(r, m.model.Record(id)) {
			t.Fatalf("Get(%d): %v\n%s", id, err, cmp.Diff(m.model.Record(id), r))
		}
	}
}

func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{model: queuetest.NewModel(), fs: vfs.NewCrashableMem()}
		m.open(t)
		defer func() { _ = m.Close() }()
		t.Repeat(map[string]func(*rapid.T){
			"put": m.put, "put another": m.put, "put a third": m.put, "put a fourth": m.put, "put a fifth": m.put,
			"finish": m.finish, "finish another": m.finish, "finish a third": m.finish, "redrive": m.redrive, "discard": m.discard, "list": m.list,
			"restart": m.restart, "crash": m.crash, "wait": func(*rapid.T) { m.passed.Add(1) }, "": m.check,
		})
	})
}
