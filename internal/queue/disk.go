// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/go-logr/logr"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue/files"
)

const (
	diskCheckEvery = 100 * time.Millisecond
	// writeAmplification is how often what is accepted is written, at most and until compactions have removed the older copies.
	writeAmplification = 3
	minFree            = 32 << 20
	maxBallast         = 8 << 20
)

// diskGuard keeps the engine from running into a full volume, which it does not survive. It asks for the room that is
// left now and then, counting what is accepted in between, and reports none below a minimum. Should the volume be full all the
// same, because others write to it, a ballast file is given up, so that what is being written can be completed.
type diskGuard struct {
	fs       vfs.FS // not guarded
	dir      string
	minimum  int64 // as configured; 0: by the size of the volume
	now      func() time.Time
	log      logr.Logger
	paced    *pacedLog
	released atomic.Bool // the ballast

	mu      sync.Mutex
	checked time.Time
	spare   int64 // room above the minimum when last checked
	written int64 // since then
	unknown bool  // the file system does not tell
	low     bool
}

// guard wraps the file system for the engine and the log.
func (d *diskGuard) guard() vfs.FS {
	return vfs.OnDiskFull(d.fs, func() {
		if !d.released.Swap(true) {
			_ = d.fs.Remove(d.ballast()) // there may be none
			d.log.Error(nil, "the queue's volume is full; gave up the ballast file and accept nothing for now")
		}
	})
}

func (d *diskGuard) ballast() string { return d.fs.PathJoin(d.dir, ballastFile) }

// room tells whether n bytes may be accepted, and counts them if so.
func (d *diskGuard) room(n int) bool {
	if d.released.Load() {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	need := int64(n) * writeAmplification
	if now := d.now(); d.written+need > d.spare/4 || now.Sub(d.checked) > diskCheckEvery || now.Before(d.checked) {
		d.check(now)
	}
	if d.unknown {
		return true
	}
	low := d.written+need > d.spare
	if low != d.low {
		d.low = low
		d.log.Info("whether the queue's volume has room to accept notifications has changed", "room", !low)
	}
	if !low {
		d.written += need
	}
	return !low
}

func (d *diskGuard) check(now time.Time) {
	d.checked = now
	usage, err := d.fs.GetDiskUsage(d.dir)
	if d.unknown = err != nil; d.unknown {
		return
	}
	d.spare, d.written = int64(usage.AvailBytes)-d.minimumOf(usage), 0 //nolint:gosec // fits
}

func (d *diskGuard) minimumOf(usage vfs.DiskUsage) int64 {
	if d.minimum > 0 {
		return d.minimum
	}
	total := int64(usage.TotalBytes) //nolint:gosec // fits
	return min(max(total/100, minFree), total/4)
}

// short tells whether what was finished should be given back soon.
func (d *diskGuard) short() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.check(d.now())
	return !d.unknown && (d.spare <= 0 || d.low || d.released.Load())
}

// refill makes the ballast file if there is none and there is room for it.
func (d *diskGuard) refill() {
	usage, err := d.fs.GetDiskUsage(d.dir)
	if err != nil {
		d.released.Store(false)
		return
	}
	size := min(int64(usage.TotalBytes)/16, maxBallast)                                             //nolint:gosec // fits
	if exists, err := files.Exists(d.fs, d.ballast()); err != nil || exists && !d.released.Load() { // made before
		return
	}
	if int64(usage.AvailBytes) < d.minimumOf(usage)+size { //nolint:gosec // fits
		return
	}
	if err := d.fillBallast(size); err != nil {
		_ = d.fs.Remove(d.ballast()) // a part of it is of no use
		d.paced.Error(err, "cannot make the ballast file")
		return
	}
	if d.released.Swap(false) {
		d.log.Info("made the ballast file again")
	}
}

// fillBallast writes the ballast file out, since a file system may promise room that it has not.
func (d *diskGuard) fillBallast(size int64) error {
	f, err := d.fs.Create(d.ballast(), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	if _, err = files.Fill(f, size); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
