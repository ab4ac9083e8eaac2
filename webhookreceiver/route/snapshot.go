// SPDX-License-Identifier: Apache-2.0

package route

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verification"
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

// The bounds of the file. Keys, targets and the like are saved of every endpoint. What triggers say of bodies is, as long as there is room for
// it, of those endpoints first that have little of it: nobody takes the room of others.
const (
	maxSavedTriggers = 16 << 20
	maxSnapshotBytes = 64 << 20 // that is read
)

// SaveSnapshot writes the routes to dir, whole or not at all, and returns for how many endpoints nothing is saved of their triggers. The file
// has verification keys, so only its owner may read it.
func SaveSnapshot(dir string, configs []Config) (without int, err error) {
	configs, without = thatFit(configs)
	f, err := os.CreateTemp(dir, unsaved) // its mode is 0600
	if err != nil {
		return 0, fmt.Errorf("save routes: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // there is nothing left of it after the rename
	err = writeSnapshot(f, configs)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, SnapshotName))
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return 0, fmt.Errorf("save routes: %w", err)
	}
	return without, nil
}

// syncDir has the names in a directory outlive a power failure.
func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // the store's folder is a flag
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// writeSnapshot writes what json.Marshal would, one endpoint after the other, so that it takes no memory.
func writeSnapshot(to io.Writer, configs []Config) error {
	w := bufio.NewWriter(to)
	if _, err := fmt.Fprintf(w, `{"version":%d,"endpoints":[`, snapshotVersion); err != nil {
		return err
	}
	for i := range configs {
		raw, err := json.Marshal(&configs[i])
		if err != nil {
			return fmt.Errorf("encode the routes of %s: %w", configs[i].Key, err)
		}
		if i > 0 {
			_ = w.WriteByte(',') // Flush returns the error
		}
		_, _ = w.Write(raw)
	}
	_, _ = w.WriteString("]}")
	return w.Flush()
}

// thatFit returns configs without the triggers of those for which there is no room, and for how many that is.
func thatFit(configs []Config) (fit []Config, without int) {
	sizes, order := make([]int, len(configs)), make([]int, len(configs))
	for i := range configs {
		order[i], sizes[i] = i, sizeOfTriggers(&configs[i])
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(sizes[a], sizes[b]) })
	room := maxSavedTriggers
	for n, i := range order {
		if room -= sizes[i]; room >= 0 {
			continue
		}
		fit = slices.Clone(configs)
		for _, i := range order[n:] {
			fit[i].Triggers, fit[i].Former = nil, nil
		}
		return fit, len(order) - n
	}
	return configs, 0
}

// sizeOfTriggers is what is written of an endpoint's triggers: up to six times what it takes in memory.
func sizeOfTriggers(c *Config) int {
	present, err := json.Marshal(c.Triggers)
	former, errFormer := json.Marshal(c.Former)
	if err != nil || errFormer != nil {
		return maxSavedTriggers // writeSnapshot says why
	}
	return len(present) + len(former)
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
	f, err := os.Open(filepath.Join(dir, SnapshotName)) //nolint:gosec // the store's folder is a flag
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("load routes: %w", err)
	}
	defer func() { _ = f.Close() }() // nothing was written
	raw, err := io.ReadAll(io.LimitReader(f, maxSnapshotBytes+1))
	if err != nil {
		return nil, fmt.Errorf("load routes: %w", err)
	}
	if len(raw) > maxSnapshotBytes {
		return nil, fmt.Errorf("load routes: the file has more than %d bytes", maxSnapshotBytes)
	}
	var s snapshot
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, fmt.Errorf("load routes: %w", err)
	}
	if s.Version != snapshotVersion {
		return nil, fmt.Errorf("load routes: version %d is not one this receiver knows", s.Version)
	}
	for i := range s.Endpoints {
		s.Endpoints[i].keepOwnKeys()
		if e := &s.Endpoints[i]; e.Paths == nil { // of a version whose paths all ended with the name
			e.Paths = []string{notification.Path(e.Key.Namespace, e.Key.Name)}
		}
	}
	return s.Endpoints, nil
}

// keepOwnKeys drops other namespaces' keys from what a receiver has saved that let all keys of a product environment count. It is told by
// their sources: a key that was selected has none.
func (c *Config) keepOwnKeys() {
	c.Keys = slices.DeleteFunc(c.Keys, func(k verification.Key) bool {
		return len(k.Sources) > 0 && !slices.ContainsFunc(k.Sources, func(source string) bool {
			return strings.HasPrefix(source, c.Key.Namespace+"/")
		})
	})
	for i := range c.Keys {
		c.Keys[i].Sources = nil
	}
}
