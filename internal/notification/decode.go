// SPDX-License-Identifier: Apache-2.0

package notification

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Notification is what delivery needs to know of a notification. The body that reaches a target is the one received,
// never made from this. Texts are as the body has them: of any length, with any characters in them. What is absent, or
// of another kind than Cloudinary sends, is zero.
type Notification struct {
	// Type is the member notification_type where it looks like an event type, so that it may become a label.
	Type string
	// RequestID is that of the API call, which other notifications may share.
	RequestID string
	// TriggeredAt is notification_context.triggered_at. Who triggered it, which may be an e-mail address, is not read.
	TriggeredAt time.Time
	// Folder is the path of the folder that was created or deleted, or to which a folder, or the one asset, was moved.
	Folder string
	// Moved says that something was moved, and PreviousFolder from where. An empty path is that of the root folder.
	Moved          bool
	PreviousFolder string
	// Moderation is how a moderation ended, e.g. approved, and ModerationKind who moderated, e.g. manual or aws_rek.
	Moderation, ModerationKind string
	// AddOn is what analyzed the asset, e.g. google_tagging, and AddOnStatus how that ended, e.g. complete.
	AddOn, AddOnStatus string
	// Failure is what an error says of itself. It may have a URL in it.
	Failure string
	// Derived is how many derived assets were asked for, and Failed for how many of them in vain.
	Derived, Failed int
	// Assets is how many assets the notification is about: the entries of resources, else the one that the
	// notification itself describes, if it does.
	Assets int
	// Asset is zero unless Assets is one.
	Asset
}

// Asset is what a notification says of the one asset that it is about.
type Asset struct {
	AssetID      string // asset_id
	ResourceType string // resource_type: image, video, raw
	DeliveryType string // type: upload, private, authenticated, fetch, …
	PublicID     string // public_id, or to_public_id after a rename
	PreviousID   string // from_public_id of a rename
	Format       string
	Bytes        int64
	Version      int64
}

// Decode checks that body is exactly one JSON object with white space around it at most, and takes from it what delivery
// needs. It accepts the objects that encoding/json accepts, but for those that nest deeper than MaxDepth, whatever they have in them: no
// shape of notification is refused. What is no object is none: with the same key, other things are signed in the same way. Of members with the same name the last counts, and names are equal where their
// characters are, upper and lower case being different. The error wraps ErrNotJSON or ErrTooDeep, says where, and
// holds nothing of the body.
//
// It allocates once, for the texts, whatever the size of the body.
func Decode(body []byte) (Notification, error) {
	d := decoder{scanner: scanner{data: body}}
	d.notification()
	d.end()
	if d.err != nil {
		return Notification{}, fmt.Errorf("%w, at byte %d", d.err, d.at)
	}
	return d.found(), nil
}

// decoder remembers where in the body things are: texts as they are written, nil where there is no string.
type decoder struct {
	scanner
	notificationType, requestID, triggeredAt []byte
	folder, fromPath, toPath                 []byte

	moderation, moderationKind, addOn, addOnStatus, failure []byte

	derived, failed int
	top             rawAsset
	entries         int      // of resources, as they are written
	entry           rawAsset // the first of them
}

type rawAsset struct {
	assetID, resourceType, deliveryType, publicID, format []byte

	movedFrom, movedTo     []byte
	renamedFrom, renamedTo []byte
	bytes, version         int64
}

func (d *decoder) notification() {
	for name, more := d.member(true); more; name, more = d.member(false) {
		name = readable(name)
		switch string(name) {
		case "notification_type":
			d.notificationType = d.string()
		case "request_id":
			d.requestID = d.string()
		case "notification_context":
			d.context()
		case "resources":
			d.resources()
		case "eager":
			d.eager()
		case "folder_path":
			d.folder = d.string()
		case "from_path":
			d.fromPath = d.string()
		case "to_path":
			d.toPath = d.string()
		case "error":
			d.problem()
		default:
			d.verdict(name)
		}
	}
}

