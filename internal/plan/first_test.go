// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"testing"
	"time"
)

func TestIntentsThatAreStoredTogether(t *testing.T) {
	t.Parallel()
	step := func(a Action, object string) Step { return Step{Action: a, Object: Key{Name: object}} }
	for name, test := range map[string]struct {
		steps []Step
		want  int
	}{
		"no step":                           {nil, 0},
		"an update":                         {[]Step{step(Update, "a"), step(Create, "a")}, 0},
		"a delete":                          {[]Step{step(Delete, "a")}, 0},
		"one create":                        {[]Step{step(Create, "a")}, 1},
		"creates and a replace of one":      {[]Step{step(Create, "a"), step(Replace, "a"), step(Create, "a")}, 3},
		"up to the first that is none":      {[]Step{step(Create, "a"), step(Update, "a"), step(Create, "a")}, 1},
		"up to the first of another object": {[]Step{step(Replace, "a"), step(Create, "b"), step(Create, "a")}, 1},
	} {
		if got := IntendedTogether(test.steps); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}

func TestACreateThatIsTooLate(t *testing.T) {
	t.Parallel()
	intended := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, test := range map[string]struct {
		action        Action
		after, settle time.Duration
		want          bool
	}{
		"at once":                              {Create, 0, 30 * time.Second, false},
		"a sixth of the settle time later":     {Create, 5 * time.Second, 30 * time.Second, false},
		"after that":                           {Create, 5*time.Second + 1, 30 * time.Second, true},
		"a second, where the sixth is shorter": {Create, time.Second, time.Second, false},
		"more than that":                       {Create, time.Second + 1, time.Second, true},
		"an update is never":                   {Update, time.Hour, 30 * time.Second, false},
		"nor is a delete":                      {Delete, time.Hour, 30 * time.Second, false},
	} {
		if got := (Step{Action: test.action}).TooLate(intended, intended.Add(test.after), test.settle); got != test.want {
			t.Errorf("%s: %t, want %t", name, got, test.want)
		}
	}
}

func TestUpdatesWhoseRecordsAreStoredFirst(t *testing.T) {
	t.Parallel()
	known, sent := []Record{{ID: "1"}, {ID: "2", SentHash: "h"}}, []Record{{ID: "1", SentHash: "h"}}
	for name, test := range map[string]struct {
		action          Action
		stored, planned []Record
		want            bool
	}{
		"a trigger that is not in the status yet":      {Update, []Record{{ID: "2"}}, sent, true},
		"nothing is in the status":                     {Update, nil, nil, true},
		"the hash stays, since a list will show":       {Update, sent, sent, false},
		"the hash is forgotten, since no list will":    {Update, sent, known, true},
		"there is no hash to forget":                   {Update, known, known, false},
		"there was none, and is one":                   {Update, known, sent, false},
		"a create has an intent instead":               {Create, nil, nil, false},
		"a delete needs nothing":                       {Delete, sent, known, false},
		"a replace is a delete and an intended create": {Replace, sent, known, false},
	} {
		if got := (Step{Action: test.action, ID: "1"}).StoredFirst(test.stored, test.planned); got != test.want {
			t.Errorf("%s: %t, want %t", name, got, test.want)
		}
	}
}
