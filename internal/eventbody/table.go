// SPDX-License-Identifier: Apache-2.0

package eventbody

import (
	"fmt"
	"time"
)

// known is the table. The members of a captured body are in its order.
func known(eventType string, v Values) Body {
	b := Body{EventType: eventType, Source: Assumed}
	switch eventType {
	case "upload":
		b.Source, b.Members, b.Open = Captured, v.upload(), true
	case "eager":
		b.Source, b.Members = Captured, v.eager()
	case "delete":
		entry := append(v.entry(), has("version", v.version()), has("asset_folder", "").from(Documented))
		b.Source, b.Members = Captured, []Member{resources(append(entry, may("version_id", "display_name", "folder")...)...)}
	case "moderation":
		b.Source, b.Members = Captured, v.moderation()
	case "info":
		b.Source, b.Members = Captured, v.info()
	case "explode":
		b.Source, b.Members = Captured, v.explode()
	case "sprite":
		b.Source, b.Members = Captured, v.sprite()
	case "rename":
		b.Source, b.Members = Documented, v.rename()
	case "access_control_changed":
		access := has("access_control", []any{Fields{{"access_type", "anonymous"}}})
		b.Source, b.Members = Documented, []Member{resources(append(v.entry(), access)...).loosely()}
	case "create_folder", "delete_folder":
		b.Source, b.Members = Documented, []Member{has("folder_name", "shoes"), has("folder_path", "shop/shoes")}
	case "move_or_rename_asset_folder":
		// One program looks for resources.
		b.Source, b.Members = Consumed, append([]Member{has("from_path", "shop/shoes"), has("to_path", "shop/boots")}, may("resources")...)
	default:
		b.change(v)
	}
	b.Members = v.enveloped(b.Members, eventType)
	return b
}

// change has the members of changes of an asset, and of event types of which only the name is
// known.
func (b *Body) change(v Values) {
	source := has("source", "api")
	added := Fields{{"name", "color"}, {"value", "red"}}
	attributes := []Member{has("added", []any{added}), has("removed", []any{}), has("updated", []any{})}
	entry := v.entry()
	unkeyed := []Member{entry[0], entry[2], entry[3]} // the public ID is the key
	switch b.EventType {
	case "resource_tags_changed":
		tags := append(entry, has("added", []any{"new"}), has("removed", []any{}))
		b.Source, b.Members = Consumed, []Member{source, resources(append(tags, may("updated")...)...).loosely()}
	case "resource_context_changed":
		b.Source, b.Members = Consumed, []Member{keyedBy("resources", v.PublicID, append(unkeyed, attributes...)...).loosely(), source}
	case "resource_metadata_changed":
		// Programs read a list; the documentation of some years before has an object.
		b.Source, b.Members = Consumed, []Member{eitherOf(resources(append(entry, attributes...)...).loosely()), source}
	case "resource_display_name_changed":
		names := append(entry, has("previous_display_name", "old"), has("new_display_name", "new"))
		b.Source, b.Members = Consumed, []Member{eitherOf(resources(names...).loosely()), source}
	case "move":
		folders := append(unkeyed, has("from_asset_folder", ""), has("to_asset_folder", "shop"), has("display_name", v.PublicID))
		b.Source, b.Members = Consumed, []Member{keyedBy("resources", v.PublicID, folders...).loosely(), source}
	case "error":
		failure := nested("error", has("message", "Invalid image file"), has("code", 400))
		b.Members = []Member{failure, has("asset_id", v.AssetID), has("public_id", v.PublicID)}
	default:
		b.Members = []Member{has("asset_id", v.AssetID), has("public_id", v.PublicID)}
	}
}

