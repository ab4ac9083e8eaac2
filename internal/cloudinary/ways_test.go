// SPDX-License-Identifier: Apache-2.0

package cloudinary

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What was tried is not tried again, and each other way to write the same is.
func TestOtherWaysToWriteAnUpdate(t *testing.T) {
	t.Parallel()
	filter, template := json.RawMessage(`{"==":[1,1]}`), json.RawMessage(`{"id":"a"}`)
	strings := UpdateOptions{ClearTemplate: EmptyString, ClearFilter: EmptyString}
	for name, test := range map[string]struct {
		spec  TriggerSpec
		tried UpdateOptions
		// The language of the filter, and the forms for a template and a filter that are not set
		want []string
	}{
		"nothing to clear, no filter's language": {spec: TriggerSpec{Filter: filter, PayloadTemplate: template}, want: []string{"jsonlogic {} {}"}},
		"the language was told":                  {spec: TriggerSpec{Filter: filter, PayloadTemplate: template, FilterLanguage: JSONLogic}, want: []string{" {} {}"}},
		"no filter":                              {spec: TriggerSpec{PayloadTemplate: template}, want: []string{` {} ""`}},
		"neither":                                {spec: TriggerSpec{}, tried: strings, want: []string{` {} ""`, ` "" {}`, " {} {}"}},
		"no template":                            {spec: TriggerSpec{Filter: filter}, want: []string{` "" {}`, "jsonlogic {} {}", `jsonlogic "" {}`}},
	} {
		var got []string
		for _, w := range test.spec.OtherWays(test.tried) {
			got = append(got, fmt.Sprintf("%s %s %s", w.Spec.FilterLanguage, w.Forms.ClearTemplate.raw(), w.Forms.ClearFilter.raw()))
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
