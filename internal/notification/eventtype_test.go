// SPDX-License-Identifier: Apache-2.0

package notification

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/cbroglie/mustache"
	"github.com/google/go-cmp/cmp"
)

func parsed(t *testing.T, text string) any {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatal(err)
	}
	return value
}

func TestTemplateTypePaths(t *testing.T) {
	for name, tc := range map[string]struct {
		template string
		want     [][]string
	}{
		"the placeholder":             {`{"kind":"{{event.type}}"}`, [][]string{{"kind"}}},
		"space inside the braces":     {`{"kind":"{{ event.type\t}}"}`, [][]string{{"kind"}}},
		"three braces":                {`{"kind":"{{{ event.type }}}"}`, [][]string{{"kind"}}},
		"an ampersand":                {`{"kind":"{{& event.type}}"}`, [][]string{{"kind"}}},
		"space before the ampersand":  {`{"kind":"{{ &event.type}}"}`, [][]string{{"kind"}}},
		"deeper, and in an array":     {`{"a":{"b":[1,{"c":"{{event.type}}"}]}}`, [][]string{{"a", "b", "1", "c"}}},
		"several, sorted":             {`{"z":"{{event.type}}","a":{"b":"{{event.type}}","a":"{{event.type}}"}}`, [][]string{{"a", "a"}, {"a", "b"}, {"z"}}},
		"text beside it":              {`{"kind":"cld.{{event.type}}"}`, nil},
		"another placeholder":         {`{"kind":"{{event.timestamp}}"}`, nil},
		"two of them":                 {`{"kind":"{{event.type}}{{event.type}}"}`, nil},
		"a section":                   {`{"kind":"{{#event.type}}"}`, nil},
		"braces that do not match":    {`{"kind":"{{{event.type}}"}`, nil},
		"one brace":                   {`{"kind":"{event.type}"}`, nil},
		"the name":                    {`{"{{event.type}}":"x"}`, nil},
		"nothing but the placeholder": {`"{{event.type}}"`, nil},
		"no template":                 {`null`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			for range 10 { // maps have no order
				got, more := TemplateTypePaths(parsed(t, tc.template))
				if diff := cmp.Diff(tc.want, got); diff != "" || more {
					t.Fatalf("more %t (-want +got)\n%s", more, diff)
				}
			}
		})
	}
}

// What falls out is the same each time, and whatever is written into a template, what is kept of it is little.
func TestWhatCountsOfATemplate(t *testing.T) {
	flat := func(n int) string {
		var members []string
		for i := range n {
			members = append(members, fmt.Sprintf(`"%04d":"{{event.type}}"`, i))
		}
		return "{" + strings.Join(members, ",") + "}"
	}
	nested := func(n int, step string) string {
		return strings.Repeat(`{"`+step+`":["{{event.type}}",`, n) + "0" + strings.Repeat("]}", n)
	}
	for name, tc := range map[string]struct {
		template string
		want     int
		more     bool
		why      string
	}{
		"as many as count":            {template: flat(MaxTemplatePaths), want: MaxTemplatePaths},
		"one more":                    {template: flat(MaxTemplatePaths + 1), want: MaxTemplatePaths, more: true},
		"700":                         {template: flat(700), want: MaxTemplatePaths, more: true},
		"as deep as counts":           {template: nested(MaxSteps/2, "a"), want: MaxSteps / 2},
		"deeper":                      {template: nested(MaxSteps, "a"), want: MaxSteps / 2, more: true},
		"long names in one another":   {template: nested(8, strings.Repeat("n", 500)), want: 3, more: true, why: "a path has all names on the way to it"},
		"a name longer than counts":   {template: `{"` + strings.Repeat("n", MaxTemplateBytes+1) + `":"{{event.type}}"}`, want: 0, more: true},
		"as much beside it as can be": {template: `{"a":[` + strings.Repeat(`"{{asset.public_id}}",`, 700) + `"{{event.type}}"]}`, want: 1},
	} {
		t.Run(name, func(t *testing.T) {
			template := parsed(t, tc.template)
			paths, more := TemplateTypePaths(template)
			if len(paths) != tc.want || more != tc.more {
				t.Fatalf("%d paths, and more: %t; want %d and %t: %s", len(paths), more, tc.want, tc.more, tc.why)
			}
			for range 5 {
				again, _ := TemplateTypePaths(template)
				if diff := cmp.Diff(paths, again); diff != "" {
					t.Fatalf("other paths the next time:\n%s", diff)
				}
			}
		})
	}
}

