// SPDX-License-Identifier: Apache-2.0

package simulator_test

import (
	"testing"

	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
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
		"what makes the library panic":         {`{"in":[1,"text"]}`, false},
		"a variable's name that is no text":    {`{"var":[["x"]]}`, false},
		"reduce without operands":              {`{"reduce":[]}`, false},
		"a reduction":                          {`{"==":[{"reduce":[[1,2,3],{"+":[{"var":"accumulator"},{"var":"current"}]},0]},6]}`, true},
		"an index below zero":                  {`{"var":"tags.-1"}`, false},
		"missing_some with no list":            {`{"missing_some":1}`, false},
		"a choice whose condition is no truth": {`{"?:":[1,2,3]}`, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			passes := map[bool]string{true: "true", false: "false"}[tc.passes]
			start(t, simulator.Options{}).play(t, []step{
				{do: "POST /triggers", body: `{"uri":"https://a.example/x","event_type":"upload","filter":` + tc.filter + `}`, status: 201},
				{
					do: "POST /triggers/{1}/test", body: `{"sample_data":` + sample + `}`, status: 200,
					want: `{"trigger_id":"{1}","filter_present":true,"filter_result":` + passes + `}`,
				},
			})
		})
	}
}
