// SPDX-License-Identifier: Apache-2.0

package plan

import "testing"

func TestWhoTakesPartInAHandover(t *testing.T) {
	t.Parallel()
	records := func(ids ...string) (all []Record) {
		for _, id := range ids {
			all = append(all, Record{ID: id})
		}
		return all
	}
	key := func(name string) Key { return Key{Namespace: "shop", Name: name} }
	p := &Plan{
		Handovers: []Key{key("gives")},
		Verdicts: map[Key]Verdict{
			key("gives"): {Records: records("2"), Giving: records("1")},
			key("takes"): {Records: records("1", "3")},
			key("other"): {Records: records("4", "")},
		},
	}
	h := p.Handover()
	for name, test := range map[string]struct {
		key                  string
		stored               []Record
		takes, has, concerns bool
	}{
		"who gives":             {"gives", records("1", "2"), false, false, true},
		"who takes":             {"takes", records("3"), true, true, true},
		"who has taken already": {"takes", records("1", "3"), false, true, true},
		"who has no part in it": {"other", nil, false, false, false},
		"who is not there":      {"none", nil, false, false, false},
	} {
		if got := h.Receives(key(test.key), test.stored); got != test.takes {
			t.Errorf("%s: takes %t, want %t", name, got, test.takes)
		}
		if got := h.Has(key(test.key)); got != test.has {
			t.Errorf("%s: has %t, want %t", name, got, test.has)
		}
		if got := h.Concerns(key(test.key)); got != test.concerns {
			t.Errorf("%s: concerns %t, want %t", name, got, test.concerns)
		}
	}
	if none := (&Plan{}).Handover(); none.Has(key("takes")) || none.Concerns(key("gives")) {
		t.Error("without one somebody takes part")
	}
}