// enveloped adds the members that all notifications have.
func (v Values) enveloped(body []Member, eventType string) []Member {
	kind := has("notification_type", eventType)
	var before, after []Member
	switch eventType {
	// Some of these have no time and no request.
	case "moderation", "info", "sprite", "explode":
		after = may("timestamp", "request_id")
	case "delete":
		kind.shape.constant, after = eventType, may("timestamp", "request_id")
	default:
		kind.shape.constant = eventType
		before = []Member{has("timestamp", v.seconds("-07:00")), has("request_id", v.RequestID)}
	}
	members := append([]Member{kind}, before...)
	members = append(members, body...)
	members = append(members,
		nested("notification_context",
			has("triggered_at", v.At.Format("2006-01-02T15:04:05.000000Z07:00")),
			nested("triggered_by", has("source", "api"), has("id", v.APIKey)).loosely(),
		).loosely(),
		has("signature_key", v.APIKey))
	return append(members, after...)
}

func (v Values) seconds(zone string) string { return v.At.Format("2006-01-02T15:04:05" + zone) }

func (v Values) version() int64 {
	if v.At.Equal(time.Time{}) {
		return 0
	}
	return v.At.Unix()
}

// entry is an asset in a list of them.
func (v Values) entry() []Member {
	return []Member{has("asset_id", v.AssetID), has("public_id", v.PublicID), has("resource_type", "image"), has("type", "upload")}
}

func (v Values) path(transformation, ending string) string {
	return fmt.Sprintf("res.cloudinary.com/%s/image/upload/%sv%d/%s.%s", v.Cloud, transformation, v.version(), v.PublicID, ending)
}

func (v Values) upload() []Member {
	path := v.path("", "jpg")
	members := []Member{
		has("asset_id", v.AssetID), has("public_id", v.PublicID), has("version", v.version()), has("version_id", v.VersionID),
		has("width", 864), has("height", 576), has("format", "jpg"), has("resource_type", "image"), has("created_at", v.seconds("Z")),
		has("tags", []any{}).listing(shape{kind: text}), has("bytes", 120253), has("type", "upload"), has("etag", v.ETag),
		has("placeholder", false), has("url", "http://"+path), has("secure_url", "https://"+path),
		has("asset_folder", ""), has("display_name", v.PublicID), has("original_filename", "sample"), has("api_key", v.APIKey),
	}
	// Members that an upload has if the call asks for them, or if the asset is of that kind.
	return append(members, may("access_control", "access_mode", "accessibility_analysis", "audio", "backup", "batch_id", "bit_rate",
		"cinemagraph_analysis", "colors", "context", "coordinates", "delete_token", "done", "duration", "eager", "error", "existing", "exif",
		"faces", "folder", "frame_rate", "grayscale", "illustration_score", "image_metadata", "info", "is_audio", "last_updated",
		"media_metadata", "metadata", "moderation", "nb_frames", "original_extension", "overwritten", "pages", "phash", "playback_url",
		"predominant", "profiles", "quality_analysis", "quality_score", "responsive_breakpoints", "rotation", "semi_transparent",
		"signature", "status", "transformation", "video")...)
}

func (v Values) eager() []Member {
	path := v.path("c_fill,w_200/", "jpg")
	derived := Fields{
		{"transformation", "c_fill,w_200"},
		{"width", 200},
		{"height", 133},
		{"bytes", 9412},
		{"format", "jpg"},
		{"url", "http://" + path},
		{"secure_url", "https://" + path},
	}
	failed := Fields{{"transformation", "e_blur:10/e_blur:10/f_avif"}, {"status", "failed"}, {"reason", "Unsupported format"}}
	entry := shape{kind: object, members: may("transformation", "width", "height", "bytes", "format", "url", "secure_url", "status", "reason"), open: true}
	return []Member{
		has("eager", []any{derived, failed}).listing(entry), has("batch_id", v.BatchID), has("asset_id", v.AssetID),
		has("public_id", v.PublicID), has("api_key", v.APIKey),
	}
}

// uploaded is the asset in a notification about something other than an upload.
func (v Values) uploaded() []Member {
	path := v.path("", "jpg")
	return []Member{
		has("asset_id", v.AssetID), has("public_id", v.PublicID), has("uploaded_at", v.seconds("Z")), has("version", v.version()),
		has("url", "http://"+path), has("secure_url", "https://"+path), has("etag", v.ETag),
	}
}

