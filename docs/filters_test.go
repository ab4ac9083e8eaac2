// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/eventbody"
	"github.com/cloudinary-operator/cloudinary-operator/internal/firing"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

const filtersPage = "filters.md"

// between is what stands between two comments of the page.
func between(t *testing.T, begin string) string {
	t.Helper()
	raw, err := os.ReadFile(filtersPage)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(raw), "<!-- "+begin+" -->\n")
	text, _, ends := strings.Cut(rest, "<!-- end -->")
	if !found || !ends {
		t.Fatalf("%s has no %s", filtersPage, begin)
	}
	return text
}

// rows are those of a table between two comments, without its head.
func rows(t *testing.T, begin string) [][]string {
	t.Helper()
	var cells [][]string
	for line := range strings.Lines(between(t, begin)) {
		row := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		for i := range row {
			row[i] = strings.TrimPrefix(strings.TrimSuffix(row[i], " "), " ")
		}
		cells = append(cells, row)
	}
	if len(cells) < 3 {
		t.Fatalf("%s is no table", begin)
	}
	return cells[2:]
}

func TestFiltersPageHasTheTable(t *testing.T) {
	t.Parallel()
	want := "| event type | members | known from |\n|---|---|---|\n"
	var assumed []string
	for _, eventType := range notification.EventTypes() {
		b := eventbody.Known(eventType)
		switch {
		case eventType == "all":
		case b.Source == eventbody.Assumed:
			assumed = append(assumed, "`"+eventType+"`")
		default:
			want += fmt.Sprintf("| `%s` | %s | %s |\n", eventType, strings.Join(membersOf(b), ", "), b.Source)
		}
	}
	want += "| " + strings.Join(assumed, ", ") + " | not known | assumed |\n"
	if got := between(t, "event types"); got != want {
		t.Errorf("the page's table should be\n%s", want)
	}
}

// membersOf are a body's own, as the page writes them.
func membersOf(b eventbody.Body) []string {
	var texts []string
	for i := range b.Members {
		m := &b.Members[i]
		switch inner := m.Members(); {
		case slices.Contains([]string{"notification_type", "notification_context", "signature_key", "timestamp", "request_id"}, m.Name), !m.Sampled():
		case strings.HasPrefix(m.Kind(), "list") && len(inner) > 0:
			texts = append(texts, "`"+m.Name+"[]`: "+sampled(inner)+suffix(m.Kind()))
		case len(inner) > 0:
			texts = append(texts, "`"+m.Name+"` ("+m.Kind()+"): "+sampled(inner))
		default:
			texts = append(texts, "`"+m.Name+"`")
		}
	}
	if !b.Members[slices.IndexFunc(b.Members, func(m eventbody.Member) bool { return m.Name == "timestamp" })].Sampled() {
		texts = append(texts, "without `timestamp` and `request_id`")
	}
	return texts
}

func suffix(kind string) string {
	if kind == "list" {
		return ""
	}
	return " (" + kind + ": nobody knows)"
}

func sampled(members []eventbody.Member) string {
	var names []string
	for i := range members {
		if members[i].Sampled() {
			names = append(names, "`"+members[i].Name+"`")
		}
	}
	return strings.Join(names, " ")
}

// heldBack are changes to samples with which the page's filters let them through, or not; by the filters' first column.
func heldBack() map[string]struct{ through, back string } {
	list := func(entry string) string { return `{"resources":[` + entry + `]}` }
	const video = `{"resource_type":"video"}`
	both := `{"resource_type":"video","resources":[` + video + `]}`
	return map[string]struct{ through, back string }{
		"images":                {`{}`, video},
		"what has a tag":        {`{"tags":["shoe"]}`, `{"tags":["shoelace"]}`},
		"what lies in a folder": {`{"asset_folder":"shop/new"}`, `{"asset_folder":"archive"}`},
		"what was made large":   {`{}`, `{"bytes":5}`},
		"deletions and changes of at least one image":   {list(video + `,{"resource_type":"image"}`), list(video)},
		"images, with one asset or several in the body": {`{}`, both},
		"uploads of images, and all else":               {`{}`, `{"notification_type":"upload","resource_type":"video"}`},
		"assets that got a tag":                         {`{}`, list(`{"added":["old"]}`)},
		"what a person did in the Console":              {`{"notification_context":{"triggered_by":{"source":"ui"}}}`, `{}`},
		"new names":                                     {`{"to_public_id":"shop/a"}`, `{}`},
		"folders below another one":                     {`{}`, `{"folder_path":"shop"}`},
		"folders that leave or enter another one":       {`{}`, `{"from_path":"a","to_path":"b"}`},
		"what was rejected":                             {`{"moderation_status":"rejected"}`, `{}`},
		"one add-on, once it is done":                   {`{}`, `{"info_status":"failed"}`},
		"derived assets that failed":                    {`{}`, `{"eager":[{"status":"processing"}]}`},
		"documents of several pages":                    {`{}`, `{"pages":1}`},
	}
}

