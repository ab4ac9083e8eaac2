// SPDX-License-Identifier: Apache-2.0

// Package files does with files what has to outlive a crash.
package files

import (
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const tempSuffix = ".tmp"

// Temporary is the name of what WriteAtomically may leave behind.
func Temporary(name string) string { return name + tempSuffix }

// MakeDir makes a directory such that it is still there after a crash. One that is there may have been made just before an earlier process
// ended, so its name is brought to the disk, too.
func MakeDir(fs vfs.FS, dir string) error {
	exists, err := Exists(fs, dir)
	if err != nil {
		return err
	}
	parent := fs.PathDir(dir)
	if exists {
		return madeElsewhere(SyncDir(fs, parent))
	}
	if err := MakeDir(fs, parent); err != nil {
		return err
	}
	if err := fs.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return SyncDir(fs, parent)
}

// madeElsewhere drops the errors of a directory in which this program cannot have made anything, or whose file system needs no sync: a
// volume's directory has been there before.
func madeElsewhere(err error) error {
	for _, harmless := range []error{iofs.ErrPermission, syscall.EROFS, syscall.EINVAL, syscall.ENOTSUP} {
		if errors.Is(err, harmless) {
			return nil
		}
	}
	return err
}

// SyncDir has the names in a directory outlive a crash.
func SyncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("open %s: %w", dir, err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}

// Exists tells whether there is a file or directory.
func Exists(in vfs.FS, path string) (bool, error) {
	_, err := in.Stat(path)
	if errors.Is(err, iofs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Read reads a file, up to a number of bytes.
func Read(fs vfs.FS, path string, limit int64) ([]byte, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	content, err := io.ReadAll(io.LimitReader(f, limit))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return content, nil
}

// WriteAtomically leaves either the whole file or none, also after a crash.
func WriteAtomically(fs vfs.FS, dir, name string, content []byte) error {
	path := fs.PathJoin(dir, name)
	f, err := fs.Create(Temporary(path), vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("create %s: %w", path, err)
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := fs.Rename(Temporary(path), path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return SyncDir(fs, dir)
}

// Fill writes n zeros to the start of a file, and returns how many it could.
func Fill(f vfs.File, n int64) (at int64, _ error) {
	zeros := make([]byte, min(n, 256<<10))
	for at < n {
		written, err := f.WriteAt(zeros[:min(n-at, int64(len(zeros)))], at)
		at += int64(written)
		if err != nil {
			return at, err
		}
	}
	return at, nil
}
