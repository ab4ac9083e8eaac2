// SPDX-License-Identifier: Apache-2.0

package notification

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestNote(t *testing.T) {
	for name, tc := range map[string]struct{ eventType, body, want string }{
		"an upload":                            {"upload", uploadBody, `upload: image "sample" (jpg, 120253 bytes)`},
		"an upload of 2013":                    {"unknown", upload2013, `unknown: image "djhsjhd" (jpg, 120253 bytes)`},
		"a deletion":                           {"delete", deleteBody, `delete: video "dogs/rex" (private)`},
		"several assets":                       {"resource_tags_changed", tagsBody, `resource_tags_changed: 2 assets`},
		"a rename":                             {"rename", renameBody, `rename: image "new", before "old"`},
		"eager":                                {"eager", eager2013, `eager: asset "djhsjhd", derived assets: 2`},
		"eager, failed in part":                {"eager", eagerFailed, `eager: asset "clip", 1 of 2 derived assets failed`},
		"a moderation":                         {"moderation", moderationBody, `moderation: asset "beach", moderation rejected (aws_rek)`},
		"a moved folder":                       {"move_or_rename_asset_folder", movedFolderBody, `move_or_rename_asset_folder: folder "shop/shoes", now "shop/boots"`},
		"a moved asset":                        {"move", moveBody, `move: image "dogs/rex", from folder "dogs" to folder "pets"`},
		"a moved asset, at first in no folder": {"move", strings.Replace(moveBody, `"dogs",`, `"",`, 1), `move: image "dogs/rex", from the root folder to folder "pets"`},
		"an add-on that failed":                {"info", infoBody, `info: asset "ai/hat", google_video_tagging failed`},
		"an add-on that does not say":          {"info", `{"public_id":"a","info_kind":"cloudinary_ai"}`, `info: asset "a", cloudinary_ai`},
		"an add-on with another name":          {"info", `{"public_id":"a","info_kind":"A B","info_status":"x\ny"}`, `info: asset "a", "A B" "x\ny"`},
		"an error":                             {"error", errorBody, `error: asset "cat", error "Resource not found - https://h.example/a.jpg"`},
		"an error of no asset":                 {"error", `{"error":"Invalid image file"}`, `error: error "Invalid image file"`},
		"an error that tells of people":        {"error", `{"error":{"message":"Not jane@example.com, nor https://u:p@h.example/?q=1 'https://h.example/?t=2'"}}`, `error: error "Not … nor https://h.example 'https://h.example"`},
		"a folder":                             {"create_folder", folderBody, `create_folder: folder "a/b/c"`},
		"nothing that is known":                {"upload", templated, `upload: names no asset`},
		"an id alone":                          {"publish", `{"asset_id":"b8f0"}`, `publish: asset with id b8f0`},
		"a forged line":                        {"upload", `{"public_id":"x\"\nupload: image \"y"}`, `upload: asset "x\"\nupload: image \"y"`},
		"a forged word":                        {"upload", `{"public_id":"x","resource_type":"image \"y\"\n","format":"a\u202eb"}`, `upload: "image \"y\"\n" "x" ("a\u202eb")`},
		"a forged event type":                  {"upload\n", `{"public_id":"x"}`, `unknown: asset "x"`},
		"text that is no ASCII":                {"upload", `{"public_id":"hündchen/🐶"}`, `upload: asset "hündchen/🐶"`},
		"a fetched URL":                        {"upload", `{"type":"fetch","public_id":"https://u:p@h.example/a.jpg?token=t#f"}`, `upload: asset "https://h.example/a.jpg" (fetch)`},
		"an encoded URL":                       {"upload", `{"type":"fetch","public_id":"https%3A%2F%2Fh.example%2Fa%3Ftoken=t"}`, `upload: asset "https://h.example/a" (fetch)`},
	} {
		t.Run(name, func(t *testing.T) {
			n, err := Decode([]byte(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			if got := Note(tc.eventType, n); got != tc.want {
				t.Errorf("%s\nwant\n%s", got, tc.want)
			}
		})
	}
}

func TestNoteIsCutBetweenCharacters(t *testing.T) {
	long := strings.Repeat("é🐶", 1000)
	n := Notification{Assets: 1, Moderation: long, Failure: long, Asset: Asset{ResourceType: long, PublicID: long, PreviousID: long, DeliveryType: long, Format: long}}
	got := Note("upload", n)
	if len(got) > maxNoteBytes || len(got) < maxNoteBytes-8 || !strings.HasSuffix(got, "…") || !utf8.ValidString(got) {
		t.Errorf("%d bytes: %s", len(got), got)
	}
	n = Notification{Assets: 1, Asset: Asset{PublicID: long, Format: "jpg"}}
	if got := Note("upload", n); !strings.HasSuffix(got, `…" (jpg)`) {
		t.Errorf("a long name pushes out the rest: %s", got)
	}
}

func TestNoteTellsNothingOfPeople(t *testing.T) {
	for _, body := range realisticBodies() {
		n, err := Decode([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if note := Note("upload", n); strings.Contains(note, "@") || strings.Contains(note, "112233445566778") {
			t.Errorf("who triggered it, or an API key, is in %s", note)
		}
	}
}

func FuzzNote(f *testing.F) {
	for _, body := range realisticBodies() {
		f.Add("upload", []byte(body))
	}
	f.Fuzz(func(t *testing.T, eventType string, body []byte) {
		n, err := Decode(body)
		if err != nil {
			return
		}
		note := Note(eventType, n)
		if len(note) > maxNoteBytes || !utf8.ValidString(note) {
			t.Errorf("%d bytes: %q", len(note), note)
		}
		if i := strings.IndexFunc(note, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("a character that is not printed at %d of %q", i, note)
		}
		if outside := unquoted(note); strings.ContainsAny(outside, `"\@`) {
			t.Errorf("something of the body stands outside of quotes: %q", note)
		}
	})
}

// unquoted is what of the note stands outside of quotes, the last of which may be cut off.
func unquoted(note string) string {
	var outside strings.Builder
	for inside, i := false, 0; i < len(note); i++ {
		switch {
		case inside && note[i] == '\\':
			i++
		case note[i] == '"':
			inside = !inside
		case !inside:
			outside.WriteByte(note[i])
		}
	}
	return outside.String()
}
