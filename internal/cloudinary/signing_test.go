// SPDX-License-Identifier: Apache-2.0

package cloudinary_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
)

func TestParseSigningKeys(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		data map[string]string
		want [][2]string
		why  string
	}{
		"none":                   {data: map[string]string{"CLOUDINARY_URL": "cloudinary://1:s@c", "signing": "x", "Signing.1": "y"}},
		"several":                {data: map[string]string{"signing.b": "2", "signing.a": "1"}, want: [][2]string{{"a", "1"}, {"b", "2"}}, why: "in the order of the keys"},
		"a line break at an end": {data: map[string]string{"signing.1": " s3cr3t\r\n"}, want: [][2]string{{"1", "s3cr3t"}}, why: "as with all other keys of a Secret"},
		"a byte order mark":      {data: map[string]string{"signing.1": "\uFEFFs3cr3t"}, want: [][2]string{{"1", "s3cr3t"}}, why: "as with all other keys of a Secret"},
		"quotes":                 {data: map[string]string{"signing.1": "\"s3cr3t\"\n"}, want: [][2]string{{"1", "s3cr3t"}}, why: "nobody ever checks a signing key, and every notification would be refused"},
		"backticks":              {data: map[string]string{"signing.1": "`s3cr3t`"}, want: [][2]string{{"1", "s3cr3t"}}, why: "as above"},
		"a zero-width space":     {data: map[string]string{"signing.1": "s3cr3t\u200b"}, want: [][2]string{{"1", "s3cr3t"}}, why: "as above"},
		"its variable's name":    {data: map[string]string{"signing.1": "CLOUDINARY_API_SECRET=s3cr3t"}, want: [][2]string{{"1", "s3cr3t"}}, why: "as above"},
		"a space inside":         {data: map[string]string{"signing.1": "a b"}, want: [][2]string{{"1", "a b"}}, why: "as in api_secret"},
		"128 bytes each":         {data: map[string]string{"signing." + strings.Repeat("1", 128): strings.Repeat("s", 128)}, want: [][2]string{{strings.Repeat("1", 128), strings.Repeat("s", 128)}}, why: "the bound"},
		"a dot in the API key":   {data: map[string]string{"signing.1.2": "s"}, want: [][2]string{{"1.2", "s"}}, why: "the prefix ends at the first dot"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keys, err := cloudinary.ParseSigningKeys(bytesOf(test.data))
			if err != nil {
				t.Fatalf("%s: %v", test.why, err)
			}
			var got [][2]string
			for _, k := range keys {
				got = append(got, [2]string{k.APIKey, k.Secret})
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.why, diff)
			}
		})
	}
}

func TestParseSigningKeysRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		data    map[string]string
		key     string
		problem string
	}{
		"no API key":              {map[string]string{"signing.": "s3cr3t"}, "signing.", "names no API key"},
		"an empty value":          {map[string]string{"signing.123": ""}, "signing.123", "is empty"},
		"nothing but a line feed": {map[string]string{"signing.123": "\n"}, "signing.123", "is empty"},
		"the docs' API key":       {map[string]string{"signing.API_KEY": "s3cr3t"}, "signing.API_KEY", "placeholder"},
		"the docs' secret":        {map[string]string{"signing.123": "<its s3cr3t>"}, "signing.123", "placeholder"},
		"two lines":               {map[string]string{"signing.123": "s3\ncr3t"}, "signing.123", "line break"},
		"binary data":             {map[string]string{"signing.123": "s3\xffcr3t"}, "signing.123", "binary"},
		"a secret of 129 bytes":   {map[string]string{"signing.123": "s3" + strings.Repeat("x", 127)}, "signing.123", "is longer than 128 bytes"},
		"an API key of 129 bytes": {map[string]string{"signing." + strings.Repeat("1", 129): "s3cr3t"}, "signing." + strings.Repeat("1", 129), "names an API key that is longer than 128 bytes"},
		"half a pair of quotes":   {map[string]string{"signing.123": "'s3cr3t"}, "signing.123", "begins or ends with '"},
		"an invisible character":  {map[string]string{"signing.123": "s3\u200dcr3t"}, "signing.123", "invisible character (U+200D)"},
		"two that are wrong":      {map[string]string{"signing.2": "", "signing.1": "", "signing.3": "s3cr3t"}, "signing.1", "is empty"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keys, err := cloudinary.ParseSigningKeys(bytesOf(test.data))
			problem, ok := errors.AsType[*cloudinary.SecretError](err)
			if !ok {
				t.Fatalf("got %v and error %v, want a SecretError", keys, err)
			}
			if problem.Key != test.key || !strings.Contains(problem.Problem, test.problem) {
				t.Errorf("got %q, want %q and a problem with %q", problem, test.key, test.problem)
			}
			if strings.Contains(err.Error(), "s3") {
				t.Errorf("the message shows the secret: %q", err)
			}
		})
	}
}

func TestASigningKeyIsNotPrinted(t *testing.T) {
	t.Parallel()
	key := cloudinary.SigningKey{APIKey: "123", Secret: "hunter2"}
	encoded, err := json.Marshal([]cloudinary.SigningKey{key})
	if err != nil {
		t.Fatal(err)
	}
	printed := fmt.Sprintf("%v %+v %#v %s %q %x %d", key, key, key, key, key, key, &key) + string(encoded)
	if strings.Contains(printed, "hunter2") || strings.Contains(printed, fmt.Sprintf("%x", "hunter2")) {
		t.Errorf("it prints as %s", printed)
	}
}
