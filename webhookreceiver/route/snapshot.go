// SPDX-License-Identifier: Apache-2.0

package route

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// SnapshotName is the file in the store's directory that has the last routes, so that a receiver that starts while the API server
// is away serves what it served before.
const SnapshotName = "routes.json"

const snapshotVersion = 1

// unsaved are the names of files that are not whole yet, and unsavedBefore what they were once.
const (
	unsaved       = SnapshotName + ".*.tmp"
	unsavedBefore = "." + SnapshotName + ".*"
)

type snapshot struct {
	Version   int      `json:"version"`
	Endpoints []Config `json:"endpoints"`
}

// SaveSnapshot writes the routes to dir, whole or not at all. The file has verification keys, so only its owner may read it.
func SaveSnapshot(dir string, configs []Config) error {
	raw, err := json.Marshal(snapshot{Version: snapshotVersion, Endpoints: configs})
	if err != nil {
		return fmt.Errorf("encode routes: %w", err)
	}
	f, err := os.CreateTemp(dir, unsaved) // its mode is 0600
	if err != nil {
		return fmt.Errorf("save routes: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // there is nothing left of it after the rename
	_, err = f.Write(raw)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, SnapshotName))
	}
	if err != nil {
		return fmt.Errorf("save routes: %w", err)
	}
	return nil
}

// RemoveLeftovers removes what SaveSnapshot leaves in dir where the process is killed meanwhile: keys that would lie there for ever. It must
// not be called while another process may save.
func RemoveLeftovers(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("look for leftovers of routes: %w", err)
	}
	for _, e := range entries {
		now, _ := filepath.Match(unsaved, e.Name()) // the patterns are well formed
		before, _ := filepath.Match(unsavedBefore, e.Name())
		if !now && !before {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("remove a leftover of routes: %w", err)
		}
	}
	return nil
}

// LoadSnapshot reads the routes that were saved last; there are none the first time. A snapshot that cannot be read is an error, and
// no reason not to start: the API server has it all.
func LoadSnapshot(dir string) ([]Config, error) {
	raw, err := os.ReadFile(filepath.Join(dir, SnapshotName)) //nolint:gosec // the store's folder is a flag
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("load routes: %w", err)
	}
	var s snapshot
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, fmt.Errorf("load routes: %w", err)
	}
	if s.Version != snapshotVersion {
		return nil, fmt.Errorf("load routes: version %d is not one this receiver knows", s.Version)
	}
	return s.Endpoints, nil
}
