// SPDX-License-Identifier: Apache-2.0

package jsonlogic

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// decoded reads JSON as the callers do.
func decoded(tb testing.TB, text string) any {
	tb.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
	return value
}

// encoded writes as JSON what JSON has no word for, too, as reference.js does.
func encoded(value any) any {
	special := func(word string) any { return map[string]any{"$": word} }
	switch v := value.(type) {
	case undefined:
		return special("undefined")
	case float64:
		switch {
		case math.IsNaN(v) || math.IsInf(v, 0):
			return special(numberText(v))
		case v == 0:
			return 0.0 // JSON.stringify knows no -0
		}
	case []any:
		return mapped(v, encoded)
	case map[string]any:
		object := map[string]any{}
		for name, member := range v {
			object[name] = encoded(member)
		}
		return object
	}
	return value
}

type referenceCase struct {
	Rule   json.RawMessage `json:"rule"`
	Data   json.RawMessage `json:"data"`
	Want   json.RawMessage `json:"want"`
	Truthy bool            `json:"truthy"`
}

func readReference(tb testing.TB) []referenceCase {
	tb.Helper()
	raw, err := os.ReadFile("testdata/reference.json")
	if err != nil {
		tb.Fatal(err)
	}
	var reference struct {
		Data  json.RawMessage `json:"data"`
		Cases []referenceCase `json:"cases"`
	}
	if err := json.NewDecoder(bytes.NewReader(raw)).Decode(&reference); err != nil {
		tb.Fatal(err)
	}
	for i := range reference.Cases {
		if c := &reference.Cases[i]; c.Data == nil {
			c.Data = reference.Data
		}
	}
	return reference.Cases
}

func TestLikeTheReference(t *testing.T) {
	covered := map[string]bool{}
	for _, c := range readReference(t) {
		rule := decoded(t, string(c.Rule))
		if object, ok := rule.(map[string]any); ok {
			for operator := range object {
				covered[operator] = true
			}
		}
		result, err := evaluate(rule, decoded(t, string(c.Data)))
		got := encoded(result)
		if err != nil {
			got = map[string]any{"$": "throws"}
		}
		if diff := cmp.Diff(plain(decoded(t, string(c.Want))), got); diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", c.Rule, err, diff)
		}
		if holds, _ := Holds(rule, decoded(t, string(c.Data))); holds != c.Truthy {
			t.Errorf("%s holds: %t, want %t", c.Rule, holds, c.Truthy)
		}
	}
	for _, operator := range Operators()[:len(Operators())-4] {
		if !covered[operator] {
			t.Errorf("no case for %s", operator)
		}
	}
}

func TestCloudinarysOperators(t *testing.T) {
	const data = `{"public_id":"shop/shoe_1","bytes":120,"tags":["a","b",5,{"x":[1]}],"none":null}`
	for rule, want := range map[string]bool{
		`{"startsWith":[{"var":"public_id"},"shop/"]}`:       true,
		`{"startsWith":[{"var":"public_id"},"shoe"]}`:        false,
		`{"startsWith":[{"var":"public_id"},""]}`:            true,
		`{"startsWith":[{"var":"nothing"},"x"]}`:             false,
		`{"startsWith":[{"var":"nothing"},""]}`:              false,
		`{"startsWith":[{"var":"bytes"},"1"]}`:               false,
		`{"startsWith":[{"var":"public_id"}]}`:               false,
		`{"startsWith":[{"var":"public_id"},"s","h"]}`:       false,
		`{"startsWith":"x"}`:                                 false,
		`{"startsWith":[{"var":"tags"},"a"]}`:                false,
		`{"endsWith":[{"var":"public_id"},"_1"]}`:            true,
		`{"endsWith":[{"var":"public_id"},"_2"]}`:            false,
		`{"contains":[{"var":"public_id"},"/shoe"]}`:         true,
		`{"contains":[{"var":"public_id"},"boot"]}`:          false,
		`{"contains":[{"var":"tags"},"b"]}`:                  true,
		`{"contains":[{"var":"tags"},"c"]}`:                  false,
		`{"contains":[{"var":"tags"},5.0]}`:                  true,
		`{"contains":[{"var":"tags"},"5"]}`:                  false,
		`{"contains":[{"var":"tags"},{"x":[1],"y":1}]}`:      false,
		`{"contains":[[{"x":1,"y":[2]}],{"y":[2],"x":1}]}`:   true,
		`{"contains":[[{"x":1,"y":[2]}],{"y":[3],"x":1}]}`:   false,
		`{"contains":[[{"x":1,"y":2}],{"z":1,"x":1}]}`:       false,
		`{"contains":[[[1,2]],[1,2]]}`:                       true,
		`{"contains":[[[1,2]],[1]]}`:                         false,
		`{"contains":[[[1,2]],5]}`:                           false,
		`{"contains":[{"var":"bytes"},"1"]}`:                 false,
		`{"contains":[{"var":"none"},null]}`:                 false,
		`{"matches":[{"var":"public_id"},"^shop/[a-z_]+1"]}`: true,
		`{"matches":[{"var":"public_id"},"^shoe"]}`:          false,
		`{"matches":[{"var":"bytes"},"1"]}`:                  false,
		`{"or":[{"matches":[{"var":"nothing"},"("]},true]}`:  true,
	} {
		got, err := Holds(decoded(t, rule), decoded(t, data))
		if err != nil || got != want {
			t.Errorf("%s: %t, %v; want %t", rule, got, err, want)
		}
	}
}

