// SPDX-License-Identifier: Apache-2.0

package notification

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDecodeRealBodies(t *testing.T) {
	triggered := time.Date(2024, 3, 20, 10, 12, 34, 567891000, time.UTC)
	const request = "3d5dfa2aa3bd7cbd7a6b3ad40a7cd4a8"
	for name, tc := range map[string]struct {
		body string
		want Notification
		why  string
	}{
		"an upload of today": {body: uploadBody, want: Notification{
			Type: "upload", RequestID: request, TriggeredAt: triggered, Assets: 1, Asset: Asset{
				AssetID: "b8f0a5d5e4a5fb5a0b1c3a6ad3f2c1de", ResourceType: "image", DeliveryType: "upload", PublicID: "sample",
				Format: "jpg", Bytes: 120253, Version: 1710929554,
			},
		}},
		"an upload of 2013": {body: upload2013, want: Notification{Assets: 1, Asset: Asset{
			ResourceType: "image", DeliveryType: "upload", PublicID: "djhsjhd", Format: "jpg", Bytes: 120253, Version: 1378218943,
		}}},
		"an eager of 2013": {body: eager2013, want: Notification{Type: "eager", Derived: 2, Assets: 1, Asset: Asset{PublicID: "djhsjhd"}}},
		"a sprite of 2013": {body: sprite2013, want: Notification{Assets: 1, Asset: Asset{PublicID: "logo", Version: 1378219129}}},
		"deleting an asset": {body: deleteBody, want: Notification{Type: "delete", TriggeredAt: triggered, Assets: 1, Asset: Asset{
			AssetID: "eb8fa7e7cb1c9a54243039f53381f4e3", ResourceType: "video", DeliveryType: "private", PublicID: "dogs/rex", Version: 1618505146,
		}}},
		"tags of two assets": {body: tagsBody, want: Notification{Type: "resource_tags_changed", Assets: 2}, why: "none of them is the one"},
		"a moved asset": {body: moveBody, want: Notification{Type: "move", Assets: 1, Moved: true, PreviousFolder: "dogs", Folder: "pets", Asset: Asset{
			AssetID: "eb8fa7e7cb1c9a54243039f53381f4e3", ResourceType: "image", DeliveryType: "upload", PublicID: "dogs/rex",
		}}, why: "the map's name is the public id"},
		"an eager that failed in part": {body: eagerFailed, want: Notification{
			Type: "eager", RequestID: request, Derived: 2, Failed: 1, Assets: 1, Asset: Asset{AssetID: "b8f0", PublicID: "clip"},
		}},
		"a moderation without type": {body: moderationBody, want: Notification{Moderation: "rejected", ModerationKind: "aws_rek", Assets: 1, Asset: Asset{
			AssetID: "b8f0", PublicID: "beach", Version: 1571218330,
		}}},
		"a rename": {body: renameBody, want: Notification{Type: "rename", RequestID: request, Assets: 1, Asset: Asset{
			AssetID: "b8f0", ResourceType: "image", DeliveryType: "upload", PublicID: "new", PreviousID: "old",
		}}},
		"a templated body": {body: templated},
		"an add-on": {body: infoBody, want: Notification{Type: "info", AddOn: "google_video_tagging", AddOnStatus: "failed", Assets: 1, Asset: Asset{
			AssetID: "b8f0", PublicID: "ai/hat", Version: 1571218330,
		}}},
		"a moved folder": {body: movedFolderBody, want: Notification{Type: "move_or_rename_asset_folder", Moved: true, PreviousFolder: "shop/shoes", Folder: "shop/boots"}},
		"an error":       {body: errorBody, want: Notification{Type: "error", Failure: "Resource not found - https://h.example/a.jpg?token=t", Assets: 1, Asset: Asset{PublicID: "cat"}}},
		"a folder":       {body: folderBody, want: Notification{Type: "create_folder", Folder: "a/b/c"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Decode([]byte(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got)\n%s", tc.why, diff)
			}
		})
	}
}

