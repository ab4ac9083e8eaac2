// SPDX-License-Identifier: Apache-2.0

package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

const testSegment = 4 << 10

// flushes stands for what takes over what was logged. What it is asked for it does at once, later, or never.
type flushes struct {
	asked []chan struct{}
	later bool
}

func (f *flushes) begin() (<-chan struct{}, error) {
	done := make(chan struct{})
	f.asked = append(f.asked, done)
	if !f.later {
		close(done)
	}
	return done, nil
}

func newDir(t *testing.T, fs vfs.FS) vfs.FS {
	t.Helper()
	must(t, fs.MkdirAll("log", 0o755))
	root, err := fs.OpenDir("/")
	must(t, err)
	must(t, errors.Join(root.Sync(), root.Close()))
	return fs
}

func mustOpen(t *testing.T, fs vfs.FS, f *flushes) *Log {
	t.Helper()
	l, err := Open(Options{FS: fs, Dir: "log", SegmentBytes: testSegment, Flush: f.begin})
	must(t, err)
	return l
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// data is that of the record with a number.
func data(number uint64, n int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, number)
	return append(b, bytes.Repeat([]byte{byte(number)}, n)...)
}

// found is the records of a log, each of which has to be as it was appended.
func found(t *testing.T, fs vfs.FS, after uint64) (numbers []uint64) {
	t.Helper()
	must(t, Read(fs, "log", after, func(number uint64, got []byte) error {
		if want := data(number, len(got)-8); !bytes.Equal(got, want) {
			return fmt.Errorf("record %d is another one", number)
		}
		numbers = append(numbers, number)
		return nil
	}))
	return numbers
}

func consecutive(from, to uint64) (numbers []uint64) {
	for n := from; n <= to; n++ {
		numbers = append(numbers, n)
	}
	return numbers
}

func contents(t *testing.T, fs vfs.FS) map[string][]byte {
	t.Helper()
	names, err := fs.List("log")
	must(t, err)
	all := map[string][]byte{}
	for _, name := range names {
		f, err := fs.Open(fs.PathJoin("log", name))
		must(t, err)
		b, err := io.ReadAll(f)
		must(t, err)
		must(t, f.Close())
		all[name] = b
	}
	return all
}

func write(t *testing.T, fs vfs.FS, name string, content []byte) {
	t.Helper()
	f, err := fs.Create(fs.PathJoin("log", name), vfs.WriteCategoryUnspecified)
	must(t, err)
	_, err = f.Write(bytes.Clone(content)) // which it may change
	must(t, err)
	must(t, f.Close())
}

func TestWhatIsAppendedIsRead(t *testing.T) {
	fs := newDir(t, vfs.NewMem())
	l := mustOpen(t, fs, &flushes{later: true})
	sizes := []int{0, 1, 100, 3000, testSegment, copyUpTo - 8, copyUpTo, 3 * copyUpTo, 17}
	for n, size := range sizes {
		must(t, l.Append(uint64(n)+1, data(uint64(n)+1, size)))
	}
	if got := found(t, fs, 0); !slices.Equal(got, consecutive(1, 9)) {
		t.Errorf("records %d", got)
	}
	if got := found(t, fs, 4); !slices.Equal(got, consecutive(5, 9)) {
		t.Errorf("records after 4: %d", got)
	}
	must(t, l.Close())
}

func TestNumbersMayBeLeftOut(t *testing.T) {
	fs := newDir(t, vfs.NewMem())
	l := mustOpen(t, fs, &flushes{})
	want := []uint64{3, 4, 9, 1 << 40}
	for _, n := range want {
		must(t, l.Append(n, data(n, 10)))
	}
	if got := found(t, fs, 0); !slices.Equal(got, want) {
		t.Errorf("records %d, want %d", got, want)
	}
}

func TestSegmentsAreWrittenOver(t *testing.T) {
	fs := newDir(t, vfs.NewMem())
	l := mustOpen(t, fs, &flushes{})
	for n := range uint64(1000) {
		must(t, l.Append(n+1, data(n+1, 100)))
	}
	all := contents(t, fs)
	if len(all) != 2 || l.Bytes() != 2*testSegment {
		t.Errorf("%d files, %d bytes", len(all), l.Bytes())
	}
	for name, content := range all {
		if len(content) != testSegment {
			t.Errorf("%s has %d bytes", name, len(content))
		}
	}
	got := found(t, fs, 0)
	if len(got) == 0 || !slices.Equal(got, consecutive(got[0], 1000)) {
		t.Errorf("records %d", got)
	}
}

