// SPDX-License-Identifier: Apache-2.0

package events

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"pgregory.net/rapid"

	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

var noon = time.Date(2026, 7, 1, 12, 0, 0, 123456789, time.UTC)

func testEndpoint(namespace string, triggers ...route.Trigger) *route.Endpoint {
	return &route.Endpoint{
		Key: types.NamespacedName{Namespace: namespace, Name: "media"}, UID: "uid-of-media", Triggers: triggers,
	}
}

func testTrigger(namespace, name string, eventTypes ...string) route.Trigger {
	return route.Trigger{Key: types.NamespacedName{Namespace: namespace, Name: name}, UID: types.UID("uid-of-" + name), EventTypes: eventTypes}
}

const uploadBody = `{"notification_type":"upload","asset_id":"a1","resource_type":"image","type":"upload","public_id":"dogs/rex","format":"jpg","bytes":1024,
	"notification_context":{"triggered_by":{"id":"somebody@example.com"}}}`

func TestEventTellsWhatHappenedToWhichAsset(t *testing.T) {
	t.Parallel()
	endpoint := testEndpoint("shop", testTrigger("shop", "images", "upload"))
	got := Event(endpoint, Notification{Key: [32]byte{0xab, 0xcd, 0xef, 1, 2, 3}, ReceivedAt: noon, EventType: "upload", Body: []byte(uploadBody)}, "receiver-0")
	want := &eventsv1.Event{
		ObjectMeta:          metav1.ObjectMeta{Namespace: "shop", Name: "images.18be28a6fad84d15.abcdef0102"},
		EventTime:           metav1.NewMicroTime(noon),
		ReportingController: "notifications.cloudinary.dev/receiver",
		ReportingInstance:   "receiver-0",
		Action:              "Notify",
		Reason:              "Upload",
		Regarding: corev1.ObjectReference{
			APIVersion: "notifications.cloudinary.dev/v1alpha1", Kind: "CloudinaryTrigger", Namespace: "shop", Name: "images", UID: "uid-of-images",
		},
		Related: &corev1.ObjectReference{
			APIVersion: "notifications.cloudinary.dev/v1alpha1", Kind: "NotificationEndpoint", Namespace: "shop", Name: "media", UID: "uid-of-media",
		},
		Note: `upload: image "dogs/rex" (jpg, 1024 bytes)`,
		Type: "Normal",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestEventRegardsTheTriggerThatFired(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		triggers  []route.Trigger
		eventType string
		want      string
		related   bool
	}{
		"the trigger of the event type":        {[]route.Trigger{testTrigger("shop", "a", "all"), testTrigger("shop", "b", "delete", "upload")}, "upload", "shop/b", true},
		"the trigger for all event types":      {[]route.Trigger{testTrigger("shop", "a", "all"), testTrigger("shop", "b", "delete")}, "upload", "shop/a", true},
		"a trigger in another namespace":       {[]route.Trigger{testTrigger("team", "c", "upload")}, "upload", "team/c", true},
		"the endpoint, where no trigger fired": {[]route.Trigger{testTrigger("shop", "b", "delete")}, "upload", "shop/media", false},
		"the endpoint, without any trigger":    {nil, "unknown", "shop/media", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			event := Event(testEndpoint("shop", test.triggers...), Notification{ReceivedAt: noon, EventType: test.eventType}, "")
			if got := event.Regarding.Namespace + "/" + event.Regarding.Name; got != test.want {
				t.Errorf("regards %s, want %s", got, test.want)
			}
			if event.Namespace != event.Regarding.Namespace {
				t.Errorf("is in namespace %s, and regards an object in %s", event.Namespace, event.Regarding.Namespace)
			}
			if (event.Related != nil) != test.related {
				t.Errorf("relates to %v", event.Related)
			}
		})
	}
}

func TestReasonIsTheEventTypeInCamelCase(t *testing.T) {
	t.Parallel()
	for eventType, want := range map[string]string{
		"upload":                 "Upload",
		"resource_tags_changed":  "ResourceTagsChanged",
		"all":                    "All",
		"unknown":                "Notification",
		"":                       "Notification",
		"__":                     "Notification",
		strings.Repeat("a", 129): "Notification",
	} {
		if got := Reason(eventType); got != want {
			t.Errorf("Reason(%q) = %q, want %q", eventType, got, want)
		}
	}
}

func TestNotesAreCutAndTellNothingOfABodyThatDoesNotDecode(t *testing.T) {
	t.Parallel()
	long := Notification{ReceivedAt: noon, EventType: "upload", Body: []byte(`{"public_id":"` + strings.Repeat("ü", 4000) + `"}`)}
	if n := len(Event(testEndpoint("shop"), long, "").Note); n > 1024 {
		t.Errorf("the note has %d bytes", n)
	}
	damaged := Notification{ReceivedAt: noon, EventType: "upload", Body: []byte(`{"public_id":"secret"`)}
	if note := Event(testEndpoint("shop"), damaged, "").Note; strings.Contains(note, "secret") || note == "" {
		t.Errorf("the note is %q", note)
	}
}

// TestNamesAreValidAndSortByTime holds for every object's name, and beside the names that client-go makes.
func TestNamesAreValidAndSortByTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		object := rapid.StringMatching(`[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?`).
			Filter(func(s string) bool { return len(validation.IsDNS1123Subdomain(s)) == 0 }).Draw(t, "object")
		nanos := rapid.SliceOfN(rapid.Int64Range(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano(), 1<<62), 2, 20).Draw(t, "times")
		slices.Sort(nanos)
		nanos = slices.Compact(nanos)
		var names []string
		for _, n := range nanos {
			var key [32]byte
			key[0] = rapid.Byte().Draw(t, "key")
			name := Name(object, time.Unix(0, n), key)
			if errs := validation.IsDNS1123Subdomain(name); len(errs) > 0 {
				t.Fatalf("%q: %v", name, errs)
			}
			names = append(names, name)
		}
		if !slices.IsSorted(names) {
			t.Fatalf("not in the order of time: %q", names)
		}
	})
}
