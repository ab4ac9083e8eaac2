// SPDX-License-Identifier: Apache-2.0

package cloudinary

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestDecodeTrigger(t *testing.T) {
	t.Parallel()
	moment := time.Date(2024, 3, 20, 10, 12, 34, 0, time.UTC)
	scheme := "legacy_hmac"
	tests := map[string]struct {
		json string
		want Trigger
		why  string
	}{
		"every field": {
			json: `{"id":"a1","product_environment_id":"e","uri_type":"webhook","uri":"https://h/","event_type":"upload",
				"created_at":"2024-03-20T10:12:34Z","updated_at":"2024-03-20T10:12:34+00:00","additive":true,
				"filter":{"==": [{"var":"bytes"}, 1.50e3, 12345678901234567890]},"payload_template":{"a": "<{{x}}>"},
				"auth_scheme":"legacy_hmac","added_next_year":{}}`,
			want: Trigger{
				ID: "a1", URIType: "webhook", URI: "https://h/", EventType: "upload", CreatedAt: moment, UpdatedAt: moment,
				Additive: new(true), Filter: json.RawMessage(`{"==":[{"var":"bytes"},1.50e3,12345678901234567890]}`),
				PayloadTemplate: json.RawMessage(`{"a":"<{{x}}>"}`), AuthScheme: &scheme,
			},
			why: "numbers and brackets are kept to the letter",
		},
		"only an id": {json: `{"id":"a1"}`, want: Trigger{ID: "a1"}},
		"every field null": {
			json: `{"id":"a1","uri_type":null,"uri":null,"event_type":null,"created_at":null,"additive":null,"filter":null,
				"payload_template":null,"auth_scheme":null}`,
			want: Trigger{ID: "a1", Filter: json.RawMessage(`null`), PayloadTemplate: json.RawMessage(`null`)},
		},
		"every field of a wrong type": {
			json: `{"id":17,"uri_type":5,"uri":[],"event_type":{},"created_at":"yesterday","updated_at":1710929554,"additive":"yes",
				"filter":"not json","payload_template":7,"auth_scheme":["x"]}`,
			want: Trigger{ID: "17", URIType: "5", Filter: json.RawMessage(`"not json"`), PayloadTemplate: json.RawMessage(`7`)},
			why:  "what cannot be read costs nothing but itself, and a strange uri_type does not pass for an absent one",
		},
		"values in strings": {
			json: `{"id":"a1","additive":"TRUE","filter":" {\"==\": [1, 1]} ","payload_template":"{\"a\": \"b\"}"}`,
			want: Trigger{
				ID: "a1", Additive: new(true), Filter: json.RawMessage(`{"==":[1,1]}`), PayloadTemplate: json.RawMessage(`{"a":"b"}`),
			},
		},
		"unset values in other words": {
			json: `{"id":"a1","additive":0,"filter":{ },"payload_template":"","auth_scheme":""}`,
			want: Trigger{ID: "a1", Additive: new(false), Filter: json.RawMessage(`{}`), PayloadTemplate: json.RawMessage(`null`)},
		},
		"fractions and zones": {
			json: `{"id":"a1","created_at":"2024-03-20T12:12:34.000000+02:00","updated_at":"2024-03-20T10:12:34.5Z"}`,
			want: Trigger{ID: "a1", CreatedAt: moment, UpdatedAt: moment.Add(500 * time.Millisecond)},
		},
		"names in other case": {
			json: `{"id":"a1","URI":"https://other/"}`, want: Trigger{ID: "a1"},
			why: "JSON's names are exact",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := decodeTrigger(json.RawMessage(test.json))
			if !ok {
				t.Fatal("not decoded")
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.why, diff)
			}
		})
	}
}

func TestDecodeList(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		body string
		want int
		err  error
	}{
		"none":                           {`{"triggers":[],"total":0}`, 0, nil},
		"none, without a total":          {`{"triggers":[]}`, 0, nil},
		"null that says it is none":      {`{"triggers":null,"total":0}`, 0, nil},
		"null":                           {`{"triggers":null}`, 0, errUnreadable},
		"two":                            {`{"triggers":[{"id":"a"},{"id":"b"}],"total":2,"next_cursor":null}`, 2, nil},
		"one without brackets":           {`{"triggers":{"id":"a"},"total":1}`, 1, nil},
		"a total that makes no sense":    {`{"triggers":[{"id":"a"}],"total":"many"}`, 1, nil},
		"a total below":                  {`{"triggers":[{"id":"a"}],"total":0}`, 1, nil},
		"a total above":                  {`{"triggers":[{"id":"a"}],"total":2}`, 0, errIncompleteList},
		"a total above as a string":      {`{"triggers":[{"id":"a"}],"total":"2"}`, 0, errIncompleteList},
		"a cursor":                       {`{"triggers":[{"id":"a"}],"next_cursor":"x"}`, 0, errIncompleteList},
		"a page to come":                 {`{"triggers":[{"id":"a"}],"has_more":true}`, 0, errIncompleteList},
		"a trigger without an id":        {`{"triggers":[{"id":"a"},{"uri":"x"}]}`, 0, errIncompleteList},
		"an entry that is not a trigger": {`{"triggers":[{"id":"a"},null]}`, 0, errIncompleteList},
		"nothing":                        {``, 0, errUnreadable},
		"no triggers":                    {`{"total":0}`, 0, errUnreadable},
		"a bare array":                   {`[]`, 0, errUnreadable},
		"a page":                         {`<html>all is well</html>`, 0, errUnreadable},
		"half an answer":                 {`{"triggers":[{"id":"a"}`, 0, errUnreadable},
		"something after it":             {`{"triggers":[]}{}`, 0, errUnreadable},
		"text for triggers":              {`{"triggers":"none"}`, 0, errUnreadable},
		"null alone":                     {`null`, 0, errUnreadable},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := decodeList(strings.NewReader(test.body))
			if !errors.Is(err, test.err) || len(got) != test.want {
				t.Errorf("got %d triggers and error %v, want %d and %v", len(got), err, test.want, test.err)
			}
			if err == nil && got == nil {
				t.Error("a list without an error is not nil")
			}
		})
	}
}

