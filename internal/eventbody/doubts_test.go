// SPDX-License-Identifier: Apache-2.0

package eventbody

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
)

const (
	image     = `{"==":[{"var":"resource_type"},"image"]}`
	someImage = `{"some":[{"var":"resources"},` + image + `]}`
)

func told(doubts []Doubt) []string {
	var all []string
	for _, d := range doubts {
		all = append(all, d.String())
	}
	return all
}

func TestFilterDoubts(t *testing.T) {
	t.Parallel()
	const each = ` (each of resources has it: {"some": [{"var": "resources"}, ...]})`
	lacks := func(outcome, eventTypes, what string) string {
		return "spec.filter is " + outcome + " true for " + eventTypes + ": such notifications are not known to have " + what
	}
	for name, tc := range map[string]struct {
		filter string
		types  string
		want   []string
	}{
		"what an upload has":                     {image, "upload", nil},
		"what a deletion has in its resources":   {image, "upload delete", []string{lacks("never", "delete", "resource_type"+each)}},
		"two with the same fault are told once":  {image, "delete resource_tags_changed", []string{lacks("never", "delete, resource_tags_changed", "resource_type"+each)}},
		"what is in an object by public ID":      {image, "resource_context_changed", []string{lacks("never", "resource_context_changed", "resource_type (resources, an object by public ID, has it for each asset, where no filter finds it)")}},
		"an operator on an object by public ID":  {someImage, "move", []string{lacks("never", "move", "resources (resources is an object by public ID, and operators on lists find nothing in it)")}},
		"an operator on a text":                  {`{"some":[{"var":"public_id"},true]}`, "eager", []string{lacks("never", "eager", "public_id (public_id is no list)")}},
		"an operator on a list":                  {someImage, "delete resource_tags_changed access_control_changed", nil},
		"a list or an object, nobody knows":      {someImage, "resource_metadata_changed resource_display_name_changed", nil},
		"both ways to look, for both shapes":     {`{"or":[` + image + `,` + someImage + `]}`, "upload delete resource_tags_changed", nil},
		"both ways to look, and neither helps":   {`{"or":[` + image + `,` + someImage + `]}`, "eager", []string{lacks("never", "eager", "resource_type, resources")}},
		"a moderation":                           {image, "moderation", []string{lacks("never", "moderation", "resource_type")}},
		"an add-on":                              {`{"==":[{"var":"type"},"upload"]}`, "info", []string{lacks("never", "info", "type")}},
		"a rename":                               {`{"startsWith":[{"var":"public_id"},"shop/"]}`, "rename", []string{lacks("never", "rename", "public_id (they have from_public_id, to_public_id)")}},
		"a folder":                               {`{"startsWith":[{"var":"path"},"shop"]}`, "create_folder", []string{lacks("never", "create_folder", "path (they have folder_path)")}},
		"a moved folder":                         {`{"startsWith":[{"var":"folder_path"},"shop"]}`, "move_or_rename_asset_folder", []string{lacks("never", "move_or_rename_asset_folder", "folder_path")}},
		"nothing is known of a publication":      {image, "publish", nil},
		"nor of what nobody knows":               {image, "brand_new", nil},
		"nor of an asset's context":              {`{"==":[{"var":"context.custom.alt"},"x"]}`, "upload", nil},
		"nor of what an add-on found":            {`{">":[{"var":"info_data.data.0.confidence"},0.5]}`, "info", nil},
		"nor of a derived image":                 {`{"some":[{"var":"eager"},{"==":[{"var":"anything"},1]}]}`, "eager", nil},
		"nor of what Cloudinary may add":         {`{"==":[{"var":"brand_new_analysis"},1]}`, "upload", nil},
		"a typo":                                 {`{"==":[{"var":"resource_typ"},"image"]}`, "upload", []string{lacks("never", "upload", "resource_typ (did you mean resource_type?)")}},
		"a typo in camel case":                   {`{"==":[{"var":"resourceType"},"image"]}`, "upload", []string{lacks("never", "upload", "resourceType (did you mean resource_type?)")}},
		"a typo with every event type":           {`{"==":[{"var":"resource_typ"},"image"]}`, "all", []string{lacks("never", "all", "resource_typ (did you mean resource_type?)")}},
		"a typo in part of it":                   {`{"or":[{"==":[{"var":"resource_typ"},"image"]},{"in":["x",{"var":"tags"}]}]}`, "upload", []string{"spec.filter reads resource_typ, which notifications of upload are not known to have (did you mean resource_type?)"}},
		"every event type":                       {image, "all", nil},
		"what only others have":                  {`{"==":[{"var":"moderation_status"},"approved"]}`, "upload", []string{lacks("never", "upload", "moderation_status")}},
		"a namespace of templates":               {`{"==":[{"var":"asset.resource_type"},"image"]}`, "upload", []string{lacks("never", "upload", "asset.resource_type (asset is a name of templates; a filter reads the notification's own members)")}},
		"what is nested":                         {`{"==":[{"var":"notification_context.triggered_by.source"},"ui"]}`, "upload delete move", nil},
		"what is nested in a text":               {`{"==":[{"var":"public_id.name"},"ui"]}`, "upload", []string{lacks("never", "upload", "public_id.name")}},
		"the length of a text":                   {`{">":[{"var":"public_id.length"},5]}`, "upload", nil},
		"the length of a list":                   {`{">":[{"var":"resources.length"},1]}`, "delete", nil},
		"the length of an object":                {`{">":[{"var":"notification_context.length"},1]}`, "delete", nil},
		"an element of a list":                   {`{"==":[{"var":"resources.0.resource_type"},"image"]}`, "delete", nil},
		"what no element of a list has":          {`{"==":[{"var":"resources.0.format"},"jpg"]}`, "delete", []string{lacks("never", "delete", "resources.0.format")}},
		"a name of a list":                       {`{"==":[{"var":"resources.resource_type"},"image"]}`, "delete", []string{lacks("never", "delete", "resources.resource_type"+each)}},
		"an asset by its public ID":              {`{"==":[{"var":"resources.logo.resource_type"},"image"]}`, "move", nil},
		"what no entry has":                      {`{"some":[{"var":"resources"},{"==":[{"var":"format"},"jpg"]}]}`, "delete", []string{lacks("never", "delete", "resources[].format")}},
		"the notification, from within an entry": {`{"some":[{"var":"resources"},{"==":[{"var":"notification_type"},"delete"]}]}`, "delete", []string{lacks("never", "delete", "resources[].notification_type")}},
		"the entry itself":                       {`{"some":[{"var":"tags"},{"==":[{"var":""},"shoe"]}]}`, "upload", nil},
		"what a text in a list has not":          {`{"some":[{"var":"tags"},{"==":[{"var":"name"},"shoe"]}]}`, "upload", []string{lacks("never", "upload", "tags[].name")}},
		"a filtered list":                        {`{"!!":{"filter":[{"var":"resources"},` + image + `]}}`, "delete", nil},
		"a filtered list of nothing":             {`{"!!":{"filter":[{"var":"resources"},{"==":[{"var":"format"},"jpg"]}]}}`, "delete", []string{lacks("never", "delete", "resources[].format")}},
		"a list that is filtered and looped":     {`{"some":[{"filter":[{"var":"resources"},` + image + `]},{"==":[{"var":"format"},"jpg"]}]}`, "delete", []string{lacks("never", "delete", "resources[].format")}},
		"mapped":                                 {`{"in":["image",{"map":[{"var":"resources"},{"var":"resource_type"}]}]}`, "delete", nil},
		"mapped, of the wrong ones":              {`{"in":["jpg",{"map":[{"var":"resources"},{"var":"format"}]}]}`, "delete", []string{"spec.filter reads resources[].format, which notifications of delete are not known to have"}},
		"reduced":                                {`{">":[{"reduce":[{"var":"resources"},{"+":[{"var":"accumulator"},{"var":"current.version"}]},0]},5]}`, "delete", nil},
		"reduced, of the wrong ones":             {`{">":[{"reduce":[{"var":"resources"},{"+":[{"var":"accumulator"},{"var":"current.bytes"}]},0]},5]}`, "delete", []string{"spec.filter reads resources[].bytes, which notifications of delete are not known to have"}},
		"reduced, of nothing":                    {`{">":[{"reduce":[{"var":"assets"},{"+":[1,{"var":"accumulator"}]},0]},5]}`, "delete", []string{lacks("never", "delete", "assets")}},
		"all of nothing":                         {`{"all":[{"var":"resources"},` + image + `]}`, "upload", []string{lacks("never", "upload", "resources")}},
		"none of nothing":                        {`{"none":[{"var":"resources"},` + image + `]}`, "upload", []string{lacks("always", "upload", "resources")}},
		"always true":                            {`{"!=":[{"var":"resource_type"},"video"]}`, "delete", []string{lacks("always", "delete", "resource_type"+each)}},
		"less than nothing":                      {`{"<":[{"var":"bytes"},1000000]}`, "eager", []string{lacks("always", "eager", "bytes")}},
		"a fallback":                             {`{"==":[{"var":["resource_type","image"]},"image"]}`, "upload delete", nil},
		"a fallback that does not help":          {`{"==":[{"var":["resource_type",""]},"image"]}`, "delete", []string{lacks("never", "delete", "resource_type"+each)}},
		"a fallback that is read":                {`{"==":[{"var":["resource_type",{"var":"resources.0.resource_type"}]},"image"]}`, "upload delete", nil},
		"asks whether it is there":               {`{"or":[{"!":{"var":"resource_type"}},` + image + `]}`, "upload delete", nil},
		"asks afterwards":                        {`{"or":[` + image + `,{"!":{"var":"resource_type"}}]}`, "upload delete", nil},
		"asks whether it is null":                {`{"or":[{"==":[{"var":"resource_type"},null]},` + image + `]}`, "upload delete", nil},
		"asks whether it is one of":              {`{"in":[{"var":"resource_type"},["image",null]]}`, "upload delete", nil},
		"asks with if":                           {`{"if":[{"var":"resource_type"},` + image + `,true]}`, "upload delete", nil},
		"asks by missing":                        {`{"if":[{"missing":["resource_type"]},true,` + image + `]}`, "upload delete", nil},
		"asks by missing, and lets nothing by":   {`{"!":{"missing":["resource_type","type"]}}`, "delete", []string{lacks("never", "delete", "resource_type, type"+each)}},
		"asks by missing_some":                   {`{"!":{"missing_some":[1,["resource_type","resources"]]}}`, "upload delete", nil},
		"asks by missing_some, for nothing":      {`{"!":{"missing_some":[1,["resource_type","type"]]}}`, "delete", []string{lacks("never", "delete", "resource_type, type"+each)}},
		"tells event types apart":                {`{"if":[{"==":[{"var":"notification_type"},"upload"]},` + image + `,true]}`, "upload delete", nil},
		"tells event types apart, by or":         {`{"or":[{"and":[{"==":[{"var":"notification_type"},"upload"]},` + image + `]},{"==":[{"var":"notification_type"},"delete"]}]}`, "upload delete", nil},
		"one of several conditions":              {`{"and":[{"in":["shoe",{"var":"tags"}]},{"==":[{"var":"resource_type"},"image"]}]}`, "upload delete", []string{lacks("never", "delete", "tags")}},
		"a name that is computed":                {`{"==":[{"var":{"cat":["resource_","type"]}},"image"]}`, "delete", []string{lacks("never", "delete", "resource_type"+each)}},
		"a name that the notification has":       {`{"==":[{"var":{"var":"public_id"}},"image"]}`, "eager", nil},
		"a name that is a number":                {`{"==":[{"var":1},"image"]}`, "delete", []string{lacks("never", "delete", "1")}},
		"the whole notification":                 {`{"!!":{"var":""}}`, "delete", nil},
		"a literal":                              {`{"==":[1,2]}`, "delete", nil},
		"an object that is no rule":              {`{"==":[{"var":"notification_type"},{"a":1,"b":2}]}`, "upload", nil},
		"a pattern":                              {`{"matches":[{"var":"tags"},"x"]}`, "delete", []string{lacks("never", "delete", "tags")}},
		"no filter":                              {``, "delete", nil},
		"an empty one":                           {`{}`, "delete", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := told(Doubts(json.RawMessage(tc.filter), nil, strings.Fields(tc.types)))
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s for %s (-want +got):\n%s", tc.filter, tc.types, diff)
			}
		})
	}
}

