// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cloudinary-operator/cloudinary-operator/internal/jsonlogic"
)

type checkCase struct {
	raw  string
	want string // part of the message; empty: accepted
	why  string
}

func runChecks(t *testing.T, check func([]byte) error, cases map[string]checkCase) {
	t.Helper()
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := check([]byte(tc.raw))
			switch {
			case tc.want == "" && err != nil:
				t.Errorf("refused: %v\nwhy: %s", err, tc.why)
			case tc.want != "" && err == nil:
				t.Errorf("accepted, want %q\nwhy: %s", tc.want, tc.why)
			case tc.want != "" && !strings.Contains(err.Error(), tc.want):
				t.Errorf("message %q lacks %q\nwhy: %s", err, tc.want, tc.why)
			case err != nil && len(err.Error()) > 1024:
				t.Errorf("a message of %d bytes\nwhy: it becomes part of a status", len(err.Error()))
			}
		})
	}
}

func nested(open, inside, shut string, levels int) string {
	return strings.Repeat(open, levels) + inside + strings.Repeat(shut, levels)
}

func TestCheckFilter(t *testing.T) {
	every := make([]string, 0, len(jsonlogic.Operators()))
	for _, operator := range jsonlogic.Operators() {
		every = append(every, fmt.Sprintf(`{%q: []}`, operator))
	}
	runChecks(t, CheckFilter, map[string]checkCase{
		"nothing":                        {"", "", "absent is no filter"},
		"null":                           {"null", "", "absent is no filter"},
		"an empty object":                {" {} ", "", "{} equals absent"},
		"the usual one":                  {`{"==":[{"var":"resource_type"},"image"]}`, "", "the example of the documentation"},
		"every operator":                 {`{"and":[` + strings.Join(every, ",") + `]}`, "", "json-logic-js has them, or Cloudinary"},
		"an operand without a list":      {`{"!": {"var": "x"}}`, "", "JSONLogic takes a single operand as it is"},
		"a literal object":               {`{"in":[{"var":"x"},[{"a":1,"regex":2}]]}`, "", "several members are data"},
		"an operator inside a literal":   {`{"in":[{"var":"x"},[{"a":{"regex":1},"b":2}]]}`, "", "JSONLogic evaluates nothing inside a literal"},
		"an empty literal object":        {`{"==":[{"var":"x"},{}]}`, "", "no member is no operation"},
		"a text":                         {`"{}"`, "filter: must be a JSON object", "the API has no string form"},
		"a list":                         {`[1]`, "filter: must be a JSON object", ""},
		"a number":                       {`1`, "filter: must be a JSON object", ""},
		"half a value":                   {`{"==":`, "filter: not exactly one JSON value", ""},
		"two values":                     {`{} {}`, "filter: not exactly one JSON value", ""},
		"two operators":                  {`{"==":[1,1],"!=":[1,2]}`, "filter: must have exactly one member, the operator, but has 2 (!=, ==)", "JSONLogic would take it for a literal, which is always true"},
		"an unknown operator at the top": {`{"regex":[1]}`, `filter: "regex" is not a JSONLogic operator; those are ==`, ""},
		"an unknown operator below":      {`{"and":[true,{"regex":[1]}]}`, `filter.and[1]: "regex" is not a JSONLogic operator`, "JSONLogic throws when it gets there"},
		"an unknown operator far below":  {`{"and":[{"==":[{"Var":"x"},1]}]}`, `filter.and[0]["=="][0]: "Var" is not`, "case matters"},
		"an operator with a huge name":   {`{"` + strings.Repeat("é", 8000) + `":1}`, "é...", "a message repeats little of the input"},
		"32 levels":                      {nested(`{"!":`, `1`, `}`, 32), "", "the limit"},
		"33 levels":                      {nested(`{"!":`, `1`, `}`, 33), "nested more than 32 levels", "over the limit"},
		"33 levels with lists":           {`{"!":` + nested(`[`, `1`, `]`, 32) + `}`, "nested more than 32 levels", "a list is a level"},
		"33 levels in a literal":         {`{"!":{"a":1,"b":` + nested(`[`, `1`, `]`, 31) + `}}`, "nested more than 32 levels", "depth counts everywhere"},
		"deeper than the decoder goes":   {nested(`[`, `1`, `]`, 60000), "filter: is nested more than 32 levels deep", "no stack overflow"},
		"16384 bytes":                    {`{"!": "` + strings.Repeat("x", 16384-8) + `" }`, "", "measured as compact JSON"},
		"16385 bytes":                    {`{"!":"` + strings.Repeat("x", 16384-7) + `"}`, "filter: has 16385 bytes as compact JSON, but the maximum is 16384", ""},
		"16384 bytes, all escaped":       {`{"!":"` + strings.Repeat(`\u0078`, 16384-8) + `"}`, "", "measured as compact JSON"},
		"a megabyte":                     {`{"!":[` + strings.Repeat("1.5,", 1<<18) + `1]}`, "filter: has 1048585 bytes, but the maximum is 16384 as compact JSON", ""},
	})
}

