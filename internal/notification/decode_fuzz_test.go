// SPDX-License-Identifier: Apache-2.0

package notification

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func FuzzDecode(f *testing.F) {
	for _, body := range realisticBodies() {
		f.Add([]byte(body))
	}
	for _, body := range []string{
		``, `{} {}`, `{"a":[1,-0,0.5e-7,1E+2,true,false,null]}`, `[{}]`, `null`, `{"a":"\"\\\/\b\f\n\r\t\u00e9\ud83d\udc36"}`, "\"\xff\x7f\"", `{"bytes":-0,"version":12.5}`,
		`{"resources":{"a":{},"\u0061":{"public_id":null}}}`, `{"resources":[{"type":"upload"},[]],"resources":{}}`, "\"\x1f\"", `"1234567\u12"`,
		`{"eager":[{"status":"failed"},{"status":"failed","status":0},1]}`, strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth+1),
		`{"notification_context":{"triggered_at":"2024-03-20t10:12:34,5Z"}}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) { checkAgainstEncodingJSON(t, body) })
}

// Bytes at random are seldom JSON, and almost never a notification. These are nearly always both.
func TestDecodeAgainstEncodingJSON(t *testing.T) {
	text := rapid.SampledFrom([]string{
		`"asset_id"`, `"public_id"`, `"type"`, `"resource_type"`, `"bytes"`, `"version"`, `"status"`, `"triggered_at"`, `"resources"`, `"eager"`,
		`"notification_type"`, `"notification_context"`, `"request_id"`, `"to_public_id"`, `"from_public_id"`, `"format"`, `"folder_path"`,
		`"moderation_status"`, `"moderation_kind"`, `"info_kind"`, `"info_status"`, `"from_path"`, `"to_path"`, `"from_asset_folder"`, `"to_asset_folder"`,
		`"error"`, `"message"`, `"kind"`, `"a"`, `"\u0061"`, `""`, `"up\u006coad"`, `"p\u0075blic_id"`, `"Type"`, `"failed"`, `"upload"`, `"\ud83d\udc36"`,
		`"\udc36"`, "\"\xff\"", `"é"`, `"\\\""`, `"2024-03-20T10:12:34.567891Z"`, `"2024-03-20T10:12:34+02:00"`, `"eight, or more"`,
	})
	scalar := rapid.OneOf(text, rapid.SampledFrom([]string{"0", "-0", "12", "-7", "1.5", "1e3", "9223372036854775807", "9223372036854775808", "null", "true", "false"}))
	space := rapid.SampledFrom([]string{"", "", "", "", " ", "\t", "\r\n"})
	rapid.Check(t, func(t *rapid.T) {
		var value func(depth int) string
		value = func(depth int) string {
			kind := rapid.IntRange(0, 3).Draw(t, "kind")
			if depth == 0 || kind == 0 {
				return scalar.Draw(t, "scalar")
			}
			parts := make([]string, rapid.IntRange(0, 4).Draw(t, "parts"))
			for i := range parts {
				if kind != 1 {
					parts[i] = text.Draw(t, "name") + space.Draw(t, "space") + ":"
				}
				parts[i] += space.Draw(t, "space") + value(depth-1) + space.Draw(t, "space")
			}
			if kind == 1 {
				return "[" + strings.Join(parts, ",") + "]"
			}
			return "{" + strings.Join(parts, ",") + "}"
		}
		members := make([]string, rapid.IntRange(0, 6).Draw(t, "members"))
		for i := range members {
			name := rapid.OneOf(text, rapid.SampledFrom([]string{`"resources"`, `"eager"`, `"notification_context"`, `"error"`, `"from_path"`, `"to_path"`})).Draw(t, "member")
			members[i] = name + ":" + value(3)
		}
		body := []byte("{" + strings.Join(members, ",") + "}")
		checkAgainstEncodingJSON(t, body)
		if at := rapid.IntRange(0, 4*len(body)).Draw(t, "broken"); at < len(body) {
			body[at] = rapid.SampledFrom([]byte(`{}[],:"\0-+.eEtn `)).Draw(t, "by")
			checkAgainstEncodingJSON(t, body)
		}
	})
}

