// SPDX-License-Identifier: Apache-2.0

package check

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

func TestFindingNamesFieldCauseAndAdvice(t *testing.T) {
	for want, f := range map[string]Finding{
		"spec.url: is wrong. Correct it": {Field: "spec.url", Why: "is wrong", Advice: "correct it"},
		"is wrong. Correct it":           {Why: "is wrong", Advice: "correct it"},
		"spec.url: is wrong":             {Field: "spec.url", Why: "is wrong"},
	} {
		if got := f.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestNotesOfAMessage(t *testing.T) {
	notes := []Finding{{Field: "spec.url", Why: "is odd", Advice: "look at it"}, {Why: "so is this"}}
	const both = "spec.url: is odd. Look at it. So is this"
	for message, want := range map[string]string{
		Annotate("accepted and synced", notes):        both,
		Annotate("what; is wrong", notes):             both,
		Annotate("accepted and synced", nil):          "",
		"accepted and synced. Another sentence; note": "",
	} {
		if got := NotesIn(message); got != want {
			t.Errorf("notes of %q: %q, want %q", message, got, want)
		}
	}
	if got := Annotate("Refused.", notes[1:]); got != "Refused. Note: so is this" {
		t.Errorf("%q", got)
	}
}

// A condition's message has room for 32768 bytes, and the API server refuses a status with more.
func TestNotesAreBounded(t *testing.T) {
	spec := &v1alpha1.NotificationEndpointSpec{Receiver: &v1alpha1.ReceiverSpec{}}
	for i := range 16 {
		target := v1alpha1.DeliveryTarget{Name: strings.Repeat("n", 63)}
		for j := range 64 {
			target.EventTypes = append(target.EventTypes, fmt.Sprintf("%s%02d%02d", strings.Repeat("x", 60), i, j))
		}
		spec.Receiver.DeliverTo = append(spec.Receiver.DeliverTo, target)
	}
	if got := len(Annotate("accepted", Endpoint(spec))); got > 5000 {
		t.Errorf("a message of %d bytes", got)
	}
}

func raw(text string) *runtime.RawExtension { return &runtime.RawExtension{Raw: []byte(text)} }

func said(findings []Finding) []string {
	all := []string{}
	severities := map[Severity]string{Note: "note", Doubt: "doubt", Refusal: "refusal"}
	for _, f := range findings {
		all = append(all, severities[f.Severity]+" "+f.Reason+": "+f.String())
	}
	return all
}

func TestTrigger(t *testing.T) {
	for name, tc := range map[string]struct {
		spec v1alpha1.CloudinaryTriggerSpec
		want []string
	}{
		"nothing to say": {v1alpha1.CloudinaryTriggerSpec{EventTypes: []string{"upload", "all"}, Filter: raw(`{"==":[1,1]}`), PayloadTemplate: raw(`{"a":"{{event.type}}"}`)}, []string{}},
		"misspelled": {
			v1alpha1.CloudinaryTriggerSpec{EventTypes: []string{"upload", "uplod", "delet"}},
			[]string{
				`doubt : spec.eventTypes: event type "uplod" is not one this operator knows (did you mean "upload"?). Cloudinary most likely refuses it. The operator sends it unchanged`,
				`doubt : spec.eventTypes: event type "delet" is not one this operator knows (did you mean "delete"?). Cloudinary most likely refuses it. The operator sends it unchanged`,
			},
		},
		"not known": {
			v1alpha1.CloudinaryTriggerSpec{EventTypes: []string{"video_captions_ready"}},
			[]string{`note : spec.eventTypes: event type "video_captions_ready" is not one this operator knows. The operator sends it unchanged`},
		},
		"a filter that is never true": {
			v1alpha1.CloudinaryTriggerSpec{EventTypes: []string{"upload", "delete"}, Filter: raw(`{"==":[{"var":"resource_type"},"image"]}`)},
			[]string{`note : spec.filter is never true for delete`},
		},
		"both wrong, and misspelled": {
			v1alpha1.CloudinaryTriggerSpec{EventTypes: []string{"uplod"}, Filter: raw(`{"equals":[1,1]}`), PayloadTemplate: raw(`{"a":"{{b"}`)},
			[]string{
				`refusal InvalidFilter: spec.filter: "equals" is not a JSONLogic operator`,
				`refusal InvalidPayloadTemplate: spec.payloadTemplate.a: is not a Mustache template`,
				`doubt : spec.eventTypes: event type "uplod" is not one this operator knows`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := said(Trigger(&tc.spec))
			for i := range min(len(got), len(tc.want)) {
				got[i] = got[i][:min(len(got[i]), len(tc.want[i]))]
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

func receiving(targets ...v1alpha1.DeliveryTarget) *v1alpha1.NotificationEndpointSpec {
	return &v1alpha1.NotificationEndpointSpec{Receiver: &v1alpha1.ReceiverSpec{DeliverTo: targets}}
}

func TestTargetsEventTypes(t *testing.T) {
	for name, tc := range map[string]struct {
		takes, brought []string
		want           []string
	}{
		"brought":                 {[]string{"upload"}, []string{"upload", "delete"}, []string{}},
		"all is taken":            {nil, []string{"upload"}, []string{}},
		"all, by its word":        {[]string{"all"}, []string{"upload"}, []string{}},
		"all is brought":          {[]string{"delete"}, []string{"all"}, []string{}},
		"what does not say":       {[]string{"unknown", "upload"}, []string{"upload"}, []string{}},
		"one is not brought":      {[]string{"delete", "upload"}, []string{"upload"}, []string{"note : spec.receiver.deliverTo[catalog].eventTypes: no CloudinaryTrigger that uses this endpoint has delete, so the target gets none"}},
		"no trigger brings a one": {[]string{"delete"}, nil, []string{"note : spec.receiver.deliverTo[catalog].eventTypes: no CloudinaryTrigger that uses this endpoint has delete, so the target gets none"}},
		"misspelled":              {[]string{"uplod"}, []string{"upload"}, []string{`doubt : spec.receiver.deliverTo[catalog].eventTypes: event type "uplod" is not one this operator knows (did you mean "upload"?). The target gets nothing for it`}},
		"not known":               {[]string{"captions"}, []string{"upload"}, []string{`note : spec.receiver.deliverTo[catalog].eventTypes: event type "captions" is not one this operator knows. The target gets nothing for it, unless`}},
	} {
		t.Run(name, func(t *testing.T) {
			spec := receiving(v1alpha1.DeliveryTarget{Name: "catalog", EventTypes: tc.takes})
			brought := map[string]bool{}
			for _, eventType := range tc.brought {
				brought[eventType] = true
			}
			got := said(append(Endpoint(spec), TypesWithoutTrigger(spec, brought)...))
			for i := range min(len(got), len(tc.want)) {
				got[i] = got[i][:min(len(got[i]), len(tc.want[i]))]
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUntakenEventTypes(t *testing.T) {
	uploads := v1alpha1.DeliveryTarget{Name: "a", EventTypes: []string{"upload"}}
	for name, tc := range map[string]struct {
		spec  *v1alpha1.NotificationEndpointSpec
		types []string
		want  int
	}{
		"taken":                       {receiving(uploads), []string{"upload"}, 0},
		"not taken":                   {receiving(uploads), []string{"upload", "delete"}, 1},
		"taken by another":            {receiving(uploads, v1alpha1.DeliveryTarget{Name: "b"}), []string{"delete"}, 0},
		"taken by one that takes all": {receiving(uploads, v1alpha1.DeliveryTarget{Name: "b", EventTypes: []string{"all"}}), []string{"delete"}, 0},
		"all":                         {receiving(uploads), []string{"all"}, 0},
		"no target, by intent":        {receiving(), []string{"upload"}, 0},
		"no receiver":                 {&v1alpha1.NotificationEndpointSpec{URL: "https://a.example.com"}, []string{"upload"}, 0},
	} {
		if got := TypesWithoutTarget("shop/media", tc.spec, tc.types); len(got) != tc.want {
			t.Errorf("%s: %v, want %d", name, said(got), tc.want)
		}
	}
}
