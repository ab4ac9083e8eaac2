// SPDX-License-Identifier: Apache-2.0

package notification

import (
	"encoding/json"
	"strings"
	"testing"
)

// Bodies as Cloudinary's documentation and announcements show them, with names and ids of our own.
const (
	anEmail = "jane.doe@example.com"

	uploadBody = `{"notification_type":"upload","timestamp":"2024-03-20T10:12:34+00:00","request_id":"3d5dfa2aa3bd7cbd7a6b3ad40a7cd4a8",` +
		`"asset_id":"b8f0a5d5e4a5fb5a0b1c3a6ad3f2c1de","public_id":"sample","version":1710929554,"version_id":"9c8de8bd0db0a4bd1a0a1bb0a3a7f6b7",` +
		`"width":864,"height":576,"format":"jpg","resource_type":"image","created_at":"2024-03-20T10:12:34Z","tags":[],"bytes":120253,` +
		`"type":"upload","etag":"8a1b2a3a4a5b6c7d8e9f0a1b2c3d4e5f","placeholder":false,"url":"http://res.cloudinary.com/demo/image/upload/v1710929554/sample.jpg",` +
		`"secure_url":"https://res.cloudinary.com/demo/image/upload/v1710929554/sample.jpg","asset_folder":"","display_name":"sample",` +
		`"original_filename":"sample","api_key":"112233445566778","notification_context":{"triggered_at":"2024-03-20T10:12:34.567891Z",` +
		`"triggered_by":{"source":"ui","id":"` + anEmail + `"}},"signature_key":"112233445566778"}`

	// The three of 2013, when notifications were announced. They have no notification_type.
	upload2013 = `{"public_id":"djhsjhd","version":1378218943,"width":864,"height":576,"format":"jpg","resource_type":"image",` +
		`"created_at":"2013-09-03T14:35:43Z","bytes":120253,"type":"upload","url":"http://res.cloudinary.com/demo/image/upload/v1378218943/djhsjhd.jpg",` +
		`"secure_url":"https://res.cloudinary.com/demo/image/upload/v1378218943/djhsjhd.jpg"}`
	eager2013 = `{"notification_type":"eager","eager":[{"transformation":"c_fill,w_100","url":"http://res.cloudinary.com/demo/a.jpg"},` +
		`{"transformation":"c_fill,w_200","url":"http://res.cloudinary.com/demo/b.jpg"}],"public_id":"djhsjhd",` +
		`"batch_id":"5bbb3d4c0dbd1a6a0b1c3a6ad3f2c1de"}`
	sprite2013 = `{"css_url":"http://res.cloudinary.com/demo/image/sprite/v1/logo.css","public_id":"logo","version":1378219129,` +
		`"image_infos":{"apple_logo":{"width":96,"height":118,"x":0,"y":0},"google_logo":{"width":275,"height":95,"x":0,"y":118}}}`

	deleteBody = `{"notification_type":"delete","resources":[{"resource_type":"video","type":"private","public_id":"dogs/rex",` +
		`"asset_id":"eb8fa7e7cb1c9a54243039f53381f4e3","version":1618505146}],"notification_context":{"triggered_at":"2024-03-20T10:12:34.567891Z",` +
		`"triggered_by":{"source":"ui","id":"` + anEmail + `"}},"signature_key":"112233445566778"}`
	tagsBody = `{"notification_type":"resource_tags_changed","source":"api","resources":[` +
		`{"asset_id":"a1","public_id":"one","resource_type":"image","type":"upload","added":["red"],"removed":[]},` +
		`{"asset_id":"a2","public_id":"two","resource_type":"image","type":"upload","added":["red"],"removed":[]}]}`
	moveBody = `{"notification_type":"move","resources":{"dogs/rex":{"asset_id":"eb8fa7e7cb1c9a54243039f53381f4e3","resource_type":"image",` +
		`"type":"upload","from_asset_folder":"dogs","to_asset_folder":"pets"}}}`
	eagerFailed = `{"notification_type":"eager","request_id":"3d5dfa2aa3bd7cbd7a6b3ad40a7cd4a8","asset_id":"b8f0","public_id":"clip",` +
		`"batch_id":"5bbb","eager":[{"transformation":"w_100","status":"failed","reason":"Resource is invalid"},{"transformation":"w_200"}]}`
	moderationBody = `{"moderation_response":{"moderation_labels":[]},"moderation_status":"rejected","moderation_kind":"aws_rek",` +
		`"asset_id":"b8f0","public_id":"beach","version":1571218330,"etag":null}`
	renameBody = `{"notification_type":"rename","from_public_id":"old","to_public_id":"new","resource_type":"image","type":"upload",` +
		`"asset_id":"b8f0","request_id":"3d5dfa2aa3bd7cbd7a6b3ad40a7cd4a8"}`
	templated = `{"kind":"upload","id":"sample","detail":{"event":["upload"]}}`
	infoBody  = `{"notification_type":"info","info_kind":"google_video_tagging","info_status":"failed","info_data":{"data":[]},` +
		`"asset_id":"b8f0","public_id":"ai/hat","version":1571218330}`
	movedFolderBody = `{"notification_type":"move_or_rename_asset_folder","from_path":"shop/shoes","to_path":"shop/boots"}`
	errorBody       = `{"notification_type":"error","error":{"message":"Resource not found - https://h.example/a.jpg?token=t","code":404},"public_id":"cat"}`
	folderBody      = `{"notification_type":"create_folder","folder_name":"c","folder_path":"a/b/c"}`
)

// realisticBodies are all of them, as seeds.
func realisticBodies() []string {
	return []string{
		uploadBody, upload2013, eager2013, sprite2013, deleteBody, tagsBody, moveBody, eagerFailed, moderationBody,
		renameBody, templated, folderBody, infoBody, movedFolderBody, errorBody,
	}
}

// bodyOf2KiB is an upload with what makes real ones longer: tags, context and an eager asset.
func bodyOf2KiB(tb testing.TB) []byte {
	tb.Helper()
	tags, err := json.Marshal(strings.Fields(strings.Repeat("animal dog outdoors grass ", 10)))
	if err != nil {
		tb.Fatal(err)
	}
	more := `,"context":{"custom":{"alt":"A dog on the grass","caption":"\u0022Rex\u0022, 3 years"}},"tags":` + string(tags) +
		`,"eager":[{"transformation":"c_fill,w_400","width":400,"height":300,"bytes":20253,"format":"jpg","url":"http://res.cloudinary.com/demo/image/upload/c_fill,w_400/v1710929554/sample.jpg"}]`
	body := strings.TrimSuffix(uploadBody, "}") + more
	body += `,"original_extension":"` + strings.Repeat("x", 2048-len(body)-len(`,"original_extension":""}`)) + `"}`
	if len(body) != 2048 || !json.Valid([]byte(body)) {
		tb.Fatalf("%d bytes of JSON: %s", len(body), body)
	}
	return []byte(body)
}
