// SPDX-License-Identifier: Apache-2.0

package main

import "testing"

func TestTheRegistryTellsOfGoAndTheProcess(t *testing.T) {
	registry, err := newRegistry()
	if err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	for _, family := range families {
		told[family.GetName()] = true
	}
	for _, name := range []string{"go_goroutines", "go_memstats_heap_inuse_bytes", "process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds"} {
		if !told[name] {
			t.Errorf("there is no %s", name)
		}
	}
}
