// SPDX-License-Identifier: Apache-2.0

package turn

import (
	"testing"
	"time"
)

var (
	noon    = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	of      = Subject{"uid", "Ready"}
	well    = State{Well: true}
	between = State{}
	failing = State{Trouble: "Failing"}
	dead    = State{Trouble: "Dead"}
)

func TestWhatIsTold(t *testing.T) {
	for name, steps := range map[string][]struct {
		to   State
		want Telling
	}{
		"a new object that is well":              {{well, Nothing}},
		"trouble, and well again":                {{well, Nothing}, {failing, Trouble}, {well, WellAgain}, {well, Nothing}},
		"one trouble after another":              {{failing, Trouble}, {dead, Trouble}, {dead, Nothing}, {well, WellAgain}},
		"well again after it was worked on":      {{failing, Trouble}, {between, Nothing}, {well, WellAgain}},
		"worked on, and the same trouble":        {{failing, Trouble}, {between, Nothing}, {failing, Trouble}},
		"something that is worked on is no news": {{between, Nothing}, {well, Nothing}, {between, Nothing}, {well, Nothing}},
	} {
		t.Run(name, func(t *testing.T) {
			var teller Teller
			before := State{}
			for i, step := range steps {
				if got := teller.Turn(of, before, step.to, noon); got != step.want {
					t.Errorf("step %d: %v, want %v", i, got, step.want)
				}
				before = step.to
			}
		})
	}
}

func TestWhatIsWellAgainAfterARestartIsTold(t *testing.T) {
	var teller Teller
	if got := teller.Turn(of, failing, well, noon); got != WellAgain {
		t.Errorf("got %v", got)
	}
}

func TestWhatTurnsAllTheTimeIsToldSeldom(t *testing.T) {
	var teller Teller
	told := map[Telling]int{}
	for now := noon; now.Before(noon.Add(time.Hour)); now = now.Add(time.Second) {
		told[teller.Turn(of, well, failing, now)]++
		told[teller.Turn(of, failing, well, now)]++
	}
	if got, most := told[Trouble]+told[WellAgain], 2*(Burst+int(time.Hour/Every)); got > most || told[Trouble] == 0 {
		t.Errorf("told %v, want at most %d", told, most)
	}
	if got := teller.Turn(Subject{"other", "Ready"}, well, failing, noon); got != Trouble {
		t.Errorf("of another object: %v", got)
	}
}

func TestItForgets(t *testing.T) {
	var teller Teller
	teller.Turn(of, well, failing, noon)
	teller.Turn(Subject{"gone", "Ready"}, well, failing, noon)
	teller.Turn(of, failing, well, noon)
	teller.Turn(Subject{"new", "Ready"}, well, failing, noon.Add(2*forgetAfter))
	if len(teller.subjects) != 1 {
		t.Errorf("remembers %v", teller.subjects)
	}
}
