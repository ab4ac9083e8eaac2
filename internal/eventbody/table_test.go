// SPDX-License-Identifier: Apache-2.0

package eventbody

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
)

func values() Values {
	return Values{
		At: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Cloud: "my-cloud", APIKey: "4711",
		RequestID: "r", AssetID: "a", PublicID: "sample", BatchID: "b", VersionID: "v", ETag: "e",
	}
}

// What some bodies have and others have not, by the time at which they were sent.
func often() []string {
	return []string{"notification_context", "signature_key", "timestamp", "request_id", "notification_type"}
}

// The fixtures have the members of bodies that were published, in their order, with values of our
// own. What a sample has, all of an event type have; and what one of them has is known.
func TestSamplesHaveWhatCapturedBodiesHave(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/captured.json")
	if err != nil {
		t.Fatal(err)
	}
	var fixtures map[string][]map[string]any
	if err := json.Unmarshal(raw, &fixtures); err != nil {
		t.Fatal(err)
	}
	for eventType, bodies := range fixtures {
		b := Known(eventType)
		for _, body := range bodies {
			for _, m := range b.Members {
				if _, has := body[m.Name]; m.Sampled() && !has && !slices.Contains(often(), m.Name) {
					t.Errorf("%s: a sample has %s, which no captured one has", eventType, m.Name)
				}
			}
			root := b.root()
			for name, value := range body {
				m, known := find(root.members, name)
				if !known {
					t.Errorf("%s: %s is not known", eventType, name)
				} else if !m.shape.fits(value) {
					t.Errorf("%s: %s is not %q", eventType, name, m.shape.kind)
				}
			}
		}
	}
	for _, eventType := range notification.EventTypes() {
		if _, captured := fixtures[eventType]; captured != slices.Contains([]Source{Captured, Documented}, SourceOf(eventType)) &&
			!slices.Contains([]string{"access_control_changed", "create_folder", "delete_folder"}, eventType) {
			t.Errorf("%s is said to be %s, and its fixture says otherwise", eventType, SourceOf(eventType))
		}
	}
}

// fits reports whether a value may be of the shape.
func (s *shape) fits(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case string:
		return s.kind == text || s.kind == unknown
	case float64:
		return s.kind == number || s.kind == unknown
	case bool:
		return s.kind == boolean || s.kind == unknown
	case []any:
		entry := s.of()
		return s.kind == unknown || (s.kind == list || s.kind == either) && !slices.ContainsFunc(v, func(one any) bool { return !entry.fits(one) })
	case map[string]any:
		if s.kind == keyed || s.kind == either || s.kind == unknown {
			return true
		}
		for name, inner := range v {
			m, known := find(s.members, name)
			if !known && !s.open || known && !m.shape.fits(inner) {
				return false
			}
		}
		return s.kind == object
	default:
		return false
	}
}

// A sample is of its own shape, so that what is told of it is so.
func TestSamplesAreAsTheyAreSaidToBe(t *testing.T) {
	t.Parallel()
	for _, eventType := range notification.EventTypes() {
		if eventType == all {
			continue
		}
		raw, err := Sample(eventType, values())
		if err != nil {
			t.Fatal(err)
		}
		var sample map[string]any
		if err := json.Unmarshal(raw, &sample); err != nil {
			t.Fatalf("%s: %v in %s", eventType, err, raw)
		}
		b := Known(eventType)
		whole := shape{kind: object, members: b.Members}
		if !whole.fits(sample) {
			t.Errorf("%s: %s is not what is known of it", eventType, raw)
		}
		if sample["notification_type"] != eventType {
			t.Errorf("%s: %s", eventType, raw)
		}
		if n, err := notification.Decode(raw); err != nil || n.Type != eventType {
			t.Errorf("%s: the receiver reads %q, %v", eventType, n.Type, err)
		}
		names := namesOf(b.Members)
		if slices.Sort(names); len(slices.Compact(slices.Clone(names))) != len(names) {
			t.Errorf("%s has a member twice: %s", eventType, strings.Join(names, " "))
		}
	}
}

func TestNothingIsMadeUpOfWhatIsNotKnown(t *testing.T) {
	t.Parallel()
	for _, eventType := range []string{"publish", "report", "multi", "generate_archive", "brand_new"} {
		raw, err := Sample(eventType, values())
		if err != nil {
			t.Fatal(err)
		}
		var sample map[string]any
		if err := json.Unmarshal(raw, &sample); err != nil {
			t.Fatal(err)
		}
		want := []string{"asset_id", "notification_context", "notification_type", "public_id", "request_id", "signature_key", "timestamp"}
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(sample))); SourceOf(eventType) != Assumed || diff != "" {
			t.Errorf("%s, %s (-want +got):\n%s", eventType, SourceOf(eventType), diff)
		}
	}
}

func TestReplacedMembers(t *testing.T) {
	t.Parallel()
	raw, err := Sample("resource_tags_changed", values(), Field{"resources", []any{}})
	if err != nil || !regexp.MustCompile(`"resources":\[\],`).Match(raw) {
		t.Errorf("%s, %v", raw, err)
	}
}
