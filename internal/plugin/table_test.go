// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/forecast"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

func TestATableIsShortenedOnlyWhereItMayBe(t *testing.T) {
	long := strings.Repeat("x", 130)
	for name, test := range map[string]struct {
		shorten []string
		want    int // the longest line
	}{
		"where nothing may be shortened": {nil, 139},
		"where a column may":             {[]string{"B"}, 120},
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			tab := table{header: []string{"A", "B"}, shorten: test.shorten}
			tab.add([]string{"a", long})
			tab.add([]string{"tick-tock", ""}, "below it")
			if err := tab.print(&b, style{}); err != nil {
				t.Fatal(err)
			}
			longest := 0
			for line := range strings.SplitSeq(b.String(), "\n") {
				longest = max(longest, len([]rune(line)))
			}
			if want := test.want + len("tick-tock") - len("tick-t"); test.shorten == nil && longest != want || test.shorten != nil && longest != test.want {
				t.Errorf("the longest line has %d columns:\n%s", longest, b.String())
			}
			if !strings.HasSuffix(b.String(), "tick-tock   -\n   below it\n") {
				t.Errorf("printed:\n%s", b.String())
			}
		})
	}
}

func TestColorsAreForTerminals(t *testing.T) {
	for name, test := range map[string]struct {
		terminal bool
		env      map[string]string
		want     bool
	}{
		"a pipe":                                {false, nil, false},
		"a terminal":                            {true, nil, true},
		"a terminal with NO_COLOR":              {true, map[string]string{"NO_COLOR": "1"}, false},
		"a terminal that knows no colors":       {true, map[string]string{"TERM": "dumb"}, false},
		"a terminal with NO_COLOR that is void": {true, map[string]string{"NO_COLOR": ""}, true},
	} {
		c := &cli{Config: Config{Terminal: test.terminal, Getenv: func(name string) string { return test.env[name] }}}
		if got := c.style().colored; got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// A plan says from what to what a trigger changes, and keeps what a URL may have of a token.
func TestAPlanShowsFromWhatToWhat(t *testing.T) {
	step := forecast.Step{Step: plan.Step{Action: plan.Update}, Differences: []plan.Difference{
		{Field: "url", Want: "https://b.example.com/", Have: "https://a.example.com/hook?token=t0ken"},
		{Field: "filter", Want: `{"==":[{"var":"resource_type"},"image"]}`},
		{Field: "url", Want: "https://a.example.com/hook?token=n3w", Have: "https://a.example.com/hook?token=t0ken"},
	}}
	want := []string{
		"url: https://a.example.com/… → https://b.example.com/",
		`filter: (none) → {"==":[{"var":"resource_type"},"image"]}`,
		"url: https://a.example.com/… → https://a.example.com/… (they differ in a hidden part; --show-urls shows it)",
	}
	if diff := cmp.Diff(want, changes(newStepPlan(step, false), false)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got, want := changes(newStepPlan(step, true), false)[2], "url: https://a.example.com/hook?token=t0ken → https://a.example.com/hook?token=n3w"; got != want {
		t.Errorf("with --show-urls: %s, want %s", got, want)
	}
}

func TestNumbersOfThings(t *testing.T) {
	for n, want := range map[int]string{0: "0 dead letters", 1: "1 dead letter", 2: "2 dead letters"} {
		if got := counted(n, "dead letter"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
