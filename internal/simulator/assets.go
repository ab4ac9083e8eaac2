// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/cloudinary-operator/cloudinary-operator/internal/eventbody"
)

// Bounds on the assets that are remembered; the oldest are forgotten first.
const (
	maxAssets     = 10000
	maxAssetBytes = 32 << 20
)

type assetKey struct {
	resourceType string
	deliveryType string
	publicID     string
}

// asset is never changed in place.
type asset struct {
	key    assetKey
	fields map[string]any // as the upload's notification had them, without tags
	tags   []string
	size   int // of the notification
}

func (a asset) weight() int { return a.size + len(strings.Join(a.tags, ",")) }

// assets are those that an upload was notified of. It is not safe for concurrent use.
type assets struct {
	byKey map[assetKey]asset
	order []assetKey // oldest first
	size  int
}

func newAssets() *assets { return &assets{byKey: map[assetKey]asset{}} }

func (a *assets) put(one asset) {
	old, known := a.byKey[one.key]
	if !known {
		a.order = append(a.order, one.key)
	}
	a.size += one.weight() - old.weight()
	a.byKey[one.key] = one
	for len(a.order) > maxAssets || (a.size > maxAssetBytes && len(a.order) > 0) {
		a.size -= a.byKey[a.order[0]].weight()
		delete(a.byKey, a.order[0])
		a.order = a.order[1:]
	}
}

func validResourceType(name string) bool {
	return slices.Contains([]string{"image", "video", "raw"}, name)
}

// uploaded is the asset that an upload's notification speaks of.
func uploaded(e event) (asset, bool) {
	fields := e.Fields()
	text := func(name, fallback string) string {
		if value, ok := fields[name].(string); ok && value != "" {
			return value
		}
		return fallback
	}
	key := assetKey{
		resourceType: text("resource_type", "image"), deliveryType: text("type", "upload"), publicID: text("public_id", ""),
	}
	if e.Type != "upload" || key.publicID == "" {
		return asset{}, false
	}
	kept := map[string]any{"public_id": key.publicID, "resource_type": key.resourceType, "type": key.deliveryType}
	for _, name := range []string{
		"asset_id", "format", "version", "created_at", "bytes", "width", "height", "asset_folder",
		"display_name", "url", "secure_url", "etag", "original_filename", "context", "metadata", "placeholder",
	} {
		if value, ok := fields[name]; ok {
			kept[name] = value
		}
	}
	list, _ := fields["tags"].([]any)
	tags := make([]string, 0, len(list))
	for _, value := range list {
		if tag, ok := value.(string); ok {
			tags = append(tags, tag)
		}
	}
	return asset{key: key, fields: kept, tags: cleanTags(tags), size: len(e.Payload)}, true
}

// cleanTags are trimmed, each once, in their order.
func cleanTags(given []string) []string {
	tags := []string{}
	for _, tag := range given {
		if tag = strings.TrimSpace(tag); tag != "" && !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
	}
	return tags
}

// learn makes the asset of an upload exist.
func (s *Simulator) learn(e event) {
	if uploaded, ok := uploaded(e); ok {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.assets.put(uploaded)
	}
}

func (a asset) show() map[string]any {
	shown := maps.Clone(a.fields)
	shown["tags"] = a.tags
	return shown
}

// reference is how a notification about several assets names one.
func (a asset) reference() eventbody.Fields {
	named := eventbody.Fields{
		{Name: "public_id", Value: a.key.publicID}, {Name: "resource_type", Value: a.key.resourceType}, {Name: "type", Value: a.key.deliveryType},
	}
	if id, ok := a.fields["asset_id"]; ok {
		named = append(eventbody.Fields{{Name: "asset_id", Value: id}}, named...)
	}
	return named
}

func (s *Simulator) findAsset(key assetKey) (asset, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.assets.byKey[key]
	return found, ok
}

func assetNotFound(key assetKey) answer {
	return failure(http.StatusNotFound, messageNotFound+" - "+key.publicID)
}

func (s *Simulator) readAsset(req request) answer {
	found, ok := s.findAsset(req.route.asset)
	if !ok {
		return assetNotFound(req.route.asset)
	}
	return success(http.StatusOK, found.show())
}

// updateAsset sets an asset's tags. Whatever else may be updated at Cloudinary is accepted and left alone.
func (s *Simulator) updateAsset(req request) answer {
	given, ok := parseAttributes(req.header.Get("Content-Type"), req.body)
	if !ok {
		return failure(http.StatusBadRequest, messageInvalid)
	}
	if _, known := s.findAsset(req.route.asset); !known {
		return assetNotFound(req.route.asset)
	}
	ownURL, refusal := given.notificationURL()
	if refusal != nil {
		return *refusal
	}
	if value, isGiven := given["tags"]; isGiven {
		tags, ok := givenTags(value)
		if !ok {
			return failure(http.StatusBadRequest, messageInvalid)
		}
		s.retag([]assetKey{req.route.asset}, func([]string) []string { return tags }, ownURL, usedKey(req.header))
	}
	return s.readAsset(req)
}

func (a attributes) notificationURL() (string, *answer) {
	value, given := a["notification_url"]
	if !given || value == "" {
		return "", nil
	}
	text, ok := value.(string)
	if !ok || !validURI(uriTypeWebhook, text) {
		return "", new(failure(http.StatusBadRequest, messageInvalid))
	}
	return text, nil
}

// givenTags are a text with commas, as Cloudinary's SDKs send it, or a list.
func givenTags(value any) ([]string, bool) {
	switch v := value.(type) {
	case string:
		return cleanTags(strings.Split(v, ",")), true
	case []any:
		tags := make([]string, 0, len(v))
		for _, element := range v {
			tag, ok := element.(string)
			if !ok {
				return nil, false
			}
			tags = append(tags, tag)
		}
		return cleanTags(tags), true
	default:
		return nil, false
	}
}

// usedKey is the API key of a call; empty where an OAuth token was used.
func usedKey(header http.Header) string {
	r := http.Request{Header: header}
	key, _, _ := r.BasicAuth()
	return key
}