func TestNothingIsWrittenOverThatIsNotFlushed(t *testing.T) {
	fs := newDir(t, vfs.NewMem())
	f := &flushes{later: true}
	l := mustOpen(t, fs, f)
	append1 := func(from, to uint64) {
		for n := from; n <= to; n++ {
			must(t, l.Append(n, data(n, 100)))
		}
	}
	append1(1, 300)
	if got := found(t, fs, 0); !slices.Equal(got, consecutive(1, 300)) {
		t.Fatalf("records %d", got)
	}
	before := len(contents(t, fs))
	if before != len(f.asked)+1 || before < 8 {
		t.Fatalf("%d files after %d flushes", before, len(f.asked))
	}
	close(f.asked[0])
	append1(301, 330) // one segment more
	if got := found(t, fs, 0); len(contents(t, fs)) != before || got[0] == 1 || !slices.Equal(got, consecutive(got[0], 330)) {
		t.Errorf("%d files, were %d; records %d", len(contents(t, fs)), before, got)
	}
	for _, done := range f.asked[1:] {
		select {
		case <-done:
		default:
			close(done)
		}
	}
	f.later = false
	append1(331, 400)
	if n := len(contents(t, fs)); n > spares+1 {
		t.Errorf("%d files are kept", n)
	}
	total := int64(0)
	for _, content := range contents(t, fs) {
		total += int64(len(content))
	}
	if total != l.Bytes() {
		t.Errorf("%d bytes, counted %d", total, l.Bytes())
	}
}

func TestALargeSegmentIsNotKept(t *testing.T) {
	fs := newDir(t, vfs.NewMem())
	l := mustOpen(t, fs, &flushes{})
	must(t, l.Append(1, data(1, 10*testSegment)))
	if got := l.Bytes(); got < 11*testSegment {
		t.Errorf("%d bytes", got)
	}
	must(t, l.Append(2, data(2, 10)))
	must(t, l.Append(3, data(3, testSegment)))
	must(t, l.Append(4, data(4, 10)))
	for name, content := range contents(t, fs) {
		if len(content) > testSegment {
			t.Errorf("%s has %d bytes", name, len(content))
		}
	}
	if got := found(t, fs, 1); !slices.Contains(got, 4) {
		t.Errorf("records %d", got)
	}
	must(t, l.Close())
	write(t, fs, "70.log", make([]byte, 2*testSegment))
	for n := 80; n < 90; n++ {
		write(t, fs, fmt.Sprintf("%d.log", n), make([]byte, testSegment))
	}
	l = mustOpen(t, fs, &flushes{})
	if n := len(contents(t, fs)); n != spares || l.Bytes() != spares*testSegment {
		t.Errorf("%d files, %d bytes", n, l.Bytes())
	}
}

// A crash may leave any part of the last write.
func TestACutEndIsNotRead(t *testing.T) {
	fs := newDir(t, vfs.NewMem())
	l := mustOpen(t, fs, &flushes{})
	for n := range uint64(3) {
		must(t, l.Append(n+1, data(n+1, 50)))
	}
	whole := bytes.Clone(contents(t, fs)["1.log"])
	const record = recordHead + 8 + 50
	end := segmentHead + 3*record
	for at := segmentHead + 2*record; at < end; at++ {
		cut := bytes.Clone(whole)
		clear(cut[at:])
		write(t, fs, "1.log", cut)
		want := uint64(2)
		if bytes.Equal(cut, whole) {
			want = 3
		}
		if got := found(t, fs, 0); !slices.Equal(got, consecutive(1, want)) {
			t.Fatalf("cut at %d: records %d", at, got)
		}
		write(t, fs, "1.log", cut[:at])
		if got := found(t, fs, 0); !slices.Equal(got, consecutive(1, 2)) {
			t.Fatalf("shortened to %d: records %d", at, got)
		}
	}
}