func checkAgainstEncodingJSON(t rapid.TB, body []byte) {
	t.Helper()
	before := bytes.Clone(body)
	got, err := Decode(body)
	if !bytes.Equal(before, body) {
		t.Fatal("the body was changed")
	}
	if errors.Is(err, ErrTooDeep) {
		if open := bytes.Count(body, []byte("[")) + bytes.Count(body, []byte("{")); open <= MaxDepth {
			t.Errorf("too deep with %d brackets", open)
		}
		return
	}
	isObject := json.Valid(body) && bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{"))
	if isObject != (err == nil) {
		t.Fatalf("encoding/json says a valid object: %t, Decode: %v: %q", isObject, err, body)
	}
	if err != nil {
		return
	}
	value := parse(t, body)
	want := slowDecode(value)
	// Entries of resources are counted as they are written: of equal names among many, each.
	if most := bytes.Count(body, []byte(":")); want.Assets > 1 && got.Assets >= want.Assets && got.Assets <= most {
		want.Assets = got.Assets
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%q (-encoding/json +Decode)\n%s", body, diff)
	}
	for _, name := range []string{"public_id", "resources", "kind", "a"} {
		outer := asObject(value)[name]
		if got := unescaped(stringAt(body, []string{name})); asString(outer) != string(got) {
			t.Errorf("%s is %q, want %q in %q", name, got, outer, body)
		}
		inner := asObject(outer)["type"]
		if got := unescaped(stringAt(body, []string{name, "type"})); asString(inner) != string(got) {
			t.Errorf("type in %s is %q, want %q in %q", name, got, inner, body)
		}
	}
}

func parse(t rapid.TB, body []byte) any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

func asObject(value any) map[string]any { object, _ := value.(map[string]any); return object }

func asString(value any) string { text, _ := value.(string); return text }

func asInteger(value any) int64 {
	number, _ := value.(json.Number)
	n, err := strconv.ParseInt(string(number), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// slowDecode is Decode as one would write it with encoding/json.
func slowDecode(value any) Notification {
	object := asObject(value)
	n := Notification{
		RequestID: asString(object["request_id"]), Folder: asString(object["folder_path"]),
		Moderation: asString(object["moderation_status"]), ModerationKind: asString(object["moderation_kind"]),
		AddOn: asString(object["info_kind"]), AddOnStatus: asString(object["info_status"]),
		Failure: asString(object["error"]) + asString(asObject(object["error"])["message"]),
	}
	if name := asString(object["notification_type"]); len(name) <= 64 && regexp.MustCompile(`\A[a-z][a-z0-9_]*\z`).MatchString(name) {
		n.Type = name
	}
	if at, err := time.Parse(time.RFC3339, asString(asObject(object["notification_context"])["triggered_at"])); err == nil {
		n.TriggeredAt = at.UTC()
	}
	derived, _ := object["eager"].([]any)
	for _, entry := range derived {
		if asString(asObject(entry)["status"]) == "failed" {
			n.Failed++
		}
	}
	n.Derived = len(derived)
	top := slowAsset(object, "")
	entries := slowEntries(object["resources"])
	n.Assets = len(entries)
	switch {
	case len(entries) == 1:
		n.Asset = entries[0]
		entry := slowEntryObject(object["resources"])
		if _, given := entry["resource_type"].(string); !given {
			n.ResourceType = top.ResourceType
		}
		if _, given := entry["type"].(string); !given {
			n.DeliveryType = top.DeliveryType
		}
	case len(entries) == 0 && (top.AssetID != "" || top.PublicID != ""):
		n.Asset, n.Assets = top, 1
	}
	slowMove(&n, object, "from_path", "to_path")
	switch {
	case len(entries) == 1:
		slowMove(&n, slowEntryObject(object["resources"]), "from_asset_folder", "to_asset_folder")
	case n.Assets == 1:
		slowMove(&n, object, "from_asset_folder", "to_asset_folder")
	}
	return n
}

func slowMove(n *Notification, object map[string]any, fromName, toName string) {
	from, is := object[fromName].(string)
	to, also := object[toName].(string)
	if is && also {
		n.Moved, n.PreviousFolder, n.Folder = true, from, to
	}
}

func slowEntryObject(resources any) map[string]any {
	list, _ := resources.([]any)
	for _, entry := range asObject(resources) {
		list = append(list, entry)
	}
	return asObject(list[0])
}

func slowEntries(resources any) []Asset {
	var assets []Asset
	list, _ := resources.([]any)
	for _, entry := range list {
		assets = append(assets, slowAsset(asObject(entry), ""))
	}
	for name, entry := range asObject(resources) {
		asset := slowAsset(asObject(entry), name)
		assets = append(assets, asset)
	}
	return assets
}

func slowAsset(object map[string]any, name string) Asset {
	a := Asset{
		AssetID: asString(object["asset_id"]), ResourceType: asString(object["resource_type"]), DeliveryType: asString(object["type"]),
		PublicID: name, PreviousID: asString(object["from_public_id"]), Format: asString(object["format"]),
		Bytes: asInteger(object["bytes"]), Version: asInteger(object["version"]),
	}
	if id, given := object["public_id"].(string); given {
		a.PublicID = id
	}
	if a.PublicID == "" {
		a.PublicID = asString(object["to_public_id"])
	}
	return a
}
