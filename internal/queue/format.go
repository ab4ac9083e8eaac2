// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue/files"
)

// The store's directory:
//
//	FORMAT    {"name":"cloudinary-operator-queue","version":1}; written first, atomically, and never changed
//	LOCK      locked while a process has the store open
//	MARK      the number of the last write known to be on disk; see mark.go
//	BALLAST   room that is given up when the volume is full; see disk.go
//	REPAIR    what takes the place of a damaged file, while it is made
//	log/      what was written and is not in the engine's files yet; see the package wal, and replay.go
//	db/       the engine's files (Pebble, format major version as in engineFormat)
//
// "lost+found" and what begins with "routes.json" or ".routes.json" may be there too: the one is the file system's, the others the receiver's.
//
// Keys begin with an ID of 8 bytes, big endian, then the kind of entry in one byte, so that what is written together
// lies together, and the files of the engine hardly overlap:
//
//	<ID> 1    a record, until all targets are done with it
//	<ID> 2    how its targets stand, if one of them is done with it or has it as a dead letter
//	<ID> 3    a stub, which is left of a finished notification until its deduplication key expires
//	<ID> 4    the link, which every write leaves at the highest ID given so far: what the store holds as a whole. The last one
//	          counts; older ones go away with the stubs around them
//	<top> 1 <name>  a state; top is eight bytes 0xFF
//	<top> 2 <namespace, name>  a floor, if keys of an endpoint were forgotten before they expired, for want of room
//
// Values begin with a version, 1. Integers are little endian, lengths and counts uvarints, a string or list is led by its length:
//
//	record:  version, CRC-32C of what follows, key [32], expiry of the key in Unix nanoseconds [8], time of receipt likewise [8],
//	         order key [8], length of the route, route (namespace, name, event type, targets), header lines (name, value), body
//	state:   version, for each target in order: 0 pending, 1 done, 2 dead and the reason, 3 pending again after a redrive
//	stub:    version 2, first 16 bytes of the key, expiry in Unix seconds [4], namespace and name of the endpoint; version 1 ends before those
//	floor:   version, the first ID [8] whose key is remembered, expiry of the keys before it in Unix seconds [8], CRC-32C of the preceding [4]
//	link:    version, number of the write [8], next ID [8], number of entries but links [8], fingerprint of those
//	         (the sum of a hash of each one's ID and kind) [8], CRC-32C of the preceding [4]
const (
	formatName    = "cloudinary-operator-queue"
	formatVersion = 1

	formatFile  = "FORMAT"
	lockFile    = "LOCK"
	markFile    = "MARK"
	ballastFile = "BALLAST"
	repairFile  = "REPAIR"
	engineDir   = "db"
	logDir      = "log"
)

type kind byte

const (
	kindRecord kind = 1
	kindState  kind = 2
	kindStub   kind = 3
	kindLink   kind = 4

	topState byte = 1
	topFloor byte = 2
)

const keyLen = 9

type entryKey [keyLen]byte

func keyOf(id ID, k kind) (key entryKey) {
	binary.BigEndian.PutUint64(key[:], uint64(id))
	key[8] = byte(k)
	return key
}

func topKey(k byte, name string) []byte {
	return append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, k}, name...)
}

// Kinds of entries count up from 0, which none has: the key of an ID with kind 0 comes before all of the ID's.
//
// topStart is after every entry of a notification.
func topStart() []byte { return topKey(0, "") }

func splitKey(key []byte) (ID, kind, bool) {
	if len(key) < keyLen || key[0] == 0xff {
		return 0, 0, false
	}
	return ID(binary.BigEndian.Uint64(key)), kind(key[8]), true
}

type format struct {
	Name    string `json:"name"`
	Version int    `json:"version"`
}

// checkFormat tells whether a directory holds a store, or makes it the directory of a new one if it is empty.
func checkFormat(fs vfs.FS, dir string, failpoint func(string)) error {
	names, err := fs.List(dir)
	if err != nil {
		return fmt.Errorf("list %s: %w", dir, err)
	}
	if slices.Contains(names, formatFile) {
		return readFormat(fs, fs.PathJoin(dir, formatFile))
	}
	foreign := slices.DeleteFunc(names, mayPrecedeFormat)
	if len(foreign) > 0 {
		slices.Sort(foreign)
		return fmt.Errorf("%s is not empty and has no %s file, so it is not a queue's, or no longer a whole one (found %s): name an empty directory, or move what is there away",
			dir, formatFile, strings.Join(foreign[:min(len(foreign), 3)], ", "))
	}
	content, err := json.Marshal(format{Name: formatName, Version: formatVersion})
	if err != nil {
		return err
	}
	if err := files.WriteAtomically(fs, dir, formatFile, append(content, '\n')); err != nil {
		return err
	}
	failpoint(FailAfterFormat)
	return nil
}

func mayPrecedeFormat(name string) bool {
	return name == "lost+found" || name == lockFile || name == files.Temporary(formatFile) || strings.HasPrefix(strings.TrimPrefix(name, "."), "routes.json")
}

func readFormat(fs vfs.FS, path string) error {
	content, err := files.Read(fs, path, 4096)
	if err != nil {
		return err
	}
	var f format
	if err := json.Unmarshal(content, &f); err != nil || f.Name != formatName || f.Version < 1 {
		return fmt.Errorf("%s is not that of a queue, or is damaged; a whole one reads {\"name\":%q,\"version\":%d}", path, formatName, formatVersion)
	}
	if f.Version > formatVersion {
		return fmt.Errorf("%s says version %d, and this receiver knows versions up to %d: upgrade the receiver", path, f.Version, formatVersion)
	}
	return nil
}
