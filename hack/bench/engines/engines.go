// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/hashicorp/raft"
	raftwal "github.com/hashicorp/raft-wal"
	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// engine keeps notifications. When Put returns nil, the notification is on disk.
type engine interface {
	Put(n *notification) error
	Close() error
}

func engines() map[string]func(dir string) (engine, error) {
	return map[string]func(string) (engine, error){
		"bbolt":              openBolt,
		"pebble-random-keys": openPebbleRandomKeys,
		"pebble":             openPebble,
		"raft-wal":           openRaftWAL,
		"ring-log":           openRingLog,
		"queue":              openQueue,
		"queue-no-target":    openQueueNoTarget,
	}
}

func engineNames() []string { return slices.Sorted(maps.Keys(engines())) }

// seen is a deduplication set in memory; one goroutine uses it.
type seen map[[16]byte]struct{}

func (s seen) add(key [32]byte) bool {
	_, known := s[[16]byte(key[:16])]
	s[[16]byte(key[:16])] = struct{}{}
	return !known
}

// openBolt keeps records and keys in two buckets, each group in one transaction.
func openBolt(dir string) (engine, error) {
	db, err := bbolt.Open(filepath.Join(dir, "queue.db"), 0o600, &bbolt.Options{NoFreelistSync: true, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return nil, err
	}
	records, keys := []byte("records"), []byte("keys")
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket(records)
		_, errKeys := tx.CreateBucket(keys)
		return errors.Join(err, errKeys)
	})
	if err != nil {
		return nil, err
	}
	commit := func(group []*waiting) error {
		return db.Update(func(tx *bbolt.Tx) error {
			r, k := tx.Bucket(records), tx.Bucket(keys)
			r.FillPercent = 1
			for _, w := range group {
				if err := putOnce(r, k, w); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return newGroups(commit, db.Close), nil
}

// putOnce writes a record under the next number, unless its key is there.
func putOnce(records, keys *bbolt.Bucket, w *waiting) error {
	if keys.Get(w.key[:]) != nil {
		return nil
	}
	id, err := records.NextSequence()
	if err != nil {
		return err
	}
	number := binary.BigEndian.AppendUint64(nil, id)
	return errors.Join(records.Put(number, w.record), keys.Put(w.key[:], number))
}

// openRaftWAL appends records to a log and keeps keys in memory. What an index for deletions would cost comes on top.
func openRaftWAL(dir string) (engine, error) {
	wal, err := raftwal.Open(dir)
	if err != nil {
		return nil, err
	}
	known, last := seen{}, uint64(0)
	commit := func(group []*waiting) error {
		var logs []*raft.Log
		for _, w := range group {
			if known.add(w.key) {
				last++
				logs = append(logs, &raft.Log{Index: last, Data: w.record})
			}
		}
		if len(logs) == 0 {
			return nil
		}
		return wal.StoreLogs(logs)
	}
	return newGroups(commit, wal.Close), nil
}

// openRingLog overwrites a file that is laid out beforehand from front to back, over and over. It is no store, since nothing could be
// found or deleted in it: it shows what would be left to gain.
func openRingLog(dir string) (engine, error) {
	const size = 256 << 20
	f, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	zeros := make([]byte, 1<<20)
	for range size / len(zeros) {
		if _, err := f.Write(zeros); err != nil {
			return nil, err
		}
	}
	if err := f.Sync(); err != nil {
		return nil, err
	}
	known, at, buf := seen{}, int64(0), []byte(nil)
	commit := func(group []*waiting) error {
		buf = buf[:0]
		for _, w := range group {
			if known.add(w.key) {
				buf = binary.LittleEndian.AppendUint32(buf, uint32(len(w.record)))
				buf = append(buf, w.record...)
			}
		}
		if at+int64(len(buf)) > size {
			at = 0
		}
		if _, err := f.WriteAt(buf, at); err != nil {
			return err
		}
		at += int64(len(buf))
		return unix.Fdatasync(int(f.Fd()))
	}
	return newGroups(commit, f.Close), nil
}