func TestSanitise(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ message, want string }{
		"plain words":              {"Invalid value a for parameter event_type", "Invalid value a for parameter event_type"},
		"several lines":            {" a\r\n\tb\x00\u2028c ", "a b c"},
		"what cannot be printed":   {"a\u202eb\xffc", "abc"},
		"a URL":                    {"bad https://h.example:8443/T0/B0/token?x=y#z here", "bad https://h.example:8443/… here"},
		"a bare host":              {"bad https://h.example/", "bad https://h.example"},
		"a URL with userinfo":      {`bad "https://u:p@h.example/a"`, `bad "https://…"`},
		"userinfo with a slash":    {"bad https://u:p/q@h.example/a", "bad https://…"},
		"a URL as JSON has it":     {`bad https:\/\/h.example\/token`, "bad https://h.example/…"},
		"a percent-encoded URL":    {"bad uri=https%3A%2F%2Fh%2Ftoken", "bad uri=…"},
		"a query":                  {"bad /path?token=abc", "bad /path?…"},
		"userinfo without scheme":  {"bad u:p@h.example/a", "bad …"},
		"an e-mail address":        {"not for a.person@example.com", "not for …"},
		"the secret":               {"key s3cr3t is wrong", "key … is wrong"},
		"a question":               {"really? a=b", "really? a=b"},
		"more than fits":           {strings.Repeat("ü", 200), strings.Repeat("ü", 126) + "…"},
		"exactly what fits":        {strings.Repeat("ü", 128), strings.Repeat("ü", 128)},
		"a URL of another program": {"bad postgres://u:p@db/x", "bad postgres://…"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, sanitize(test.message, "s3cr3t", "", "t")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRetryTimes(t *testing.T) {
	t.Parallel()
	at := time.Date(2024, 10, 4, 14, 0, 0, 0, time.UTC)
	tests := map[string]struct{ got, want time.Time }{
		"an HTTP date":                  {parseHTTPDate("Fri, 04 Oct 2024 14:00:00 GMT"), at},
		"an HTTP date that says UTC":    {parseHTTPDate("Fri, 04 Oct 2024 14:00:00 UTC"), at},
		"Retry-After in seconds":        {parseRetryAfter("60", at.Add(-time.Minute)), at},
		"Retry-After as a date":         {parseRetryAfter("Fri, 04 Oct 2024 14:00:00 GMT", time.Time{}), at},
		"Retry-After of many seconds":   {parseRetryAfter("99999999999", at.Add(-24*time.Hour)), at},
		"Cloudinary's message":          {parseTryAgain("Rate Limit Exceeded. Try again on 2024-10-04 14:00:00 UTC"), at},
		"no HTTP date":                  {parseHTTPDate("soon"), time.Time{}},
		"a negative Retry-After":        {parseRetryAfter("-1", at), time.Time{}},
		"a message with a wrong date":   {parseTryAgain("2024-13-04 14:00:00 UTC"), time.Time{}},
		"a message with no date at all": {parseTryAgain("Rate Limit Exceeded"), time.Time{}},
	}
	for name, test := range tests {
		if !test.got.Equal(test.want) {
			t.Errorf("%s: got %s, want %s", name, test.got, test.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"triggers":[{"id":"a","filter":{"a":[1,2e9]},"payload_template":"{\"a\":1}","additive":"true"}],"total":1}`))
	f.Add([]byte(`{"triggers":{"id":"a","filter":"","payload_template":" null "}}`))
	f.Add([]byte(`{"error":{"message":"https://u:p@h/x?y=z"}}`))
	f.Add([]byte(`{"error":"x"}`))
	f.Add([]byte(`{"id":1e5,"uri_type":{},"created_at":0,"filter":"\"\""}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, body []byte) {
		triggers, err := decodeList(bytes.NewReader(body))
		if err != nil && triggers != nil {
			t.Error("part of a list came beside an error")
		}
		if created, ok := decodeCreated(body); ok {
			triggers = append(triggers, created)
		}
		for _, trigger := range triggers {
			checkDecoded(t, trigger)
		}
		message, _ := errorMessage(body)
		clean := sanitize(message)
		if len(clean) > maxMessageBytes || !utf8.ValidString(clean) || strings.ContainsFunc(clean, unicode.IsControl) {
			t.Errorf("not fit for a condition: %q", clean)
		}
		_ = acknowledges(body)
		_, _ = decodeTestResult(body)
	})
}

func checkDecoded(t *testing.T, trigger Trigger) {
	t.Helper()
	if trigger.ID == "" {
		t.Error("a trigger without an id")
	}
	for _, raw := range []json.RawMessage{trigger.Filter, trigger.PayloadTemplate} {
		if raw != nil && !json.Valid(raw) {
			t.Errorf("not JSON: %q", raw)
		}
	}
}