// verdict reads how a moderation or an add-on ended, and the members of an asset otherwise.
func (d *decoder) verdict(name []byte) {
	switch string(name) {
	case "moderation_status":
		d.moderation = d.string()
	case "moderation_kind":
		d.moderationKind = d.string()
	case "info_kind":
		d.addOn = d.string()
	case "info_status":
		d.addOnStatus = d.string()
	default:
		d.assetMember(&d.top, name)
	}
}

// problem reads what went wrong: an object with a message, or a text.
func (d *decoder) problem() {
	d.failure = nil
	if d.peek() != '{' {
		d.failure = d.string()
		return
	}
	for name, more := d.member(true); more; name, more = d.member(false) {
		if string(readable(name)) == "message" {
			d.failure = d.string()
		} else {
			d.value()
		}
	}
}

func (d *decoder) context() {
	d.triggeredAt = nil
	if d.peek() != '{' {
		d.value()
		return
	}
	for name, more := d.member(true); more; name, more = d.member(false) {
		if string(readable(name)) == "triggered_at" {
			d.triggeredAt = d.string()
		} else {
			d.value()
		}
	}
}

// resources reads what happened to several assets: an array, or an object whose names are public ids.
func (d *decoder) resources() {
	d.entries, d.entry = 0, rawAsset{}
	switch d.peek() {
	case '[':
		for more := d.element(true); more; more = d.element(false) {
			d.resource(nil)
		}
	case '{':
		var first []byte
		for name, more := d.member(true); more; name, more = d.member(false) {
			// The last of equal names counts. Only of the first asset more is kept than that there is one.
			if d.entries == 1 && bytes.Equal(unescaped(name), unescaped(first)) {
				d.entries = 0
			}
			if d.entries == 0 {
				first = name
			}
			d.resource(name)
		}
	default:
		d.value()
	}
}

func (d *decoder) resource(publicID []byte) {
	d.entries++
	asset := rawAsset{publicID: publicID}
	if d.peek() != '{' {
		d.value()
	} else {
		for name, more := d.member(true); more; name, more = d.member(false) {
			d.assetMember(&asset, readable(name))
		}
	}
	if asset.publicID == nil {
		asset.publicID = publicID
	}
	if d.entries == 1 {
		d.entry = asset
	}
}

func (d *decoder) assetMember(a *rawAsset, name []byte) {
	switch string(name) {
	case "asset_id":
		a.assetID = d.string()
	case "resource_type":
		a.resourceType = d.string()
	case "type":
		a.deliveryType = d.string()
	case "public_id":
		a.publicID = d.string()
	case "from_public_id":
		a.renamedFrom = d.string()
	case "to_public_id":
		a.renamedTo = d.string()
	case "from_asset_folder":
		a.movedFrom = d.string()
	case "to_asset_folder":
		a.movedTo = d.string()
	case "format":
		a.format = d.string()
	case "bytes":
		a.bytes = d.integer()
	case "version":
		a.version = d.integer()
	default:
		d.value()
	}
}

// eager counts derived assets and those of them that failed.
func (d *decoder) eager() {
	d.derived, d.failed = 0, 0
	if d.peek() != '[' {
		d.value()
		return
	}
	for more := d.element(true); more; more = d.element(false) {
		d.derived++
		if d.peek() != '{' {
			d.value()
			continue
		}
		var status []byte
		for name, more := d.member(true); more; name, more = d.member(false) {
			if string(readable(name)) == "status" {
				status = d.string()
			} else {
				d.value()
			}
		}
		if string(unescaped(status)) == "failed" {
			d.failed++
		}
	}
}

// readable returns a member's name without escapes. One that is not valid UTF-8 is none that is looked for.
func readable(name []byte) []byte {
	if bytes.IndexByte(name, '\\') < 0 {
		return name
	}
	return unescaped(name)
}

// string reads a value, and returns it as it is written if it is a string.
func (d *decoder) string() []byte {
	if d.peek() == '"' {
		return d.text()
	}
	d.value()
	return nil
}