// Whatever is damaged, what is read is what was appended.
func TestDamageIsNotRead(t *testing.T) {
	fs := newDir(t, vfs.NewMem())
	l := mustOpen(t, fs, &flushes{later: true})
	for n := range uint64(100) {
		must(t, l.Append(n+1, data(n+1, 50)))
	}
	all := contents(t, fs)
	rng := rand.New(rand.NewPCG(1, 2))
	for name, whole := range all {
		for range 300 {
			damaged := bytes.Clone(whole)
			damaged[rng.IntN(len(damaged))] ^= 1 << rng.IntN(8)
			write(t, fs, name, damaged)
			if got := found(t, fs, 0); !slices.IsSorted(got) {
				t.Fatalf("records %d", got)
			}
		}
		write(t, fs, name, whole)
	}
}

// What an earlier use of a segment has left behind lies just where the next record would.
func TestWhatIsLeftBehindIsNotRead(t *testing.T) {
	fs := newDir(t, vfs.NewMem())
	l := mustOpen(t, fs, &flushes{})
	for n := range uint64(20) {
		must(t, l.Append(n+1, data(n+1, 50)))
	}
	must(t, l.Close())
	for _, from := range []uint64{1, 15, 21} {
		l = mustOpen(t, fs, &flushes{})
		must(t, l.Append(from, data(from, 50)))
		must(t, l.Close())
		if got := found(t, fs, 0); !slices.Equal(got, []uint64{from}) {
			t.Errorf("records %d, want %d", got, from)
		}
	}
}

// A segment may have been begun with a record that never came to the disk, before another one was begun with the same number.
func TestASegmentThatCameToNothing(t *testing.T) {
	for _, name := range []string{"1.log", "3.log"} {
		fs := newDir(t, vfs.NewMem())
		write(t, fs, "2.log", make([]byte, testSegment))
		l := mustOpen(t, fs, &flushes{later: true})
		must(t, l.Append(1, data(1, 50)))
		must(t, l.Close())
		begun := contents(t, fs)["2.log"]
		clear(begun[segmentHead:])
		must(t, fs.Remove("log/2.log"))
		write(t, fs, name, begun)
		write(t, fs, "2.log", make([]byte, testSegment))
		f := &flushes{later: true}
		l, err := Open(Options{FS: fs, Dir: "log", SegmentBytes: testSegment, Flush: f.begin})
		must(t, err)
		l.free = []*segment{l.free[slices.IndexFunc(l.free, func(s *segment) bool { return s.path == "log/2.log" })]}
		for n := range uint64(100) {
			must(t, l.Append(n+1, data(n+1, 50)))
		}
		if got := found(t, fs, 0); !slices.Equal(got, consecutive(1, 100)) {
			t.Errorf("with %s: records %d", name, got)
		}
	}
}

// A crash comes between a write and its sync. What was appended before is there, and of the write all or nothing.
func TestCrashes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	whole, none := 0, 0
	for run := range 300 {
		disk := vfs.NewCrashableMem()
		newDir(t, disk)
		var written, flushed uint64
		for range 1 + rng.IntN(3) { // lives
			after := live(t, disk, rng, &written, &flushed)
			got := found(t, after, flushed)
			switch {
			case slices.Equal(got, consecutive(flushed+1, written)):
				none++
			case slices.Equal(got, consecutive(flushed+1, written+1)):
				whole++
				written++
			default:
				t.Fatalf("run %d: after %d of %d records were flushed: %d", run, flushed, written, got)
			}
			disk, flushed = after, written // as a store does that takes over what it finds
		}
	}
	t.Logf("the last write was whole %d times, %d times there was nothing of it", whole, none)
	if whole == 0 || none == 0 {
		t.Error("the crashes were all alike")
	}
}

// live appends to a log until there is a crash, and returns the disk that is found after it.
func live(t *testing.T, disk *vfs.MemFS, rng *rand.Rand, written, flushed *uint64) (after *vfs.MemFS) {
	t.Helper()
	left := rng.IntN(150)
	crash := errors.New("crash")
	fs := errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind != errorfs.OpFileSyncData {
			return nil
		}
		if left--; left >= 0 {
			return nil
		}
		after = disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 50, 100}[rng.IntN(3)], RNG: rng})
		return crash
	}))
	l, err := Open(Options{FS: fs, Dir: "log", SegmentBytes: testSegment, Flush: func() (<-chan struct{}, error) {
		done := make(chan struct{})
		if rng.IntN(3) > 0 {
			*flushed = *written
			close(done)
		}
		return done, nil
	}})
	must(t, err)
	for {
		err := l.Append(*written+1, data(*written+1, rng.IntN(600)))
		if errors.Is(err, crash) {
			return after
		}
		must(t, err)
		*written++
	}
}

