// SPDX-License-Identifier: Apache-2.0

// Package notification knows Cloudinary's notifications: who signed one and when, what it is about, which others it
// repeats or must wait for, and the vocabulary of event types. It is pure: bytes and times go in, answers come out.
//
// It must not read a clock, and must know neither HTTP nor Kubernetes. Nothing of a body is looked into before its
// signature matched: Policy.Verify comes before Decode, and Decode before all that takes a Notification.
package notification

import (
	"slices"
	"strconv"

	"github.com/cloudinary-operator/cloudinary-operator/internal/excerpt"
)

// EventTypes are the event types that Cloudinary documents for triggers, sorted: the values of event_type in its published OpenAPI
// (environment-config 0.5.5). Cloudinary may accept more, so a name that is not among them deserves a warning, not a refusal.
func EventTypes() []string {
	return []string{
		"access_control_changed",
		"all",
		"bulk_refresh_auto_fetch",
		"create_folder",
		"delete",
		"delete_by_token",
		"delete_folder",
		"eager",
		"error",
		"explode",
		"generate_archive",
		"info",
		"invalidate_custom_cdn",
		"moderation",
		"moderation_summary",
		"move",
		"move_or_rename_asset_folder",
		"multi",
		"proof_status_changed",
		"publish",
		"related_assets",
		"rename",
		"report",
		"resource_context_changed",
		"resource_display_name_changed",
		"resource_metadata_changed",
		"resource_tags_changed",
		"restore_asset_version",
		"sprite",
		"upload",
	}
}

// KnownEventType reports whether Cloudinary documents the event type.
func KnownEventType(name string) bool {
	_, found := slices.BinarySearch(EventTypes(), name)
	return found
}

// maxTypos is how many letters a name may be away from the one that was probably meant.
const maxTypos = 2

// ClosestEventType returns the documented event type that was probably meant by name, the first by the alphabet of those equally
// close, or nothing where none is close.
func ClosestEventType(name string) string { return Closest(name, EventTypes()) }

// EventTypeDoubt says what is doubtful of an event type that Cloudinary does not document, and which one was probably meant. Of one that is
// documented it says nothing.
func EventTypeDoubt(name string) string {
	if KnownEventType(name) {
		return ""
	}
	doubt := "event type " + strconv.Quote(excerpt.Shorten(name, maxEventTypeBytes)) + " is not one this operator knows"
	if closest := ClosestEventType(name); closest != "" {
		doubt += " (did you mean " + strconv.Quote(closest) + "?)"
	}
	return doubt
}

// Closest returns that of the known names that was probably meant by name, the first of those equally close, or nothing where none is close.
func Closest(name string, known []string) string {
	closest, best := "", maxTypos+1
	for _, candidate := range known {
		// A distance is no less than the difference in length; this keeps a name of any length cheap.
		if len(name) > len(candidate)+maxTypos || len(candidate) > len(name)+maxTypos {
			continue
		}
		// As many typos as letters would make any word out of any other.
		if d := distance(name, candidate); d < best && d < len(candidate)-1 {
			closest, best = candidate, d
		}
	}
	return closest
}

// distance is Levenshtein's: how many bytes have to be inserted, removed or replaced to get from a to b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(row[j+1]+1, row[j]+1, replaced)
		}
	}
	return row[len(b)]
}