// What is accepted here is what preview and the simulator can evaluate, and nothing else is.
func TestAFilterIsAcceptedWhereItCanBeEvaluated(t *testing.T) {
	names := append(jsonlogic.Operators(), "", "Var", "equals", "set", "regex", "sort", "abs", "method", "toString", "constructor", "cat.length",
		"__proto__", "StartsWith", "starts_with", "startswith", "ends-with", "match", "nor", "xor", "not", "<>", "=", "**", "??", "var ")
	for _, name := range names {
		for _, rule := range []string{`{%q:[["a"],"a",1]}`, `{%q:"a"}`, `{"or":[false,{%q:["a","b"]}]}`, `{"map":[[1],{%q:["a",["b"]]}]}`} {
			rule = fmt.Sprintf(rule, name)
			filter, err := decode([]byte(rule))
			if err != nil {
				t.Fatal(err)
			}
			refused := CheckFilter([]byte(rule))
			_, failed := jsonlogic.Holds(filter, map[string]any{"a": "b"})
			// With operands that suit no operator, there are other errors.
			if unknown := failed != nil && strings.Contains(failed.Error(), "is not an operator"); (refused != nil) != unknown {
				t.Errorf("%s: the check says %v, the evaluation %v", rule, refused, failed)
			}
		}
	}
}

// Whoever may write objects writes such as many as they like, and each takes seconds to be read.
func TestWhatIsFarTooLongIsNotRead(t *testing.T) {
	long := []byte(`{"!":[` + strings.Repeat("1.5,", 1<<18) + `1]}`)
	for name, check := range map[string]func([]byte) error{"a filter": CheckFilter, "a template": CheckTemplate} {
		if n := testing.AllocsPerRun(1, func() { _ = check(long) }); n > 100 {
			t.Errorf("%s of a megabyte costs %g allocations before it is refused", name, n)
		}
	}
}

func TestCheckTemplate(t *testing.T) {
	runChecks(t, CheckTemplate, map[string]checkCase{
		"nothing":                   {"", "", "absent is no template"},
		"null":                      {"null", "", "absent is no template"},
		"an empty object":           {"{}", "", "{} equals absent"},
		"the usual one":             {`{"notification_type":"{{event.type}}","asset":{"id":"{{asset.public_id}}"}}`, "", ""},
		"values that are no text":   {`{"a":1,"b":null,"c":[true]}`, "", "only texts are templates"},
		"a section":                 {`{"a":"{{#asset.tags}}{{.}},{{/asset.tags}}"}`, "", ""},
		"a partial":                 {`{"a":"{{> /etc/passwd}}"}`, "", "parsed and rendered empty, never read"},
		"a broken key":              {`{"{{a":"b"}`, "", "keys are not templates"},
		"16384 bytes":               {`{"a": "` + strings.Repeat("<", 16384-8) + `"}`, "", "< is one byte: nothing is escaped for HTML"},
		"16385 bytes":               {`{"a":"` + strings.Repeat("x", 16384-7) + `"}`, "payloadTemplate: has 16385 bytes as compact JSON, but the maximum is 16384", ""},
		"a text":                    {`"{\"a\":\"b\"}"`, "payloadTemplate: must be a JSON object", "the API has no string form"},
		"an open tag":               {`{"a":{"b":["x","{{asset.public_id"]}}`, "payloadTemplate.a.b[1]: is not a Mustache template: line 1: unmatched open tag", "the message has the path and the parser's word"},
		"an empty tag":              {`{"a-b":"{{}}"}`, "payloadTemplate.a-b: is not a Mustache template: line 1: empty tag", ""},
		"an open section":           {`{"a b":"{{#x}}"}`, `payloadTemplate["a b"]: is not a Mustache template: line 1: Section x has no closing tag`, ""},
		"a wrong end":               {`{"a":"{{#x}}{{/y}}"}`, "interleaved closing tag: y", ""},
		"a section of a huge name":  {`{"a":"{{#` + strings.Repeat("x", 10000) + `}}"}`, "Section xxx", "a message repeats little of the input"},
		"a cut set-delimiter tag":   {`{"a":"{{=}}"}`, "", "the library takes it for a variable"},
		"sections without end":      {`{"a":"` + strings.Repeat("{{#a}}", 2700) + `"}`, "payloadTemplate.a: is not a Mustache template", "no stack overflow"},
		"the first of several":      {`{"b":"{{","a":"{{"}`, "payloadTemplate.a:", "the message is the same each time"},
		"32 levels":                 {`{"a":` + nested(`[`, `"{{asset.public_id}}"`, `]`, 31) + `}`, "", "the limit"},
		"33 levels":                 {`{"a":` + nested(`[`, `"{{asset.public_id}}"`, `]`, 32) + `}`, "payloadTemplate: is nested more than 32 levels deep", "over the limit"},
		"an error 32 levels down":   {`{"a":` + nested(`{"`+strings.Repeat("x", 20)+`":`, `"{{"`, `}`, 31) + `}`, "payloadTemplate...", "a short message"},
		"nested as deep as it goes": {`{"a":` + nested(`[`, `"{{"`, `]`, 8000) + `}`, "payloadTemplate: is nested more than 32 levels deep", "no stack overflow"},
	})
}

func FuzzCheckFilter(f *testing.F) {
	for _, seed := range []string{"", "null", "{}", `{"==":[{"var":"resource_type"},"image"]}`, `{"and":[{"regex":1}]}`, `{"a":1,"b":[{}]}`, `[`, `"{}"`, `{"!":1e999999999}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if err := CheckFilter(raw); err != nil && len(err.Error()) > 2048 {
			t.Errorf("a message of %d bytes", len(err.Error()))
		}
	})
}

func FuzzCheckTemplate(f *testing.F) {
	for _, seed := range []string{"", "null", `{"a":"{{event.type}}"}`, `{"a":["{{#x}}{{/x}}","{{=<% %>=}}<%x%>","{{=}}","{{{","{{>p}}"]}`, `{"a":"{{==}}{{= =}}{{=a =}}"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if err := CheckTemplate(raw); err != nil && len(err.Error()) > 2048 {
			t.Errorf("a message of %d bytes", len(err.Error()))
		}
	})
}
