// SPDX-License-Identifier: Apache-2.0

package notification

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/cloudinary-operator/cloudinary-operator/internal/excerpt"
)

const (
	// maxNoteBytes is how long the note of a Kubernetes Event may be.
	maxNoteBytes = 1024
	// maxQuotedBytes leaves room for the rest of the note. It is more than a public id has at Cloudinary.
	maxQuotedBytes = 256
)

// Note is what a Kubernetes Event says of a notification: what happened to which asset, in one line of at most 1024
// bytes. Texts of the notification stand in quotes with control characters escaped, so that nobody can write a line
// of their own. It tells nothing of who did it, and of a URL no more than scheme, host and path.
func Note(eventType string, n Notification) string {
	if !looksLikeEventType(eventType) {
		eventType = UnknownEventType
	}
	about := About(n)
	if about == "" {
		about = "names no asset"
	}
	return excerpt.Shorten(eventType+": "+about, maxNoteBytes)
}

// About is what Note says behind the event type, in at most 1024 bytes; empty where the notification tells nothing.
func About(n Notification) string {
	var parts []string
	switch {
	case n.Assets > 1:
		parts = append(parts, strconv.Itoa(n.Assets)+" assets")
	case n.Assets == 1:
		var b strings.Builder
		describeAsset(&b, &n)
		parts = append(parts, b.String())
	case n.Moved:
		parts = append(parts, "folder "+quoted(n.PreviousFolder)+", now "+quoted(n.Folder))
	case n.Folder != "":
		parts = append(parts, "folder "+quoted(n.Folder))
	}
	if n.Moved && n.Assets == 1 {
		parts = append(parts, "from "+folder(n.PreviousFolder)+" to "+folder(n.Folder))
	}
	parts = append(parts, verdicts(&n)...)
	if n.Failed > 0 {
		parts = append(parts, strconv.Itoa(n.Failed)+" of "+strconv.Itoa(n.Derived)+" derived assets failed")
	} else if n.Derived > 0 {
		parts = append(parts, "derived assets: "+strconv.Itoa(n.Derived))
	}
	return excerpt.Shorten(strings.Join(parts, ", "), maxNoteBytes)
}

// folder is an asset's.
func folder(path string) string {
	if path == "" {
		return "the root folder"
	}
	return "folder " + quoted(path)
}

// verdicts are how moderations and add-ons ended, and what went wrong.
func verdicts(n *Notification) []string {
	var parts []string
	if n.Moderation != "" {
		moderation := "moderation " + word(n.Moderation)
		if n.ModerationKind != "" {
			moderation += " (" + word(n.ModerationKind) + ")"
		}
		parts = append(parts, moderation)
	}
	switch {
	case n.AddOn != "" && n.AddOnStatus != "":
		parts = append(parts, word(n.AddOn)+" "+word(n.AddOnStatus))
	case n.AddOn != "":
		parts = append(parts, word(n.AddOn))
	}
	if n.Failure != "" {
		parts = append(parts, "error "+strconv.Quote(excerpt.Shorten(withoutAddresses(n.Failure), maxQuotedBytes)))
	}
	return parts
}

func describeAsset(b *strings.Builder, n *Notification) {
	if n.ResourceType == "" {
		b.WriteString("asset ")
	} else {
		b.WriteString(word(n.ResourceType) + " ")
	}
	if n.PublicID == "" {
		b.WriteString("with id " + word(n.AssetID))
	} else {
		b.WriteString(quoted(n.PublicID))
	}
	if n.PreviousID != "" {
		b.WriteString(", before " + quoted(n.PreviousID))
	}
	var details []string
	if n.DeliveryType != "" && n.DeliveryType != "upload" {
		details = append(details, word(n.DeliveryType))
	}
	if n.Format != "" {
		details = append(details, word(n.Format))
	}
	if n.Bytes > 0 {
		details = append(details, strconv.FormatInt(n.Bytes, 10)+" bytes")
	}
	if len(details) > 0 {
		b.WriteString(" (" + strings.Join(details, ", ") + ")")
	}
}

// word returns text as it is where it is one of Cloudinary's plain words, and in quotes otherwise.
func word(text string) string {
	for i := range len(text) {
		if c := text[i]; (c < 'a' || c > 'z') && !isDigit(c) && c != '_' {
			return quoted(text)
		}
	}
	return excerpt.Shorten(text, maxQuotedBytes)
}

func quoted(text string) string {
	return strconv.Quote(excerpt.Shorten(withoutQuery(text), maxQuotedBytes))
}

// withoutQuery takes from a URL what may give access: the public id of a fetched asset is the URL it came from.
func withoutQuery(text string) string {
	if plain, err := url.PathUnescape(text); err == nil && strings.Contains(plain, "://") {
		text = plain
	}
	scheme, rest, found := strings.Cut(text, "://")
	if !found {
		return text
	}
	if i := strings.IndexAny(rest, "?#"); i >= 0 {
		rest = rest[:i]
	}
	host, path, _ := strings.Cut(rest, "/")
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		host = host[i+1:]
	}
	if path != "" {
		path = "/" + path
	}
	return scheme + "://" + host + path
}

// withoutAddresses takes from a sentence what may give access, or tell of people: queries and user names of the URLs in it, and what looks like an
// e-mail address.
func withoutAddresses(sentence string) string {
	words := strings.Fields(sentence)
	for i, one := range words {
		if plain := withoutQuery(one); plain != one {
			words[i] = plain
		} else if strings.Contains(one, "@") {
			words[i] = "…"
		}
	}
	return strings.Join(words, " ")
}
