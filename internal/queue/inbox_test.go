// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"errors"
	"testing"
	"time"
)

func newInbox() *inbox { return &inbox{wake: make(chan struct{}, 1)} }

// told tells whether the writer was.
func (i *inbox) told() bool {
	select {
	case <-i.wake:
		return true
	default:
		return false
	}
}

func mustPut(t *testing.T, i *inbox) (alone bool) {
	t.Helper()
	alone, err := i.put(&op{})
	must(t, err)
	return alone
}

func TestWhoWrites(t *testing.T) {
	i := newInbox()
	if !mustPut(t, i) || i.told() {
		t.Fatal("the first one does not write by itself")
	}
	for range 2 {
		if mustPut(t, i) || i.told() {
			t.Fatal("two write, or the writer is woken too early")
		}
	}
	i.end(nil)
	if !i.told() {
		t.Fatal("the writer is not woken for those that came meanwhile")
	}
	if mustPut(t, i) {
		t.Fatal("one writes by itself before those that came earlier")
	}
	if got := i.take(func() {}); len(got) != 3 {
		t.Fatalf("the writer takes %d", len(got))
	}
	if mustPut(t, i) {
		t.Fatal("one writes by itself beside the writer")
	}
	if !i.told() {
		t.Fatal("the writer is not woken")
	}
	i.end(nil)
	if got := i.take(func() {}); len(got) != 1 {
		t.Fatalf("the writer takes %d", len(got))
	}
	i.end(nil)
	if !mustPut(t, i) {
		t.Fatal("afterwards one does not write by itself")
	}
	i.end(nil)
	if i.told() {
		t.Error("the writer is woken for nothing")
	}
}

// The writer gets its turn even if callers write without a pause.
func TestTheWriterIsLetIn(t *testing.T) {
	i := newInbox()
	mustPut(t, i)
	i.awaited = true // as the writer says that finds a caller at work
	i.end(nil)
	if !i.told() {
		t.Error("the writer is not told that it may begin")
	}
	if mustPut(t, i) {
		t.Error("another one writes by itself, and the writer waits")
	}
	if got := i.take(func() {}); len(got) != 1 {
		t.Errorf("the writer takes %d", len(got))
	}
	i.end(nil)
	if !mustPut(t, i) {
		t.Error("afterwards nobody writes by itself")
	}
}

func TestCloseWhileOneWrites(t *testing.T) {
	i := newInbox()
	mustPut(t, i)
	taken := make(chan int)
	go func() { taken <- len(i.take(func() {})) }()
	i.close()
	if _, err := i.put(&op{}); !errors.Is(err, ErrClosed) {
		t.Errorf("put gave %v", err)
	}
	select {
	case <-taken:
		t.Error("the writer has ended before what is being written has")
	case <-time.After(20 * time.Millisecond):
	}
	i.end(nil)
	if n := <-taken; n != 0 {
		t.Errorf("the writer took %d", n)
	}
}

func TestASlowDiskIsTheWriters(t *testing.T) {
	i := newInbox()
	for n, step := range []struct {
		last  *group
		alone bool
	}{
		{nil, true},
		{&group{commit: 1, took: slowWrite}, true},
		{&group{commit: 2, took: slowWrite + 1}, false},
		{&group{took: 0}, false}, // of duplicates: nothing was written
		{nil, false},
		{&group{commit: 3, took: 1}, true},
	} {
		i.inFlight++
		i.end(step.last)
		if got := mustPut(t, i); got != step.alone {
			t.Errorf("step %d: alone is %t", n, got)
		}
		i.ops, i.alone, i.inFlight = nil, false, 0
	}
}