func TestTemplateDoubts(t *testing.T) {
	t.Parallel()
	stays := func(names, types, advice string) []string {
		text := "spec.payloadTemplate: " + names + " is likely to stay empty for " + types
		if advice != "" {
			text += " (" + advice + ")"
		}
		return []string{text}
	}
	const each = "each of resources has it: {{#raw.resources}}{{public_id}} {{/raw.resources}}"
	for name, tc := range map[string]struct {
		template, types string
		want            []string
	}{
		"what an upload has":                 {`{"a":"{{event.type}} {{asset.public_id}} {{asset.folder}} {{asset.delivery_type}}"}`, "upload", nil},
		"what a deletion has not":            {`{"a":"{{event.type}} {{asset.public_id}}"}`, "upload delete", stays("{{asset.public_id}}", "delete", each)},
		"without escaping":                   {`{"a":"{{{asset.public_id}}} {{&asset.public_id}}"}`, "delete", stays("{{asset.public_id}}", "delete", each)},
		"several of two":                     {`{"a":"{{asset.width}}","b":["{{asset.height}}"]}`, "delete rename", stays("{{asset.width}}, {{asset.height}}", "delete, rename", "")},
		"the event of one that has no time":  {`{"a":"{{event.timestamp}} {{event.request_id}}"}`, "delete", nil},
		"a folder":                           {`{"a":"{{folder.path}} {{folder.name}}"}`, "create_folder delete_folder", nil},
		"a moved folder":                     {`{"a":"{{folder.path}}"}`, "move_or_rename_asset_folder", stays("{{folder.path}}", "move_or_rename_asset_folder", "")},
		"derived images":                     {`{"a":"{{eager.transformations}} {{eager.batch_id}}"}`, "eager", nil},
		"derived images of a deletion":       {`{"a":"{{eager.batch_id}}"}`, "delete", stays("{{eager.batch_id}}", "delete", "")},
		"an error":                           {`{"a":"{{error.message}}"}`, "error upload", nil},
		"an error of a deletion":             {`{"a":"{{error.message}}"}`, "delete", stays("{{error.message}}", "delete", "")},
		"the raw notification":               {`{"a":"{{raw}} {{raw.resources}} {{raw.resources.0.public_id}}"}`, "delete", nil},
		"what the raw notification has not":  {`{"a":"{{raw.public_id}}"}`, "rename", stays("{{raw.public_id}}", "rename", "they have {{raw.from_public_id}}, {{raw.to_public_id}}")},
		"a rename":                           {`{"a":"{{asset.public_id}}"}`, "rename", stays("{{asset.public_id}}", "rename", "they have {{raw.from_public_id}}, {{raw.to_public_id}}")},
		"each of a list":                     {`{"a":"{{#raw.resources}}{{public_id}} {{/raw.resources}}"}`, "delete resource_tags_changed", nil},
		"what none of a list has":            {`{"a":"{{#raw.resources}}{{format}} {{/raw.resources}}"}`, "delete", stays("{{format}}", "delete", "did you mean {{asset.format}}?")},
		"what is outside of a section":       {`{"a":"{{#raw.resources}}{{event.type}}{{/raw.resources}}"}`, "delete", nil},
		"an object by public ID":             {`{"a":"{{#raw.resources}}{{public_id}}{{/raw.resources}}"}`, "move", nil},
		"each text of a list":                {`{"a":"{{#asset.tags}}{{.}} {{/asset.tags}}"}`, "upload", nil},
		"a section that is not there":        {`{"a":"{{#folder}}{{folder.path}}{{/folder}}{{#asset.public_id}}{{asset.public_id}}{{/asset.public_id}}"}`, "delete", stays("{{folder.path}}", "delete", "")},
		"the opposite of a section":          {`{"a":"{{^asset.public_id}}none{{/asset.public_id}}"}`, "delete", nil},
		"within the opposite of a section":   {`{"a":"{{^asset.public_id}}{{asset.etag}}{{/asset.public_id}}"}`, "upload", stays("{{asset.etag}}", "upload", "asset has no such member")},
		"outside of the namespaces":          {`{"a":"{{public_id}}"}`, "upload", stays("{{public_id}}", "upload", "did you mean {{asset.public_id}}?")},
		"outside, under another name":        {`{"a":"{{asset_id}}"}`, "publish", stays("{{asset_id}}", "publish", "did you mean {{asset.id}}?")},
		"outside, and nothing is like it":    {`{"a":"{{who}}"}`, "upload", stays("{{who}}", "upload", "placeholders begin with event, asset, folder, eager, error, raw")},
		"what nobody knows of a publication": {`{"a":"{{asset.public_id}} {{raw.anything}}"}`, "publish brand_new", nil},
		"every event type":                   {`{"a":"{{asset.public_id}} {{folder.path}}"}`, "all", nil},
		"context and metadata of an upload":  {`{"a":"{{asset.context.custom.alt}} {{asset.metadata.x}}"}`, "upload", nil},
		"other delimiters":                   {`{"a":"{{=<% %>=}}<% asset.public_id %>"}`, "delete", stays("{{asset.public_id}}", "delete", each)},
		"a partial":                          {`{"a":"{{>other}}"}`, "upload", nil},
		"no placeholder":                     {`{"a":1,"b":[true,null,"x"]}`, "delete", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := told(Doubts(nil, json.RawMessage(tc.template), strings.Fields(tc.types)))
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s for %s (-want +got):\n%s", tc.template, tc.types, diff)
			}
		})
	}
}

