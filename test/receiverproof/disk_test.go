// SPDX-License-Identifier: Apache-2.0

package receiverproof

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// act is what is done to a file.
type act string

const (
	toCreate   act = "create"
	toOpen     act = "open"
	toWrite    act = "write"
	toSync     act = "sync"
	toSyncName act = "sync the names in"
	toChange   act = "rename or remove"
)

// ill is something that is wrong with a volume for a while.
type ill struct {
	does  func(act, string) bool // what it befalls
	takes time.Duration          // how long that takes then
	over  chan struct{}          // or until when it hangs; nil: it does not
	err   error
	left  atomic.Int64 // how often it still happens
	met   atomic.Int64 // how often it has
	seen  atomic.Int64 // for does
}

// volume is the disk under a store: what is on it, and what is wrong with it. It outlives processes.
type volume struct {
	mu     sync.Mutex
	mem    *vfs.MemFS
	ills   []*ill
	room   int64 // bytes that are free
	quick  *chance
	sparse bool
}

const plenty = 1 << 40

func newVolume(c *chance) *volume { return &volume{mem: vfs.NewCrashableMem(), room: plenty, quick: c} }

func (v *volume) befall(i *ill) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.ills = append(v.ills, i)
}

// heal ends what is wrong. What hangs goes on.
func (v *volume) heal(i *ill) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for at, other := range v.ills {
		if other == i {
			v.ills = append(v.ills[:at:at], v.ills[at+1:]...)
			if i.over != nil {
				close(i.over)
			}
			return
		}
	}
}

func (v *volume) fillUpTo(room int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.room = room
}

// take uses up room, if there is some.
func (v *volume) take(n int64) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if n > v.room {
		return syscall.ENOSPC
	}
	v.room -= n
	return nil
}

func (v *volume) free(n int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.room = min(v.room+n, plenty)
}

// losePower leaves of what was not synced a share, names in directories included.
func (v *volume) losePower(percent int, random *rand.Rand) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.mem = v.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: random})
}

// copyOf is a copy of what is there, as a backup is that is taken while nobody writes.
func (v *volume) copyOf() *vfs.MemFS {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))})
}

// mount is a volume as one process has it. When the process is dead, nothing that it still does comes to the volume, though it seems
// to succeed, so that its goroutines end.
type mount struct {
	vfs.FS
	volume  *volume
	scratch *vfs.MemFS

	mu    sync.RWMutex
	dead  bool
	gone  chan struct{} // is closed then
	locks []io.Closer
}

func (v *volume) mount() *mount {
	v.mu.Lock()
	defer v.mu.Unlock()
	return &mount{FS: v.mem, volume: v, scratch: vfs.NewMem(), gone: make(chan struct{})}
}

// die has nothing more come to the volume, and lets go of its locks.
func (m *mount) die() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return
	}
	m.dead = true
	close(m.gone)
	for _, l := range m.locks {
		_ = l.Close()
	}
}

func (m *mount) isDead() bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.dead
}

// suffers is what is wrong with the volume when something is done to a file.
func (m *mount) suffers(does act, name string) error {
	v := m.volume
	if m.isDead() {
		return nil
	}
	if onLog(does, name) {
		time.Sleep(v.quick.between(100*time.Microsecond, 3*time.Millisecond))
	}
	v.mu.Lock()
	ills := v.ills
	v.mu.Unlock()
	for _, i := range ills {
		if !i.does(does, name) || i.left.Add(-1) < 0 {
			continue
		}
		i.met.Add(1)
		if i.over != nil {
			select {
			case <-i.over:
			case <-m.gone:
			}
		}
		time.Sleep(i.takes)
		if i.err != nil && !m.isDead() {
			return &os.PathError{Op: string(does), Path: name, Err: i.err}
		}
	}
	return nil
}