func (v Values) moderation() []Member {
	response := has("moderation_response", "approved")
	response.shape = shape{} // an object for some kinds
	return append([]Member{
		response, has("moderation_status", "approved"), has("moderation_kind", "manual"), has("moderation_updated_at", v.seconds("Z")),
	}, v.uploaded()...)
}

func (v Values) info() []Member {
	data := Fields{{"data", []any{Fields{{"tag", "shoe"}, {"confidence", 0.98}}}}}
	return append([]Member{
		has("info_kind", "google_tagging"), has("info_status", "complete"), nested("info_data").withSample(data),
	}, v.uploaded()...)
}

func (v Values) explode() []Member {
	page := func(width int) Fields { return Fields{{"width", width}, {"height", 800}} }
	return []Member{
		has("asset_id", v.AssetID), has("batch_id", v.BatchID), has("pages", 2),
		has("image_infos", []any{page(600), page(640)}).anything(),
	}
}

func (v Values) sprite() []Member {
	path := fmt.Sprintf("res.cloudinary.com/%s/image/sprite/v%d/logo", v.Cloud, v.version())
	members := []Member{has("asset_id", v.AssetID)}
	for _, part := range []struct{ name, ending string }{{"css_url", ".css"}, {"image_url", ".png"}, {"json_url", ".json"}} {
		members = append(members, has(part.name, "http://"+path+part.ending), has("secure_"+part.name, "https://"+path+part.ending))
	}
	infos := Fields{{"sample", Fields{{"x", 0}, {"y", 0}, {"width", 100}, {"height", 100}}}}
	return append(members, has("public_id", "logo"), has("version", v.version()), nested("image_infos").withSample(infos))
}

func (v Values) rename() []Member {
	return []Member{
		has("resource_type", "image"), has("type", "upload"), has("from_public_id", "old_"+v.PublicID), has("to_public_id", v.PublicID),
		has("asset_folder", ""), has("display_name", v.PublicID), has("asset_id", v.AssetID),
	}
}

// has is a member that a sample has, too.
func has(name string, value any) Member {
	m := Member{Name: name, value: value}
	switch value.(type) {
	case string:
		m.shape.kind = text
	case int, int64, float64:
		m.shape.kind = number
	case bool:
		m.shape.kind = boolean
	case []any:
		m.shape.kind, m.shape.entry = list, &shape{}
	}
	return m
}

// may are members that a body may have, of any kind.
func may(names ...string) []Member {
	members := make([]Member, 0, len(names))
	for _, name := range names {
		members = append(members, Member{Name: name})
	}
	return members
}

// nested is an object.
func nested(name string, members ...Member) Member {
	return Member{Name: name, value: fieldsOf(members), shape: shape{kind: object, members: members}}
}

// resources is a list of objects under that name, of which a sample has one.
func resources(entry ...Member) Member {
	return Member{Name: "resources", value: []any{fieldsOf(entry)}, shape: shape{kind: list, members: entry}}
}

// keyedBy is an object of objects by public ID, of which a sample has one.
func keyedBy(name, key string, entry ...Member) Member {
	return Member{Name: name, value: Fields{{key, fieldsOf(entry)}}, shape: shape{kind: keyed, members: entry}}
}

// eitherOf leaves open whether a member is a list or an object by public ID.
func eitherOf(m Member) Member {
	m.shape.kind = either
	return m
}

// loosely allows more members than the known ones.
func (m Member) loosely() Member {
	m.shape.open = true
	return m
}

// anything means that the content is unknown.
func (m Member) anything() Member {
	m.shape = shape{}
	return m
}

// listing sets the shape of each entry of a list.
func (m Member) listing(entry shape) Member {
	m.shape.entry = &entry
	return m
}

// withSample is an object with members of any name. A sample has these.
func (m Member) withSample(sample Fields) Member {
	m.value, m.shape = sample, shape{}
	return m
}

func (m Member) from(source Source) Member {
	m.Source = source
	return m
}

func fieldsOf(members []Member) Fields {
	fields := make(Fields, 0, len(members))
	for i := range members {
		if members[i].Sampled() {
			fields = append(fields, Field{members[i].Name, members[i].value})
		}
	}
	return fields
}