func TestDecodeShapes(t *testing.T) {
	one := func(a Asset) Notification { return Notification{Assets: 1, Asset: a} }
	for name, tc := range map[string]struct {
		body string
		want Notification
	}{
		"an empty object":                           {body: "\t\r\n {} "},
		"members of other kinds":                    {body: `{"notification_type":1,"request_id":null,"asset_id":{},"bytes":"7","resources":true,"eager":{},"notification_context":[]}`},
		"an escaped name and value":                 {`{"notif\u0069cation_type":"up\u006coad"}`, Notification{Type: "upload"}},
		"names in another case":                     {body: `{"Notification_Type":"upload","PUBLIC_ID":"x"}`},
		"a name twice":                              {`{"notification_type":"upload","notification_type":"delete"}`, Notification{Type: "delete"}},
		"a name twice, the last of another kind":    {body: `{"public_id":"x","public_id":1}`},
		"a context twice":                           {body: `{"notification_context":{"triggered_at":"2024-03-20T10:12:34Z"},"notification_context":{}}`},
		"resources twice":                           {`{"resources":[{"asset_id":"a"}],"resources":[{"public_id":"b"}]}`, one(Asset{PublicID: "b"})},
		"resources, and then none":                  {body: `{"resources":[{"asset_id":"a"}],"resources":null}`},
		"an asset twice in a map":                   {`{"resources":{"a":{"asset_id":"1"},"\u0061":{"asset_id":"2"}}}`, one(Asset{AssetID: "2", PublicID: "a"})},
		"three assets in a map":                     {`{"resources":{"a":{},"b":{},"c":{}}}`, Notification{Assets: 3}},
		"assets of which nothing is said":           {`{"resources":["a"]}`, Notification{Assets: 1}},
		"no resources, and an asset beside":         {`{"resources":[],"asset_id":"a"}`, one(Asset{AssetID: "a"})},
		"the kind of the assets beside them":        {`{"resource_type":"raw","type":"upload","resources":[{"public_id":"a"}]}`, one(Asset{"", "raw", "upload", "a", "", "", 0, 0})},
		"a public id that is not the map's name":    {`{"resources":{"a":{"public_id":"b"}}}`, one(Asset{PublicID: "b"})},
		"a public id after a rename":                {`{"public_id":"x","to_public_id":"y"}`, one(Asset{PublicID: "x"})},
		"an emoji, escaped as two":                  {`{"public_id":"\ud83d\udc36 é"}`, one(Asset{PublicID: "🐶 é"})},
		"half an emoji, and bytes that are no text": {"{\"public_id\":\"\\ud83d \xff\"}", one(Asset{PublicID: "\ufffd \ufffd"})},
		"bytes that are no text":                    {"{\"public_id\":\"a\xffb\"}", one(Asset{PublicID: "a\ufffdb"})},
		"a fraction where an integer belongs":       {`{"asset_id":"a","bytes":1.0,"version":1e3}`, one(Asset{AssetID: "a"})},
		"a number beyond all bounds":                {`{"asset_id":"a","bytes":99999999999999999999}`, one(Asset{AssetID: "a"})},
		"a public id that is empty after a rename":  {`{"public_id":"","to_public_id":"y"}`, one(Asset{PublicID: "y"})},
		"a failure, all of it escaped":              {`{"eag\u0065r":[{"st\u0061tus":"f\u0061iled"},{"status":"done"},7]}`, Notification{Derived: 3, Failed: 1}},
		"eager twice":                               {`{"eager":[{"status":"failed"}],"eager":[{}]}`, Notification{Derived: 1}},
		"many side by side, none deep":              {body: `{"a":[` + strings.Repeat(`{"a":[]},`, MaxDepth) + `{}]}`},
		"a time with an offset":                     {`{"notification_context":{"triggered_at":"2024-03-20T12:12:34+02:00"}}`, Notification{TriggeredAt: time.Date(2024, 3, 20, 10, 12, 34, 0, time.UTC)}},
		"a time in another form":                    {body: `{"notification_context":{"triggered_at":"20 March 2024"}}`},
		"a type with a capital":                     {body: `{"notification_type":"Upload"}`},
		"a type with a line break":                  {body: `{"notification_type":"upload\n"}`},
		"a type that begins with a digit":           {body: `{"notification_type":"2d"}`},
		"a type as long as may be":                  {`{"notification_type":"` + strings.Repeat("a", 64) + `"}`, Notification{Type: strings.Repeat("a", 64)}},
		"a type too long":                           {body: `{"notification_type":"` + strings.Repeat("a", 65) + `"}`},
		"a type that is not documented":             {`{"notification_type":"on_2_stars"}`, Notification{Type: "on_2_stars"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Decode([]byte(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	deep := func(n int) string { return strings.Repeat(`{"a":[`, n/2) + "1" + strings.Repeat("]}", n/2) }
	if _, err := Decode([]byte(deep(MaxDepth))); err != nil {
		t.Errorf("%d levels: %v", MaxDepth, err)
	}
	for name, tc := range map[string]struct {
		body string
		want error
	}{
		"nothing":                 {"", ErrNotJSON},
		"space":                   {" \n", ErrNotJSON},
		"two values":              {"{} {}", ErrNotJSON},
		"null":                    {"null", ErrNotJSON},
		"a number":                {" -1.5e+3 ", ErrNotJSON},
		"a string":                {`"upload"`, ErrNotJSON},
		"an array":                {`[{"notification_type":"upload"}]`, ErrNotJSON},
		"an array without end":    {strings.Repeat("[", 1<<20), ErrNotJSON},
		"an upload's answer":      {"public_id=user/avatar&version=", ErrNotJSON},
		"a digit after the value": {"{}1", ErrNotJSON},
		"a zero byte after it":    {"{}\x00", ErrNotJSON},
		"a byte order mark":       {"\ufeff{}", ErrNotJSON},
		"cut short":               {`{"a":"b`, ErrNotJSON},
		"a trailing comma":        {`{"a":1,}`, ErrNotJSON},
		"a comment":               {`{}//`, ErrNotJSON},
		"names without quotes":    {`{public_id: 'sample'}`, ErrNotJSON},
		"a form":                  {"a=b&c=d", ErrNotJSON},
		"a leading zero":          {`{"a":01}`, ErrNotJSON},
		"a line break in a text":  {"{\"a\":\"\n\"}", ErrNotJSON},
		"a control character":     {`{"a":"1234` + "\x1f" + `567890"}`, ErrNotJSON},
		"an escape cut short":     {`{"a":"\u004"}`, ErrNotJSON},
		"a digit not hexadecimal": {`{"a":"\u004g"}`, ErrNotJSON},
		"an unknown escape":       {`{"a":"\x41"}`, ErrNotJSON},
		"too deep":                {deep(MaxDepth + 2), ErrTooDeep},
		"too deep, never closed":  {`{"a":` + strings.Repeat("[", 1<<20), ErrTooDeep},
		"too deep in resources":   {`{"resources":` + deep(MaxDepth) + `}`, ErrTooDeep},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Decode([]byte(tc.body))
			if !errors.Is(err, tc.want) {
				t.Fatalf("error %v, want %v", err, tc.want)
			}
			if diff := cmp.Diff(Notification{}, got); diff != "" {
				t.Errorf("something beside the error (-want +got)\n%s", diff)
			}
			if len(err.Error()) > 100 || strings.Contains(err.Error(), "public_id") {
				t.Errorf("the error shows the body: %v", err)
			}
		})
	}
}

func TestDecodeSaysWhere(t *testing.T) {
	_, err := Decode([]byte(`{"a":1,}`))
	if want := "not exactly one JSON object, at byte 7"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestDecodeLeavesPersonalDataBehind(t *testing.T) {
	for _, body := range realisticBodies() {
		n, err := Decode([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if text := fmt.Sprintf("%+v", n); strings.Contains(text, "@") || strings.Contains(text, "112233445566778") {
			t.Errorf("who triggered it, or an API key, is in %s", text)
		}
	}
}

// What a notification takes of memory is bounded by it.
func TestSizeCountsEachText(t *testing.T) {
	var n Notification
	texts := 0
	for _, value := range []reflect.Value{reflect.ValueOf(&n).Elem(), reflect.ValueOf(&n.Asset).Elem()} {
		for _, field := range value.Fields() {
			if field.Kind() == reflect.String {
				field.SetString("x")
				texts++
			}
		}
	}
	if n.Size() != texts || texts < 15 {
		t.Errorf("%d bytes of %d texts", n.Size(), texts)
	}
}

func TestDecodeAllocatesOnce(t *testing.T) {
	body := bodyOf2KiB(t)
	if n := testing.AllocsPerRun(100, func() { _, _ = Decode(body) }); n > 1 {
		t.Errorf("%v allocations", n)
	}
}