// integer reads a value, and returns it if it is a number written as an integer.
func (d *decoder) integer() int64 {
	if c := d.peek(); c != '-' && !isDigit(c) {
		d.value()
		return 0
	}
	n, err := strconv.ParseInt(string(d.number()), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// asset returns the one asset that the notification is about, and how many there are.
func (d *decoder) asset() (rawAsset, int) {
	asset := d.top
	switch {
	case d.entries > 1:
		return rawAsset{}, d.entries
	case d.entries == 1:
		asset = d.entry
		// A list of one kind of assets may name the kind once.
		if asset.resourceType == nil {
			asset.resourceType = d.top.resourceType
		}
		if asset.deliveryType == nil {
			asset.deliveryType = d.top.deliveryType
		}
	}
	if len(asset.publicID) == 0 {
		asset.publicID = asset.renamedTo
	}
	if d.entries == 0 && len(asset.assetID) == 0 && len(asset.publicID) == 0 {
		return rawAsset{}, 0
	}
	return asset, 1
}

func (d *decoder) found() Notification {
	asset, assets := d.asset()
	n := Notification{
		TriggeredAt: instant(unescaped(d.triggeredAt)), Derived: d.derived, Failed: d.failed, Assets: assets,
		Asset: Asset{Bytes: asset.bytes, Version: asset.version},
	}
	texts := [...]struct {
		to   *string
		text []byte
	}{
		{&n.Type, d.notificationType},
		{&n.RequestID, d.requestID},
		{&n.Folder, d.folder},
		{&n.Moderation, d.moderation},
		{&n.ModerationKind, d.moderationKind},
		{&n.AddOn, d.addOn},
		{&n.AddOnStatus, d.addOnStatus},
		{&n.Failure, d.failure},
		{&n.AssetID, asset.assetID},
		{&n.ResourceType, asset.resourceType},
		{&n.DeliveryType, asset.deliveryType},
		{&n.PublicID, asset.publicID},
		{&n.PreviousID, asset.renamedFrom},
		{&n.Format, asset.format},
		{&n.PreviousFolder, nil},
	}
	from, to := asset.movedFrom, asset.movedTo
	if from == nil || to == nil {
		from, to = d.fromPath, d.toPath
	}
	if n.Moved = from != nil && to != nil; n.Moved {
		texts[2].text, texts[len(texts)-1].text = to, from
	}
	// Together the texts need one allocation, and none of them keeps the body alive.
	size := 0
	for i := range texts {
		texts[i].text = unescaped(texts[i].text)
		size += len(texts[i].text)
	}
	var all strings.Builder
	all.Grow(size)
	for i := range texts {
		all.Write(texts[i].text)
	}
	rest := all.String()
	for i := range texts {
		*texts[i].to, rest = rest[:len(texts[i].text)], rest[len(texts[i].text):]
	}
	if !looksLikeEventType(n.Type) {
		n.Type = ""
	}
	return n
}

// Size is how many bytes the texts have.
func (n *Notification) Size() int {
	return len(n.Type) + len(n.RequestID) + len(n.Folder) + len(n.PreviousFolder) + len(n.Moderation) + len(n.ModerationKind) + len(n.AddOn) +
		len(n.AddOnStatus) + len(n.Failure) + len(n.AssetID) + len(n.ResourceType) + len(n.DeliveryType) + len(n.PublicID) + len(n.PreviousID) + len(n.Format)
}

// instant reads a time as RFC 3339 has it, in UTC, or returns none.
func instant(text []byte) time.Time {
	var t time.Time
	if len(text) == 0 || t.UnmarshalText(text) != nil {
		return time.Time{}
	}
	return t.UTC()
}

// maxEventTypeBytes is more than the longest event type has, and short enough for a label.
const maxEventTypeBytes = 64

// looksLikeEventType reports whether text matches ^[a-z][a-z0-9_]*$ and is not too long.
func looksLikeEventType[T []byte | string](text T) bool {
	if len(text) == 0 || len(text) > maxEventTypeBytes || text[0] < 'a' || text[0] > 'z' {
		return false
	}
	for i := range len(text) {
		if c := text[i]; (c < 'a' || c > 'z') && !isDigit(c) && c != '_' {
			return false
		}
	}
	return true
}