func TestAFailedWriteIsTheLast(t *testing.T) {
	for _, kind := range []errorfs.OpKind{errorfs.OpFileWriteAt, errorfs.OpFileSyncData} {
		var broken atomic.Bool
		fs := errorfs.Wrap(newDir(t, vfs.NewMem()), errorfs.InjectorFunc(func(op errorfs.Op) error {
			if broken.Load() && op.Kind == kind {
				return syscall.EIO
			}
			return nil
		}))
		l := mustOpen(t, fs, &flushes{})
		must(t, l.Append(1, data(1, 10)))
		broken.Store(true)
		err := l.Append(2, data(2, 10))
		broken.Store(false)
		if !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "log/1.log") {
			t.Errorf("%v: error %v", kind, err)
		}
		if err := l.Append(3, data(3, 10)); !errors.Is(err, syscall.EIO) {
			t.Errorf("%v: afterwards %v", kind, err)
		}
	}
}

func TestSegmentsWithoutRoomForZerosAreUsed(t *testing.T) {
	var full atomic.Bool
	full.Store(true)
	fs := errorfs.Wrap(newDir(t, vfs.NewMem()), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && op.Kind == errorfs.OpFileWriteAt {
			return syscall.ENOSPC
		}
		return nil
	}))
	l := mustOpen(t, fs, &flushes{})
	full.Store(false)
	for n := range uint64(100) {
		must(t, l.Append(n+1, data(n+1, 60)))
	}
	if got := found(t, fs, 0); got[len(got)-1] != 100 {
		t.Errorf("records %d", got)
	}
}

func TestAForeignFileIsLeftAlone(t *testing.T) {
	for _, name := range []string{"notes.txt", "0.log", "x.log", "1"} {
		fs := newDir(t, vfs.NewMem())
		write(t, fs, name, []byte("mine"))
		_, err := Open(Options{FS: fs, Dir: "log", SegmentBytes: testSegment})
		if err == nil || !strings.Contains(err.Error(), "log/"+name) {
			t.Errorf("with %s: error %v", name, err)
		}
		if got := contents(t, fs); len(got) != 1 || string(got[name]) != "mine" {
			t.Errorf("%s is %q, among %d files", name, got[name], len(got))
		}
	}
}

func TestAFlushThatCannotBegin(t *testing.T) {
	fs := newDir(t, vfs.NewMem())
	l, err := Open(Options{FS: fs, Dir: "log", SegmentBytes: testSegment, Flush: func() (<-chan struct{}, error) { return nil, syscall.EIO }})
	must(t, err)
	must(t, l.Append(1, data(1, 4000)))
	if err := l.Append(2, data(2, 4000)); !errors.Is(err, syscall.EIO) {
		t.Errorf("error %v", err)
	}
	if got := found(t, fs, 0); !slices.Equal(got, []uint64{1}) {
		t.Errorf("records %d", got)
	}
}

func FuzzRead(f *testing.F) {
	whole := binary.LittleEndian.AppendUint64(nil, 1)
	whole = binary.LittleEndian.AppendUint64(whole, 7)
	whole = binary.LittleEndian.AppendUint32(whole, checksum(whole))
	whole = append(appendRecordHead(whole, 7, 1, []byte("data")), "data"...)
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add(append(bytes.Clone(whole), make([]byte, 100)...))
	f.Fuzz(func(t *testing.T, content []byte) {
		fs := newDir(t, vfs.NewMem())
		write(t, fs, "1.log", content)
		last := uint64(0)
		must(t, Read(fs, "log", 0, func(number uint64, data []byte) error {
			if number <= last || len(data) > len(content) {
				t.Errorf("record %d of %d bytes", number, len(data))
			}
			last = number
			return nil
		}))
		l := mustOpen(t, fs, &flushes{})
		must(t, l.Append(last+1, []byte("more")))
		must(t, l.Close())
	})
}
