// SPDX-License-Identifier: Apache-2.0

package membudget

import (
	"math"
	"strings"
	"testing"
	"testing/fstest"
)

const mib = 1 << 20

func TestWhatDoesNotFitIsRefusedWithAWayOut(t *testing.T) {
	parts := func(notifications, connections int64) []Part {
		return []Part{
			{Name: "the program", Bytes: 70 * mib},
			{Name: "connections", Flag: "max-connections", Value: connections, Bytes: connections * mib / 16},
			{Name: "notifications that wait", Flag: "store-max-notifications", Value: notifications, Bytes: notifications * 200},
		}
	}
	for name, tc := range map[string]struct {
		limit Limit
		parts []Part
		want  []string // of the message; none: it fits
		not   string
	}{
		"no limit":     {limit: Unlimited(), parts: parts(math.MaxInt64/200, 1)},
		"just enough":  {limit: Limit{Bytes: 70*mib + 64*mib + 200*mib}, parts: parts(mib, 1024)},
		"a byte short": {limit: Limit{Bytes: 70*mib + 64*mib + 200*mib - 1, Source: "GOMEMLIMIT"}, parts: parts(mib, 1024), want: []string{"allow 334 MiB", "there are 334 MiB (GOMEMLIMIT)", "--store-max-notifications is 1048576", "--store-max-notifications to 1047527 or less"}},
		"the largest is named first": {
			limit: Limit{Bytes: 300 * mib}, parts: parts(mib, 1024),
			want: []string{":\n  200 MiB for notifications that wait (--store-max-notifications is 1048576)\n  70 MiB for the program\n  64 MiB for connections (--max-connections is 1024)", "--store-max-notifications to 8", "GOMEMLIMIT to 334MiB or more"},
		},
		"no flag alone is enough": {limit: Limit{Bytes: 100 * mib}, parts: parts(mib, 1024), want: []string{"Set GOMEMLIMIT to 334MiB or more"}, not: "or less"},
		"more than can be counted": {
			limit: Limit{Bytes: 300 * mib}, parts: []Part{{Name: "a", Flag: "a", Value: 3, Bytes: math.MaxInt64}, {Name: "b", Flag: "b", Value: 3, Bytes: math.MaxInt64}},
			want: []string{"any number of MiB"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := Check(tc.limit, tc.parts)
			if (err != nil) != (tc.want != nil) {
				t.Fatalf("error %v, want one: %v", err, tc.want != nil)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not say %q:\n%v", want, err)
				}
			}
			if tc.not != "" && strings.Contains(err.Error(), tc.not) {
				t.Errorf("the error says %q:\n%v", tc.not, err)
			}
		})
	}
}

func TestWhatIsAdvisedFits(t *testing.T) {
	for _, limit := range []int64{301 * mib, 200 * mib, 135 * mib, 133 * mib} {
		parts := []Part{{Name: "a", Flag: "a", Value: 1_000_000, Bytes: 200_000_000}, {Name: "b", Bytes: 130 * mib}}
		flag, value, helps := enough(parts, Sum(parts)-limit)
		if !helps || flag != "a" {
			t.Fatalf("with %d: %q, %v", limit, flag, helps)
		}
		parts[0].Value, parts[0].Bytes = value, value*200
		if err := Check(Limit{Bytes: limit}, parts); err != nil {
			t.Errorf("what was advised does not fit: %v", err)
		}
	}
}

func TestTheLowerLimitCounts(t *testing.T) {
	for name, tc := range map[string]struct {
		goLimit, container int64
		want               Limit
	}{
		"none":                  {math.MaxInt64, math.MaxInt64, Unlimited()},
		"Go's alone":            {460 * mib, math.MaxInt64, Limit{460 * mib, "GOMEMLIMIT"}},
		"the container's alone": {math.MaxInt64, 500 * mib, Limit{450 * mib, "90 % of the container's limit of 500 MiB"}},
		"Go's within":           {460 * mib, 512 * mib, Limit{460 * mib, "GOMEMLIMIT"}},
		"Go's beyond":           {460 * mib, 256 * mib, Limit{OfContainer(256 * mib), "90 % of the container's limit of 256 MiB"}},
	} {
		if got := Choose(tc.goLimit, tc.container); got != tc.want {
			t.Errorf("%s: %+v, want %+v", name, got, tc.want)
		}
	}
}

func TestTheContainersLimitIsFound(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	for name, tc := range map[string]struct {
		files fstest.MapFS
		want  int64
	}{
		"no cgroups":              {files: fstest.MapFS{}, want: math.MaxInt64},
		"version 2, in a Pod":     {files: fstest.MapFS{"proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/memory.max": file("536870912\n")}, want: 512 * mib},
		"version 2, no limit":     {files: fstest.MapFS{"proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/memory.max": file("max\n")}, want: math.MaxInt64},
		"version 2, on the host":  {files: fstest.MapFS{"proc/self/cgroup": file("0::/user.slice/a.scope\n"), "sys/fs/cgroup/user.slice/memory.max": file("1048576\n"), "sys/fs/cgroup/user.slice/a.scope/memory.max": file("max\n")}, want: mib},
		"version 1":               {files: fstest.MapFS{"proc/self/cgroup": file("3:cpu:/x\n4:memory:/pod/c\n0::/\n"), "sys/fs/cgroup/memory/memory.limit_in_bytes": file("9223372036854771712\n"), "sys/fs/cgroup/memory/pod/c/memory.limit_in_bytes": file("268435456\n")}, want: 256 * mib},
		"version 1, in a Pod":     {files: fstest.MapFS{"proc/self/cgroup": file("4:memory:/kubepods/pod1/c\n"), "sys/fs/cgroup/memory/memory.limit_in_bytes": file("268435456\n")}, want: 256 * mib},
		"version 1, no limit":     {files: fstest.MapFS{"proc/self/cgroup": file("4:memory:/\n"), "sys/fs/cgroup/memory/memory.limit_in_bytes": file("9223372036854771712\n")}, want: math.MaxInt64},
		"what is no number":       {files: fstest.MapFS{"proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/memory.max": file("lots")}, want: math.MaxInt64},
		"lines that are no lines": {files: fstest.MapFS{"proc/self/cgroup": file("\n:\nx\n")}, want: math.MaxInt64},
	} {
		if got := ContainerLimit(tc.files); got != tc.want {
			t.Errorf("%s: %d, want %d", name, got, tc.want)
		}
	}
}
