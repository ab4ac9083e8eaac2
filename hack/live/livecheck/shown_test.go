// SPDX-License-Identifier: Apache-2.0

package livecheck

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
)

func TestHowAURLCameBack(t *testing.T) {
	const sent = "https://A.EXAMPLE:443/x?q=1"
	cases := map[string]struct{ got, want string }{
		"as it was sent":                  {sent, "off"},
		"with its host in lower case":     {"https://a.example:443/x?q=1", "equivalent"},
		"without its default port":        {"https://A.EXAMPLE/x?q=1", "equivalent"},
		"as a library would write it":     {"https://a.example/x?q=1", "equivalent"},
		"without its query":               {"https://a.example/x", "lossy"},
		"with another path":               {"https://a.example/X?q=1", "lossy"},
		"with another port":               {"https://a.example:8443/x?q=1", "lossy"},
		"as nothing that could be parsed": {"https://a.example:port/", "lossy"},
	}
	for name, c := range cases {
		if got := compareURL(sent, c.got); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestHowAFilterCameBack(t *testing.T) {
	const sent = `{"and":[{"==":[{"var":"a"},1]},{"!":{"var":"b"}}]}`
	cases := map[string]struct{ got, want string }{
		"as it was sent":              {sent, "off"},
		"with other spacing":          {`{ "and": [{"==":[{"var":"a"}, 1]},{"!":{"var":"b"}}] }`, "off"},
		"written in full":             {`{"and":[{"==":[{"var":["a"]},1]},{"!":[{"var":["b"]}]}]}`, "equivalent"},
		"partly written in full":      {`{"and":[{"==":[{"var":["a"]},1]},{"!":{"var":"b"}}]}`, "equivalent"},
		"with another value":          {`{"and":[{"==":[{"var":"a"},2]},{"!":{"var":"b"}}]}`, "lossy"},
		"with a number as a text":     {`{"and":[{"==":[{"var":"a"},"1"]},{"!":{"var":"b"}}]}`, "lossy"},
		"wrapped":                     {`{"and":[` + sent + `]}`, "lossy"},
		"as an empty object":          {`{}`, "lossy"},
		"as null":                     {`null`, "lossy"},
		"as a text that is no filter": {`"and"`, "lossy"},
	}
	for name, c := range cases {
		if got := compareFilter(json.RawMessage(sent), json.RawMessage(c.got)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestWhatIsShown(t *testing.T) {
	cases := map[string]struct {
		members string
		visible []string
		set     []string
	}{
		"every field, set": {
			`{"id":"1","additive":true,"filter":{"var":"x"},"payload_template":{"a":"b"},"auth_scheme":"legacy_hmac"}`,
			optionalFields(), optionalFields(),
		},
		"every field, at its default": {
			`{"id":"1","additive":false,"filter":{},"payload_template":null,"auth_scheme":"default"}`,
			optionalFields(), nil,
		},
		"unset as empty texts and lists": {
			`{"id":"1","filter":"","payload_template":[]}`,
			[]string{"filter", "payload_template"},
			nil,
		},
		"a filter as a text": {
			`{"id":"1","filter":"{\"var\":\"x\"}"}`,
			[]string{"filter"},
			[]string{"filter"},
		},
		"none": {`{"id":"1","Filter":{"var":"x"}}`, nil, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			for _, body := range []string{c.members, `{"triggers":` + c.members + `}`, `{"trigger":` + c.members + `}`} {
				one, wrapped := created(cloudinary.Trigger{ID: "1"}, []byte(body))
				if wrapped != (body != c.members) {
					t.Errorf("%s: wrapped is %t", body, wrapped)
				}
				if diff := cmp.Diff(c.visible, one.visible()); diff != "" {
					t.Errorf("%s: visible (-want +got):\n%s", body, diff)
				}
				var set []string
				for _, field := range optionalFields() {
					if one.isSet(field) {
						set = append(set, field)
					}
				}
				if diff := cmp.Diff(c.set, set); diff != "" {
					t.Errorf("%s: set (-want +got):\n%s", body, diff)
				}
			}
		})
	}
}
