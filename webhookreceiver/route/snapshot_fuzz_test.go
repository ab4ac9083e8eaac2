// SPDX-License-Identifier: Apache-2.0

package route

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A file of routes may be of another version, cut off, or changed by hand. Whatever is in it, the receiver starts: it serves what it can
// read, and saves it such that it reads the same again.
func FuzzLoadSnapshot(f *testing.F) {
	for _, text := range []string{
		``, `{}`, `{"version":2}`, `{"version":1,"endpoints":null}`, `{"version":1,"endpoints":[{}]}`,
		`{"version":1,"endpoints":[{"key":{"Namespace":"shop","Name":"media"},"uid":"u","generation":3,"keys":[{"id":"1","secret":"s","notAfter":"2026-01-01T00:00:00Z"}],
		"algorithms":["SHA1","?"],"publicKeys":["?"],"maxAge":-1,"retryMaxAge":9223372036854775807,"targets":[{"Name":"catalog","Service":{}}],
		"triggers":[{"Key":{"Namespace":"shop","Name":"t"},"EventTypes":["upload","all"],"templated":true,"typePaths":[["a","0"],[]],"identity":"doubtful"}],
		"former":[{"templated":true,"typePaths":[["b"]],"until":"2026-01-01T00:00:00Z"}]}]}`,
	} {
		f.Add([]byte(text))
	}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(filepath.Join(dir, SnapshotName), text, 0o600); err != nil {
			t.Fatal(err)
		}
		configs, err := LoadSnapshot(dir)
		if err != nil {
			return
		}
		endpoints := make([]*Endpoint, 0, len(configs))
		for i := range configs {
			e, _, _ := configs[i].Compile(now)
			_, _ = e.TargetsFor("upload"), e.TriggerFor("upload")
			endpoints = append(endpoints, e)
		}
		if n := NewTable(endpoints).Len(); n > len(configs) {
			t.Errorf("%d endpoints of %d", n, len(configs))
		}
		if _, err := SaveSnapshot(dir, configs); err != nil {
			t.Fatal(err)
		}
		again, err := LoadSnapshot(dir)
		if err != nil || len(again) != len(configs) {
			t.Errorf("%d endpoints are saved, and %d read back: %v", len(configs), len(again), err)
		}
	})
}
