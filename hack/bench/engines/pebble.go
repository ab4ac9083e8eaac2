// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
)

func openDB(dir string) (*pebble.DB, error) {
	o := &pebble.Options{MemTableSize: 4 << 20, CacheSize: 4 << 20, FormatMajorVersion: pebble.FormatNewest, Logger: quiet{}}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		o.Levels[i].Compression = func() *sstable.CompressionProfile { return sstable.NoCompression }
	}
	return pebble.Open(dir, o)
}

type quiet struct{}

func (quiet) Infof(string, ...any) {}

func (quiet) Errorf(format string, args ...any) { log.Printf(format, args...) }

// Fatalf must not return: the engine goes by that.
func (quiet) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// openPebbleRandomKeys keeps the deduplication keys in the database too, where they overlap with everything.
func openPebbleRandomKeys(dir string) (engine, error) {
	db, err := openDB(dir)
	if err != nil {
		return nil, err
	}
	id := uint64(0)
	commit := func(group []*waiting) error {
		b := db.NewBatch()
		defer func() { _ = b.Close() }() // after a commit there is nothing to lose
		for _, w := range group {
			key := append([]byte{'k'}, w.key[:]...)
			_, closer, err := db.Get(key)
			if err == nil {
				_ = closer.Close()
				continue
			}
			if !errors.Is(err, pebble.ErrNotFound) {
				return err
			}
			id++
			record := binary.BigEndian.AppendUint64([]byte{'n'}, id)
			if err := errors.Join(b.Set(record, w.record, nil), b.Set(key, record[1:], nil)); err != nil {
				return err
			}
		}
		return b.Commit(pebble.Sync)
	}
	return newGroups(commit, db.Close), nil
}

// openPebble has one key for each record, in order, and the deduplication keys in memory.
func openPebble(dir string) (engine, error) {
	db, err := openDB(dir)
	if err != nil {
		return nil, err
	}
	known, id := seen{}, uint64(0)
	commit := func(group []*waiting) error {
		b := db.NewBatch()
		defer func() { _ = b.Close() }() // after a commit there is nothing to lose
		for _, w := range group {
			if known.add(w.key) {
				id++
				if err := b.Set(binary.BigEndian.AppendUint64(nil, id), w.record, nil); err != nil {
					return err
				}
			}
		}
		return b.Commit(pebble.Sync)
	}
	return newGroups(commit, db.Close), nil
}

// realQueue is the receiver's own queue, with everything that it does beyond writing records.
type realQueue struct {
	*queue.Store
	targets []string
}

// openQueue has each notification stored for one target, which never gets it.
func openQueue(dir string) (engine, error) { return openRealQueue(dir, "catalog") }

// openQueueNoTarget has nobody waiting for the notifications, so that nothing but their keys has to stay.
func openQueueNoTarget(dir string) (engine, error) { return openRealQueue(dir) }

func openRealQueue(dir string, targets ...string) (engine, error) {
	s, err := queue.Open(context.Background(), queue.Options{Dir: dir, MaxBytes: 1 << 40, MaxNotifications: 1 << 30})
	return realQueue{Store: s, targets: targets}, err
}

func (q realQueue) Put(n *notification) error {
	now := time.Now()
	_, name, _ := strings.Cut(n.path, "/v1/notifications/bench/")
	r := &queue.Record{
		Key: n.key, KeyExpires: now.Add(2*time.Hour + 5*time.Minute), Endpoint: queue.Endpoint{Namespace: "bench", Name: name},
		ReceivedAt: now, EventType: "upload", Body: n.body, Targets: q.targets, Header: make([]queue.Header, 0, 8),
	}
	for name, values := range n.header {
		for _, v := range values {
			r.Header = append(r.Header, queue.Header{Name: name, Value: v})
		}
	}
	_, err := q.Store.Put(context.Background(), r)
	return err
}
