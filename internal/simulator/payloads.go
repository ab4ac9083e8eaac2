// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// members are a JSON object's, in the order in which they are written.
type members []member

type member struct {
	name  string
	value any
}

// MarshalJSON implements json.Marshaler.
func (m members) MarshalJSON() ([]byte, error) {
	text := bytes.NewBufferString("{")
	for i, field := range m {
		name, err := compact(field.name)
		if err != nil {
			return nil, err
		}
		value, err := compact(field.value)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			text.WriteByte(',')
		}
		fmt.Fprintf(text, "%s:%s", name, value)
	}
	text.WriteByte('}')
	return text.Bytes(), nil
}

// sample is what a made-up notification is made of. ids are fresh ones, all different.
type sample struct {
	at        time.Time
	cloud     string
	apiKey    string
	requestID string
	assetID   string
	publicID  string
	batchID   string
}

func (s *Simulator) newSample(apiKey string) sample {
	return newSample(s.options.Clock().UTC(), s.options.Cloud, apiKey)
}

func newSample(at time.Time, cloud, apiKey string) sample {
	assetID := newID()
	return sample{
		at: at, cloud: cloud, apiKey: apiKey,
		requestID: newID(), assetID: assetID, publicID: "sample_" + assetID[:12], batchID: newID() + newID(),
	}
}

// notification is a whole made-up one of an event type.
func (s sample) notification(eventType string) []byte {
	return s.wrapped(eventType, s.body(eventType))
}

// wrapped puts around a body what notifications of an event type have in common. Some were only seen without an instant and id.
func (s sample) wrapped(eventType string, body members) []byte {
	all := members{{"notification_type", eventType}}
	if !slices.Contains([]string{"delete", "moderation", "info", "sprite", "explode"}, eventType) {
		all = append(all, member{"timestamp", s.seconds("-07:00")}, member{"request_id", s.requestID})
	}
	all = append(all, body...)
	all = append(
		all,
		member{"notification_context", members{
			{"triggered_at", s.at.Format("2006-01-02T15:04:05.000000Z07:00")},
			{"triggered_by", members{{"source", "api"}, {"id", s.apiKey}}},
		}},
		member{"signature_key", s.apiKey},
	)
	text, err := json.Marshal(all)
	if err != nil {
		return []byte("{}")
	}
	return text
}

func (s sample) seconds(zone string) string { return s.at.Format("2006-01-02T15:04:05" + zone) }

// body is what is special to an event type. An event type that the documentation does not show has a reference to its asset.
func (s sample) body(eventType string) members {
	switch eventType {
	case "upload":
		return s.upload()
	case "eager":
		return s.eager()
	case "delete":
		return members{{"resources", []members{append(s.reference(), member{"version", s.at.Unix()}, member{"asset_folder", ""})}}}
	case "rename":
		return append(members{{"from_public_id", "old_" + s.publicID}, {"to_public_id", s.publicID}}, s.reference()...)
	case "move":
		return s.changed(members{{"from_asset_folder", ""}, {"to_asset_folder", "shop"}})
	case "resource_context_changed", "resource_metadata_changed":
		added := []members{{{"name", "color"}, {"value", "red"}}}
		return s.changed(members{{"added", added}, {"removed", []any{}}, {"updated", []any{}}})
	case "resource_display_name_changed":
		return s.changed(members{{"previous_display_name", "old"}, {"new_display_name", "new"}})
	case "resource_tags_changed":
		return tagsChanged([]members{append(s.reference(), member{"added", []string{"new"}}, member{"removed", []string{}})})
	case "access_control_changed":
		access := []members{{{"access_type", "anonymous"}}}
		return members{{"resources", []members{append(s.reference(), member{"access_control", access})}}}
	case "create_folder", "delete_folder":
		return members{{"folder_name", "shoes"}, {"folder_path", "shop/shoes"}}
	case "move_or_rename_asset_folder":
		return members{{"from_path", "shop/shoes"}, {"to_path", "shop/boots"}}
	case "error":
		return append(members{{"error", members{{"message", "Invalid image file"}, {"code", 400}}}}, s.reference()...)
	case "sprite":
		infos := members{{s.publicID, members{{"x", 0}, {"y", 0}, {"width", 100}, {"height", 100}}}}
		return members{{"public_id", "logo"}, {"version", s.at.Unix()}, {"image_infos", infos}}
	case "moderation":
		return append(s.reference(), member{"moderation_response", "approved"}, member{"moderation_status", "approved"},
			member{"moderation_kind", "manual"}, member{"moderation_updated_at", s.seconds("Z")})
	case "explode":
		return append(s.reference(), member{"status", "success"}, member{"batch_id", s.batchID})
	default:
		return s.reference()
	}
}

func (s sample) reference() members {
	return members{{"asset_id", s.assetID}, {"public_id", s.publicID}, {"resource_type", "image"}, {"type", "upload"}}
}

// changed is a map by public ID, as in the notifications of some changes.
func (s sample) changed(change members) members {
	what := append(members{{"asset_id", s.assetID}, {"resource_type", "image"}, {"type", "upload"}}, change...)
	return members{{"resources", members{{s.publicID, what}}}, {"source", "api"}}
}

// tagsChanged has a list, unlike the other changes.
func tagsChanged(resources []members) members {
	return members{{"source", "api"}, {"resources", resources}}
}

func (s sample) upload() members {
	path := fmt.Sprintf("res.cloudinary.com/%s/image/upload/v%d/%s.jpg", s.cloud, s.at.Unix(), s.publicID)
	return members{
		{"asset_id", s.assetID},
		{"public_id", s.publicID},
		{"version", s.at.Unix()},
		{"version_id", newID()},
		{"width", 864},
		{"height", 576},
		{"format", "jpg"},
		{"resource_type", "image"},
		{"created_at", s.seconds("Z")},
		{"tags", []string{}},
		{"bytes", 120253},
		{"type", "upload"},
		{"etag", newID()},
		{"placeholder", false},
		{"url", "http://" + path},
		{"secure_url", "https://" + path},
		{"asset_folder", ""},
		{"display_name", s.publicID},
		{"original_filename", "sample"},
		{"api_key", s.apiKey},
	}
}

func (s sample) eager() members {
	path := fmt.Sprintf("res.cloudinary.com/%s/image/upload/c_fill,w_200/v%d/%s.jpg", s.cloud, s.at.Unix(), s.publicID)
	derived := members{
		{"transformation", "c_fill,w_200"},
		{"width", 200},
		{"height", 133},
		{"bytes", 9412},
		{"format", "jpg"},
		{"url", "http://" + path},
		{"secure_url", "https://" + path},
	}
	failed := members{
		{"transformation", strings.Repeat("e_blur:10/", 2) + "f_avif"}, {"status", "failed"}, {"reason", "Unsupported format"},
	}
	return members{
		{"eager", []members{derived, failed}},
		{"batch_id", s.batchID},
		{"asset_id", s.assetID},
		{"public_id", s.publicID},
		{"api_key", s.apiKey},
	}
}