// do does something to the volume, unless the process is dead.
func (m *mount) do(does act, name string, how func() error) error {
	if err := m.suffers(does, name); err != nil {
		return err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.dead {
		return nil
	}
	return how()
}

// open opens or makes a file. One that a dead process makes is nowhere.
func (m *mount) open(does act, name string, how func(vfs.FS) (vfs.File, error)) (vfs.File, error) {
	if err := m.suffers(does, name); err != nil {
		return nil, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	of := m.FS
	if m.dead {
		if _, err := m.scratch.Stat(name); err == nil || does == toCreate {
			_ = m.scratch.MkdirAll(path.Dir(name), 0o755)
			of = m.scratch
		}
	}
	f, err := how(of)
	if err != nil {
		return nil, err
	}
	if of == vfs.FS(m.scratch) {
		return f, nil
	}
	opened := &mountedFile{File: f, mount: m, name: name}
	if info, err := f.Stat(); err == nil && !info.IsDir() {
		opened.size.Store(info.Size())
	}
	return opened, nil
}

// Create implements vfs.FS.
func (m *mount) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return m.open(toCreate, name, func(fs vfs.FS) (vfs.File, error) { return fs.Create(name, category) })
}

// Open implements vfs.FS.
func (m *mount) Open(name string, options ...vfs.OpenOption) (vfs.File, error) {
	return m.open(toOpen, name, func(fs vfs.FS) (vfs.File, error) { return fs.Open(name, options...) })
}

// OpenReadWrite implements vfs.FS.
func (m *mount) OpenReadWrite(name string, category vfs.DiskWriteCategory, options ...vfs.OpenOption) (vfs.File, error) {
	return m.open(toOpen, name, func(fs vfs.FS) (vfs.File, error) { return fs.OpenReadWrite(name, category, options...) })
}

// OpenDir implements vfs.FS.
func (m *mount) OpenDir(name string) (vfs.File, error) {
	f, err := m.open(toOpen, name, func(fs vfs.FS) (vfs.File, error) { return fs.OpenDir(name) })
	if opened, ok := f.(*mountedFile); ok {
		opened.directory = true
	}
	return f, err
}

// Remove implements vfs.FS.
func (m *mount) Remove(name string) error {
	return m.do(toChange, name, func() error {
		info, missing := m.Stat(name)
		err := m.FS.Remove(name)
		if err == nil && missing == nil {
			m.volume.free(info.Size())
		}
		return err
	})
}

// RemoveAll implements vfs.FS.
func (m *mount) RemoveAll(name string) error {
	return m.do(toChange, name, func() error { return m.FS.RemoveAll(name) })
}

// Rename implements vfs.FS.
func (m *mount) Rename(from, to string) error {
	return m.do(toChange, to, func() error { return m.FS.Rename(from, to) })
}

// Link implements vfs.FS.
func (m *mount) Link(from, to string) error {
	return m.do(toChange, to, func() error { return m.FS.Link(from, to) })
}

// ReuseForWrite implements vfs.FS.
func (m *mount) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return m.open(toCreate, to, func(fs vfs.FS) (vfs.File, error) { return fs.ReuseForWrite(from, to, category) })
}

// MkdirAll implements vfs.FS.
func (m *mount) MkdirAll(name string, perm os.FileMode) error {
	return m.do(toCreate, name, func() error { return m.FS.MkdirAll(name, perm) })
}

// Lock implements vfs.FS.
func (m *mount) Lock(name string) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return io.NopCloser(nil), nil
	}
	l, err := m.FS.Lock(name)
	if err != nil {
		return nil, err
	}
	once := &closeOnce{Closer: l}
	m.locks = append(m.locks, once)
	return once, nil
}

type closeOnce struct {
	io.Closer
	once sync.Once
}

// Close implements io.Closer.
func (c *closeOnce) Close() (err error) {
	c.once.Do(func() { err = c.Closer.Close() })
	return err
}

// GetDiskUsage implements vfs.FS.
func (m *mount) GetDiskUsage(string) (vfs.DiskUsage, error) {
	const total = 4 << 20 // small, so that the ballast is
	m.volume.mu.Lock()
	defer m.volume.mu.Unlock()
	return vfs.DiskUsage{AvailBytes: uint64(m.volume.room), TotalBytes: total}, nil
}

// mountedFile is a file of a volume.
type mountedFile struct {
	vfs.File
	mount     *mount
	name      string
	directory bool
	size      atomic.Int64
	at        int64 // where Write goes on
}

func (f *mountedFile) grow(end int64) error {
	if more := end - f.size.Load(); more > 0 {
		if err := f.mount.volume.take(more); err != nil {
			return &os.PathError{Op: "write", Path: f.name, Err: err}
		}
		f.size.Store(end)
	}
	return nil
}

// Write implements io.Writer.
func (f *mountedFile) Write(p []byte) (n int, err error) {
	n = len(p)
	err = f.mount.do(toWrite, f.name, func() error {
		if err := f.grow(f.at + int64(len(p))); err != nil {
			n = 0
			return err
		}
		n, err = f.File.Write(p)
		f.at += int64(n)
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// WriteAt implements io.WriterAt.
func (f *mountedFile) WriteAt(p []byte, at int64) (n int, err error) {
	n = len(p)
	if f.mount.volume.sparse && isLog(f.name) && at+int64(n) > 128<<10 && isZero(p) {
		return 0, syscall.EIO // the log is not filled with zeros beforehand: a sync would copy them all
	}
	err = f.mount.do(toWrite, f.name, func() error {
		if err := f.grow(at + int64(len(p))); err != nil {
			return err
		}
		n, err = f.File.WriteAt(p, at)
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

func (f *mountedFile) sync(how func() error) error {
	does := toSync
	if f.directory {
		does = toSyncName
	}
	return f.mount.do(does, f.name, how)
}

// Sync implements vfs.File.
func (f *mountedFile) Sync() error { return f.sync(f.File.Sync) }

// SyncData implements vfs.File.
func (f *mountedFile) SyncData() error { return f.sync(f.File.SyncData) }

// SyncTo implements vfs.File.
func (f *mountedFile) SyncTo(length int64) (full bool, err error) {
	err = f.sync(func() error {
		full, err = f.File.SyncTo(length)
		return err
	})
	return full, err
}

func isZero(p []byte) bool { return len(bytes.Trim(p[:min(len(p), 512)], "\x00")) == 0 }

// Fd implements vfs.File: there is none.
func (f *mountedFile) Fd() uintptr { return vfs.InvalidFd }

// The kinds of files of a store, for what is to be wrong with one kind alone.
func isLog(name string) bool   { return strings.HasPrefix(name, storeDir+"/log/") }
func isTable(name string) bool { return path.Ext(name) == ".sst" }