// A condition has room for 32 KiB, and a reconciliation little time.
func TestDoubtsAreBounded(t *testing.T) {
	t.Parallel()
	var rules, texts []string
	for len(rules) < 700 {
		name := strings.Repeat("é", len(rules)%90+1)
		rules, texts = append(rules, `{"==":[{"var":"`+name+`"},1]}`), append(texts, `"{{`+name+`}}"`)
	}
	types := notification.EventTypes()
	for _, operator := range []string{"and", "or"} {
		got := told(Doubts(json.RawMessage(`{"`+operator+`":[`+strings.Join(rules, ",")+`]}`), json.RawMessage(`{"a":[`+strings.Join(texts, ",")+`]}`), types))
		if size := len(strings.Join(got, "; ")); size > 8<<10 {
			t.Errorf("%d bytes", size)
		}
	}
}

func BenchmarkDoubts(b *testing.B) {
	var rules []string
	for len(rules) < 600 {
		rules = append(rules, `{"==":[{"var":"resource_tip`+strconv.Itoa(len(rules))+`"},1]}`)
	}
	for name, filter := range map[string]string{"usual": someImage, "hostile": `{"or":[` + strings.Join(rules, ",") + `]}`} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				Doubts(json.RawMessage(filter), nil, []string{"upload", "delete", "rename", "all"})
			}
		})
	}
}

func TestUnsure(t *testing.T) {
	t.Parallel()
	for filter, want := range map[string][]string{
		image: {"resource_type"},
		`{"and":[{"==":[{"var":"public_id"},"x"]},{"==":[{"var":"notification_type"},"publish"]}]}`: nil,
		`{"some":[{"var":"resources"},{"==":[{"var":"a"},1]}]}`:                                     {"resources", "resources[].a"},
		``: nil,
	} {
		if diff := cmp.Diff(want, Unsure(json.RawMessage(filter), "publish")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", filter, diff)
		}
	}
	if got := Unsure(json.RawMessage(image), "delete"); got != nil {
		t.Errorf("it is known what a deletion has: %v", got)
	}
}