func TestPathsOfOneTemplateDoNotShareMemory(t *testing.T) {
	paths, _ := TemplateTypePaths(parsed(t, `{"a":{"b":{"c":{"d":"{{event.type}}","e":"{{event.type}}","f":"{{event.type}}"}}}}`))
	want := [][]string{{"a", "b", "c", "d"}, {"a", "b", "c", "e"}, {"a", "b", "c", "f"}}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// What is taken for the placeholder must be one for Mustache too.
func TestPlaceholdersRender(t *testing.T) {
	for _, text := range []string{"{{event.type}}", "{{ event.type }}", "{{{event.type}}}", "{{{ event.type }}}", "{{&event.type}}", "{{& event.type }}"} {
		got, err := mustache.Render(text, map[string]any{"event": map[string]any{"type": "upload"}})
		if err != nil || got != "upload" || !isTypePlaceholder(text) {
			t.Errorf("%s renders %q and %v, and is a placeholder: %t", text, got, err, isTypePlaceholder(text))
		}
	}
}

// at is where a trigger for everything has its type.
func at(path ...string) TypePath { return TypePath{Path: path, EventTypes: []string{"all"}} }

// of is where one for some event types has it.
func of(path string, eventTypes ...string) TypePath {
	return TypePath{Path: []string{path}, EventTypes: eventTypes}
}

func TestEventType(t *testing.T) {
	for name, tc := range map[string]struct {
		body  string
		paths []TypePath
		sole  string
		want  string
		why   string
	}{
		"the body says":           {body: uploadBody, want: "upload"},
		"the body before all":     {body: `{"notification_type":"delete","kind":"upload"}`, paths: []TypePath{at("kind")}, sole: "rename", want: "delete"},
		"the templated member":    {body: templated, paths: []TypePath{at("kind")}, sole: "rename", want: "upload"},
		"a member deep down":      {body: templated, paths: []TypePath{at("detail", "event", "0")}, want: "upload"},
		"beyond the array's end":  {body: templated, paths: []TypePath{at("detail", "event", "1")}, want: "unknown"},
		"an index, but no array":  {body: templated, paths: []TypePath{at("kind", "0")}, want: "unknown"},
		"an index as a name":      {body: `{"0":"upload"}`, paths: []TypePath{at("0")}, want: "upload"},
		"an index with a zero":    {body: `{"a":["upload"]}`, paths: []TypePath{at("a", "00")}, want: "unknown"},
		"the first that has one":  {body: `{"b":1,"c":"Not One","d":"move"}`, paths: []TypePath{at("a"), at("b"), at("c"), at("d")}, want: "move"},
		"a name twice":            {body: `{"kind":"upload","kind":"delete"}`, paths: []TypePath{at("kind")}, want: "delete"},
		"an escaped name":         {body: `{"k\u0069nd":"up\u006coad"}`, paths: []TypePath{at("kind")}, want: "upload"},
		"a name that is no ASCII": {body: `{"тип":"upload"}`, paths: []TypePath{at("тип")}, want: "upload"},
		"none at the path":        {body: `{"kind":""}`, paths: []TypePath{at("kind")}, sole: "rename", want: "rename", why: "a missing placeholder renders empty"},
		"only one comes this way": {body: moderationBody, sole: "moderation", want: "moderation"},
		"nobody says":             {body: moderationBody, want: "unknown"},
		"a text that is no type":  {body: `{"kind":"upload\nforged=1"}`, paths: []TypePath{at("kind")}, want: "unknown"},
		"a type that the trigger is not for": {
			body: `{"type":"image","event":"upload"}`, paths: []TypePath{of("type", "delete"), of("event", "upload")}, want: "upload",
			why: "type is another template's name for what kind of asset it is",
		},
		"a known type that no trigger is for": {
			body: `{"kind":"delete"}`, paths: []TypePath{of("kind", "upload")}, sole: "eager", want: "eager", why: "no template has put it there",
		},
		"a type of a trigger's own before one that is known": {
			body: `{"type":"upload","event":"eager"}`, paths: []TypePath{at("type"), of("event", "eager")}, want: "eager", why: "a trigger for all says the least",
		},
		"a known type before one that looks like one": {
			body: `{"type":"image","event":"eager"}`, paths: []TypePath{at("type"), at("event")}, want: "eager",
		},
		"a type that is not known, for a trigger for it":  {body: `{"kind":"brand_new"}`, paths: []TypePath{of("kind", "brand_new")}, want: "brand_new"},
		"a type that is not known, for a trigger for all": {body: `{"kind":"brand_new"}`, paths: []TypePath{at("kind")}, sole: "upload", want: "brand_new"},
		"two triggers' types":                             {body: `{"a":"upload","b":"eager"}`, paths: []TypePath{of("b", "eager"), of("a", "upload")}, want: "eager", why: "the first counts"},
		"all, which is no notification's type":            {body: `{"kind":"all"}`, paths: []TypePath{at("kind")}, want: "unknown"},
		"a type of the body's that":                       {body: `{"notification_type":"Not One","kind":"upload"}`, paths: []TypePath{at("kind")}, want: "upload"},
	} {
		t.Run(name, func(t *testing.T) {
			n, err := Decode([]byte(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			if got := EventType([]byte(tc.body), n, treeOf(tc.paths), tc.sole); got != tc.want {
				t.Errorf("%q, want %q: %s", got, tc.want, tc.why)
			}
		})
	}
}

func TestEventTypeNeverReflects(t *testing.T) {
	body := []byte(`{"kind":"` + strings.Repeat("a", 65) + `"}`)
	if got := EventType(body, Notification{}, treeOf([]TypePath{at("kind")}), ""); got != UnknownEventType {
		t.Errorf("%q would become a label", got)
	}
}
