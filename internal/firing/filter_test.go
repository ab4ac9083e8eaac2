// SPDX-License-Identifier: Apache-2.0

package firing_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/cloudinary-operator/cloudinary-operator/internal/firing"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

func TestFilterResults(t *testing.T) {
	const sample = `{"public_id":"shop/shoe_1","bytes":120,"tags":["a","b"],"none":null,"nested":{"x":1}}`
	cases := map[string]struct {
		filter string
		passes bool
	}{
		"startsWith holds":                     {`{"startsWith":[{"var":"public_id"},"shop/"]}`, true},
		"startsWith does not hold":             {`{"startsWith":[{"var":"public_id"},"x"]}`, false},
		"startsWith of a missing field":        {`{"startsWith":[{"var":"nothing"},"x"]}`, false},
		"startsWith with one operand":          {`{"startsWith":[{"var":"public_id"}]}`, false},
		"startsWith without a list":            {`{"startsWith":"x"}`, false},
		"endsWith holds":                       {`{"endsWith":[{"var":"public_id"},"_1"]}`, true},
		"contains a text":                      {`{"contains":[{"var":"public_id"},"/shoe"]}`, true},
		"contains a list's value":              {`{"contains":[{"var":"tags"},"b"]}`, true},
		"contains not a list's value":          {`{"contains":[{"var":"tags"},"c"]}`, false},
		"contains in a number":                 {`{"contains":[{"var":"bytes"},"1"]}`, false},
		"matches":                              {`{"matches":[{"var":"public_id"},"^shop/[a-z]+_[0-9]$"]}`, true},
		"matches with a pattern that is none":  {`{"matches":[{"var":"public_id"},"("]}`, false},
		"and, or, comparison":                  {`{"and":[{">":[{"var":"bytes"},100]},{"or":[false,{"in":["a",{"var":"tags"}]}]}]}`, true},
		"a nested field":                       {`{"==":[{"var":"nested.x"},1]}`, true},
		"a result that is no truth value":      {`{"var":"tags"}`, true},
		"a result that is null":                {`{"var":"none"}`, false},
		"a result that is an empty text":       {`{"cat":[]}`, false},
		"a result that is zero":                {`{"-":[1,1]}`, false},
		"a number in a text":                   {`{"in":[120,"from 120 to 200"]}`, true},
		"a field that is not there, denied":    {`{"!":{"var":"moderation"}}`, true},
		"an empty list, denied":                {`{"!":{"filter":[{"var":"tags"},{"==":[{"var":""},"c"]}]}}`, true},
		"a list with values, denied":           {`{"!":{"var":"tags"}}`, false},
		"a list with values":                   {`{"!!":{"var":"tags"}}`, true},
		"a list is not all there is":           {`{"and":[{"var":"tags"},{"==":[{"var":"bytes"},1]}]}`, false},
		"null is not true":                     {`{"and":[{"var":"none"},true]}`, false},
		"nothing is missing":                   {`{"!":{"missing":["bytes","tags"]}}`, true},
		"one branch is no good, another is":    {`{"or":[{"in":[1,{"var":"bytes"}]},{"==":[{"var":"bytes"},120]}]}`, true},
		"log":                                  {`{"log":{"==":[{"var":"bytes"},120]}}`, true},
		"a literal object":                     {`{"in":[{"var":"x"},[{"a":1,"b":2}]]}`, false},
		"loops within loops within loops":      {`{"all":[[1],{"all":[[1],{"all":[[1],true]}]}]}`, true},
		"a number beyond all bounds":           {`{">":[1e999,{"var":"bytes"}]}`, true},
		"what would double a text for ever":    {`{"reduce":[[` + strings.Repeat("0,", 99) + `0],{"cat":[{"var":"accumulator"},{"var":"accumulator"}]},"a"]}`, false},
		"a variable's name that is no text":    {`{"var":[["x"]]}`, false},
		"reduce without operands":              {`{"reduce":[]}`, false},
		"a reduction":                          {`{"==":[{"reduce":[[1,2,3],{"+":[{"var":"accumulator"},{"var":"current"}]},0]},6]}`, true},
		"an index below zero":                  {`{"var":"tags.-1"}`, false},
		"missing_some with no list":            {`{"missing_some":1}`, false},
		"a choice whose condition is a number": {`{"?:":[1,2,3]}`, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			done, err := firing.Rehearse(firing.Rehearsal{EventType: "upload", Notification: []byte(sample), Filter: []byte(tc.filter)})
			if err != nil || done.Passes != tc.passes {
				t.Errorf("passes: %t (%v), want %t", done.Passes, err, tc.passes)
			}
		})
	}
}

// What the operator sends is taken here, and what is not taken here is not sent.
func TestFiltersAreTakenAsTheOperatorSendsThem(t *testing.T) {
	for _, filter := range []string{
		`{"==":[{"var":"resource_type"},"image"]}`, `{"log":true}`, `{"in":[{"var":"x"},[{"a":1,"b":2}]]}`, `{"in":[{"var":"x"},[{"a":{"regex":1},"b":2}]]}`,
		`{"some":[{"var":"a"},{"some":[{"var":"b"},{"some":[{"var":"c"},true]}]}]}`, `{"reduce":[[1],{"var":""},[]]}`, `{"==":[1e999,1]}`, `{"==":[{},{"var":"x"}]}`,
		`{"!":` + strings.Repeat("[", 31) + strings.Repeat("]", 31) + `}`, `{"var":null}`, `{"matches":["a","("]}`, `{"*":[]}`,
		`{"regex":[1]}`, `{"and":[false,{"regex":[1]}]}`, `{"==":[1,1],"!=":[1,2]}`, `{"set":[{"var":"a"},1,2]}`, `{"!":` + strings.Repeat("[", 10000) + strings.Repeat("]", 10000) + `}`,
		`[1]`, `1`, `"x"`, `{"cat.length":[]}`, `{"toString":[]}`,
	} {
		_, taken := firing.Rehearse(firing.Rehearsal{EventType: "upload", Notification: []byte(`{}`), Filter: json.RawMessage(filter)})
		if sent := plan.CheckFilter([]byte(filter)); (sent == nil) != (taken == nil) {
			t.Errorf("%.100s: the operator says %v, a rehearsal %v", filter, sent, taken)
		}
	}
}
