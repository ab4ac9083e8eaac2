// SPDX-License-Identifier: Apache-2.0

package program

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWhatIsBelowTheLeastIsRefusedWithBoth(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want string // empty: it is taken
	}{
		"a duration below": {err: AtLeast("--a", -time.Second, 0), want: "--a is -1s, must be at least 0s"},
		"the least":        {err: AtLeast("--a", time.Second, time.Second)},
		"a number below":   {err: AtLeast("--b", 0, 1), want: "--b is 0, must be at least 1"},
		"a number above":   {err: AtLeast("--b", 2, 1)},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if tc.err != nil {
				got = tc.err.Error()
			}
			if got != tc.want {
				t.Errorf("it says %q, want %q", got, tc.want)
			}
		})
	}
}

func TestNamesInAList(t *testing.T) {
	for list, want := range map[string][]string{"": nil, "shop": {"shop"}, " shop, ,catalog,": {"shop", "catalog"}} {
		if diff := cmp.Diff(want, List(list)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", list, diff)
		}
	}
}