func TestWhatCannotBeEvaluated(t *testing.T) {
	many := "[" + strings.Repeat("0,", 1999) + "0]"
	long := `"` + strings.Repeat("x", 100_000) + `"`
	cases := map[string]struct{ rule, data, want string }{
		"an operator that there is not":         {`{"and":[true,{"regex":["a","b"]}]}`, `{}`, `"regex" is not an operator`},
		"a product of nothing":                  {`{"or":[false,{"*":[]}]}`, `{}`, "* needs an operand"},
		"names that are none":                   {`{"missing_some":[1,null]}`, `{}`, "missing_some needs a list"},
		"a pattern that is none":                {`{"matches":["a","("]}`, `{}`, "matches: error parsing regexp"},
		"a pattern of another language":         {`{"matches":["a","(?=a)"]}`, `{}`, "matches: error parsing regexp"},
		"a long pattern":                        {`{"matches":["a","` + strings.Repeat("a", 1001) + `"]}`, `{}`, "1000 bytes at most"},
		"a pattern that looks at a lot":         {`{"matches":[{"var":"a"},"` + strings.Repeat("a?", 400) + `"]}`, `{"a":` + long + `}`, "too much work"},
		"a deep rule":                           {strings.Repeat(`{"!":`, 100) + "1" + strings.Repeat("}", 100), `{}`, "nested too deeply"},
		"deep data as a text":                   {`{"cat":[{"var":"a"},""]}`, `{"a":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`, "nested too deeply"},
		"deep data that is compared":            {`{"contains":[{"var":"a"},{"var":"a.0"}]}`, `{"a":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`, "nested too deeply"},
		"loops in loops":                        {`{"all":[{"var":""},{"all":[` + many + `,{"all":[` + many + `,{"==":[0,0]}]}]}]}`, many, "too much work"},
		"a text that doubles":                   {`{"reduce":[{"var":""},{"cat":[{"var":"accumulator"},{"var":"accumulator"}]},"x"]}`, many, "too much work"},
		"a list that doubles":                   {`{"reduce":[{"var":""},{"merge":[{"var":"accumulator"},{"var":"accumulator"}]},[1]]}`, many, "too much work"},
		"a list of lists that doubles":          {`{"cat":{"reduce":[[` + strings.Repeat("0,", 59) + `0],[{"var":"accumulator"},{"var":"accumulator"}],[1]]}}`, `{}`, "too much work"},
		"a list that nests deeper and deeper":   {`{"cat":{"reduce":[{"var":""},[{"var":"accumulator"}],1]}}`, many, "nested too deeply"},
		"a long text looked at again and again": {`{"some":[` + many + `,{"in":["y",{"cat":[` + long + `,""]}]}]}`, `{}`, "too much work"},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := Holds(decoded(t, test.rule), decoded(t, test.data))
			if got || err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%t, %v; want the error %q", got, err, test.want)
			}
		})
	}
}

// Whatever a person writes, and whatever arrives, is decided in a moment.
func FuzzHolds(f *testing.F) {
	for i, c := range readReference(f) {
		if i%9 == 0 {
			f.Add(string(c.Rule), string(c.Data))
		}
	}
	f.Fuzz(func(t *testing.T, rule, data string) {
		if !json.Valid([]byte(rule)) || !json.Valid([]byte(data)) {
			return
		}
		first, err := Holds(decoded(t, rule), decoded(t, data))
		if again, _ := Holds(decoded(t, rule), decoded(t, data)); again != first {
			t.Errorf("%t, then %t", first, again)
		}
		if first && err != nil {
			t.Errorf("holds in spite of %v", err)
		}
	})
}
