// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"context"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// TestLogsAreFilled holds the engine to what filledLogs takes for granted: what it calls its log, and how much goes into one.
func TestLogsAreFilled(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(context.Background(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	var wg sync.WaitGroup
	for i := range 5000 { // several logs
		r := sample(i, "catalog")
		r.Body = make([]byte, 4096)
		wg.Go(func() {
			if _, err := s.Put(context.Background(), r); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	logs, err := filepath.Glob(filepath.Join(dir, engineDir, "*.log"))
	if err != nil || len(logs) == 0 {
		t.Fatalf("logs %v, error %v", logs, err)
	}
	for _, log := range logs {
		info, err := vfs.Default.Stat(log)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() != logRoom {
			t.Errorf("%s has %d bytes, want %d from its start to its end", filepath.Base(log), info.Size(), logRoom)
		}
	}
}

func TestOtherFilesAreNotFilled(t *testing.T) {
	f, err := filledLogs{vfs.NewMem()}.Create("file", vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := f.Stat(); err != nil || info.Size() != 0 {
		t.Errorf("it has %d bytes, error %v", info.Size(), err)
	}
}

// TestLogsWithoutRoomAreUsed has no room for zeros, as on a volume that is nearly full.
func TestLogsWithoutRoomAreUsed(t *testing.T) {
	noRoom := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileWriteAt && filepath.Ext(op.Path) == ".log" {
			return syscall.ENOSPC
		}
		return nil
	})
	s, err := Open(context.Background(), Options{Dir: "store", FS: errorfs.Wrap(vfs.NewMem(), noRoom), MinFreeBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.Put(context.Background(), sample(1, "catalog"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(res.ID); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