func TestFiltersOfThePage(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, row := range rows(t, "filters") {
		what, eventTypes, filter := row[0], strings.Split(row[1], ", "), json.RawMessage(strings.Trim(row[2], "`"))
		changes, known := heldBack()[what]
		if !known {
			t.Errorf("%q is not tried", what)
			continue
		}
		if err := plan.CheckFilter(filter); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if doubts := eventbody.Doubts(filter, nil, eventTypes); doubts != nil {
			t.Errorf("%s: %s", what, doubts)
		}
		for _, eventType := range eventTypes {
			seen[eventType] = true
			for change, want := range map[string]bool{changes.through: true, changes.back: false} {
				body := changed(t, sampleOf(eventType), change)
				done, err := firing.Rehearse(firing.Rehearsal{EventType: eventType, Notification: body, Filter: filter})
				if err != nil || done.Passes != want {
					t.Errorf("%s: lets through: %t, want %t (%v) of %s", what, done.Passes, want, err, body)
				}
			}
		}
	}
	for _, eventType := range notification.EventTypes() {
		source := eventbody.SourceOf(eventType)
		if !seen[eventType] && source != eventbody.Assumed && !slices.Contains([]string{
			"all", "sprite", "resource_metadata_changed", "resource_display_name_changed", // in the shape of others
		}, eventType) {
			t.Errorf("there is no filter for %s", eventType)
		}
	}
}

func sampleOf(eventType string) []byte {
	body, err := eventbody.Sample(eventType, eventbody.Values{
		At: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Cloud: "demo", APIKey: "4711", RequestID: "r", AssetID: "a", PublicID: "sample", BatchID: "b",
	})
	if err != nil {
		return nil
	}
	return body
}

// changed replaces members of a body.
func changed(t *testing.T, body []byte, change string) []byte {
	t.Helper()
	var members map[string]any
	for _, text := range []string{string(body), change} {
		if err := json.Unmarshal([]byte(text), &members); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
	}
	raw, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestTemplatesOfThePage(t *testing.T) {
	t.Parallel()
	for _, row := range rows(t, "templates") {
		template, err := json.Marshal(map[string]string{"t": strings.Trim(row[1], "`")})
		if err != nil {
			t.Fatal(err)
		}
		eventTypes := strings.Split(row[0], ", ")
		if doubts := eventbody.Doubts(nil, template, eventTypes); doubts != nil {
			t.Errorf("%s: %s", template, doubts)
		}
		for _, eventType := range eventTypes {
			done, err := firing.Rehearse(firing.Rehearsal{EventType: eventType, Notification: sampleOf(eventType), PayloadTemplate: template})
			if want := `{"t":"` + strings.Trim(row[2], "`") + `"}`; err != nil || string(done.Body) != want {
				t.Errorf("%s: %s, want %s (%v)", eventType, done.Body, want, err)
			}
		}
	}
}

// Whoever copies a manifest from here gets notifications: of each event type, and with something in them.
func TestTriggersFire(t *testing.T) {
	t.Parallel()
	triggers := map[string][]v1alpha1.CloudinaryTrigger{}
	for page, text := range pages(t) {
		for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(text, -1) {
			triggers[page] = append(triggers[page], triggersIn(t, block[1])...)
		}
	}
	for _, pattern := range []string{"../config/samples/*.yaml", "../hack/demo/*.yaml", "../config/samples/*/*.yaml"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			raw, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			triggers[name] = append(triggers[name], triggersIn(t, string(raw))...)
		}
	}
	count := 0
	for where, found := range triggers {
		for i := range found {
			count++
			mustFire(t, where, &found[i])
		}
	}
	if count < 10 {
		t.Errorf("there are %d triggers", count)
	}
}

func triggersIn(t *testing.T, text string) []v1alpha1.CloudinaryTrigger {
	t.Helper()
	var triggers []v1alpha1.CloudinaryTrigger
	for document := range strings.SplitSeq(text, "\n---\n") {
		if !regexp.MustCompile(`(?m)^kind: CloudinaryTrigger$`).MatchString(document) {
			continue
		}
		var trigger v1alpha1.CloudinaryTrigger
		if err := yaml.Unmarshal([]byte(document), &trigger); err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		triggers = append(triggers, trigger)
	}
	return triggers
}

func mustFire(t *testing.T, where string, trigger *v1alpha1.CloudinaryTrigger) {
	t.Helper()
	filter, template := raw(trigger.Spec.Filter), raw(trigger.Spec.PayloadTemplate)
	for _, doubt := range eventbody.Doubts(filter, template, trigger.Spec.EventTypes) {
		t.Errorf("%s, %s: %s", where, trigger.Name, doubt)
	}
	for _, eventType := range trigger.Spec.EventTypes {
		if doubt := notification.EventTypeDoubt(eventType); doubt != "" {
			t.Errorf("%s, %s: %s", where, trigger.Name, doubt)
		}
		if eventType == "all" || eventbody.Unsure(filter, eventType) != nil {
			continue
		}
		done, err := firing.Rehearse(firing.Rehearsal{
			EventType: eventType, Notification: sampleOf(eventType), Filter: filter, PayloadTemplate: template,
		})
		if err != nil || !done.Passes {
			t.Errorf("%s, %s does not fire for %s (%v)", where, trigger.Name, eventType, err)
		}
		if template != nil && strings.Contains(string(done.Body), `:""`) {
			t.Errorf("%s, %s: what is sent for %s has nothing in it: %s", where, trigger.Name, eventType, done.Body)
		}
	}
}

func raw(extension *runtime.RawExtension) json.RawMessage {
	if extension == nil {
		return nil
	}
	return extension.Raw
}
