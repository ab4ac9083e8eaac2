// SPDX-License-Identifier: Apache-2.0

package cloudinary_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
)

func bytesOf(data map[string]string) map[string][]byte {
	converted := map[string][]byte{}
	for key, value := range data {
		converted[key] = []byte(value)
	}
	return converted
}

// fields makes differences readable, which Credentials itself prevents.
func fields(c cloudinary.Credentials) []string {
	return []string{c.APIBase, c.CloudName, c.APIKey, c.APISecret, c.OAuthToken}
}

func TestParseSecret(t *testing.T) {
	t.Parallel()
	const base = cloudinary.DefaultAPIBase
	plain := []string{base, "my-cloud", "123", "s3cr3t", ""}
	tests := map[string]struct {
		data map[string]string
		want []string
		why  string
	}{
		"a plain URL": {
			data: map[string]string{"CLOUDINARY_URL": "cloudinary://123:s3cr3t@my-cloud"}, want: plain,
		},
		"a URL from a file with a line break at its end": {
			data: map[string]string{"CLOUDINARY_URL": " \tcloudinary://123:s3cr3t@my-cloud\r\n"}, want: plain,
			why: "kubectl create secret --from-file keeps the line break",
		},
		"a URL with the variable's name, export and quotes": {
			data: map[string]string{"CLOUDINARY_URL": "export CLOUDINARY_URL=\"cloudinary://123:s3cr3t@my-cloud\"\n"}, want: plain,
			why: "the Console offers the line to copy",
		},
		"a URL with a scheme in capitals, a private distribution and unknown parameters": {
			data: map[string]string{"CLOUDINARY_URL": "Cloudinary://123:s3cr3t@my-cloud/cdn.example.com?secure=true&signature_algorithm=sha256"},
			want: plain,
		},
		"a URL with percent-encoding": {
			data: map[string]string{"CLOUDINARY_URL": "cloudinary://123:a%2Fb%3Ac%40d%25+e@My_Cloud"},
			want: []string{base, "My_Cloud", "123", "a/b:c@d%+e", ""},
			why:  "a plus sign is a plus sign before the @",
		},
		"a URL with another region": {
			data: map[string]string{"CLOUDINARY_URL": "cloudinary://123:s3cr3t@my-cloud?upload_prefix=https%3A%2F%2FAPI-EU.cloudinary.com%3A443%2Fv1_1%2F"},
			want: []string{"https://api-eu.cloudinary.com", "my-cloud", "123", "s3cr3t", ""},
		},
		"a URL with an unencoded upload prefix": {
			data: map[string]string{"CLOUDINARY_URL": "cloudinary://123:s3cr3t@my-cloud?upload_prefix=http://127.0.0.1:8080"},
			want: []string{"http://127.0.0.1:8080", "my-cloud", "123", "s3cr3t", ""},
		},
		"a URL with an OAuth token alone": {
			data: map[string]string{"CLOUDINARY_URL": "cloudinary://my-cloud?oauth_token=abc%2Bdef"},
			want: []string{base, "my-cloud", "", "", "abc+def"},
		},
		"a URL with key, secret and OAuth token": {
			data: map[string]string{"CLOUDINARY_URL": "cloudinary://123:s3cr3t@my-cloud?oauth_token=abc"},
			want: []string{base, "my-cloud", "123", "s3cr3t", "abc"},
			why:  "the SDKs take both, and notifications are signed with the secret",
		},
		"separate keys": {
			data: map[string]string{"cloud_name": "my-cloud\n", "api_key": "123\n", "api_secret": " s3cr3t\n"}, want: plain,
		},
		"a URL in backticks": {
			data: map[string]string{"CLOUDINARY_URL": "`cloudinary://123:s3cr3t@my-cloud`\u200b"}, want: plain,
			why: "as a page of documentation has it",
		},
		"a URL as a line of a file, with spaces": {
			data: map[string]string{"CLOUDINARY_URL": "CLOUDINARY_URL = 'cloudinary://123:s3cr3t@my-cloud'"}, want: plain,
		},
		"a URL as a line of YAML": {
			data: map[string]string{"CLOUDINARY_URL": "CLOUDINARY_URL: “cloudinary://123:s3cr3t@my-cloud”"}, want: plain,
		},
		"separate keys with what comes along when they are copied": {
			data: map[string]string{
				"cloud_name": "\ufeff\"my-cloud\"", "api_key": "\u200b`123`\u200b\n", "api_secret": "export CLOUDINARY_API_SECRET='s3cr3t' ",
			},
			want: plain, why: "none of it can be meant",
		},
		"one kind of quotes in another": {
			data: map[string]string{"cloud_name": "'\"my-cloud\"'", "api_key": "“123”", "api_secret": "« s3cr3t »"}, want: plain,
		},
		"the names that Cloudinary's SDKs read": {
			data: map[string]string{"CLOUDINARY_CLOUD_NAME": "my-cloud", "CLOUDINARY_API_KEY": "123", "CLOUDINARY_API_SECRET": "s3cr3t"}, want: plain,
			why: "an application may have such a Secret already, for envFrom",
		},
		"both names of a key, that agree": {
			data: map[string]string{"cloud_name": "my-cloud", "CLOUDINARY_API_KEY": "123", "api_key": "123", "CLOUDINARY_API_SECRET": "\"s3cr3t\"", "api_secret": "s3cr3t"},
			want: plain,
		},
		"quotes within a secret": {
			data: map[string]string{"cloud_name": "my-cloud", "api_key": "123", "api_secret": "s3'cr\"3t"}, want: []string{base, "my-cloud", "123", "s3'cr\"3t", ""},
			why: "they are not from pasting",
		},
		"separate keys with an OAuth token and a prefix": {
			data: map[string]string{"cloud_name": "my-cloud", "oauth_token": "abc", "upload_prefix": "HTTPS://Proxy.Example.com./cld/"},
			want: []string{"https://proxy.example.com/cld", "my-cloud", "", "", "abc"},
		},
		"both forms that agree": {
			data: map[string]string{
				"CLOUDINARY_URL": "cloudinary://123:s3cr3t@my-cloud", "cloud_name": "my-cloud", "api_key": "123", "api_secret": "s3cr3t",
			},
			want: plain,
		},
		"both forms that complete each other": {
			data: map[string]string{"CLOUDINARY_URL": "cloudinary://123:s3cr3t@my-cloud", "upload_prefix": "https://api-ap.cloudinary.com"},
			want: []string{"https://api-ap.cloudinary.com", "my-cloud", "123", "s3cr3t", ""},
		},
		"keys that are not credentials": {
			data: map[string]string{"CLOUDINARY_URL": "cloudinary://123:s3cr3t@my-cloud", "signing.456": "other", "note": "\x00"}, want: plain,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := cloudinary.ParseSecret(bytesOf(test.data))
			if err != nil {
				t.Fatalf("unexpected error (%s): %v", test.why, err)
			}
			if diff := cmp.Diff(test.want, fields(got)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.why, diff)
			}
		})
	}
}

func TestParseSecretRefuses(t *testing.T) {
	t.Parallel()
	url := func(value string) map[string]string { return map[string]string{"CLOUDINARY_URL": value} }
	keys := func(extra ...string) map[string]string {
		data := map[string]string{"cloud_name": "my-cloud", "api_key": "123", "api_secret": "s3cr3t"}
		for i := 0; i < len(extra); i += 2 {
			data[extra[i]] = extra[i+1]
		}
		return data
	}
	tests := map[string]struct {
		data    map[string]string
		key     string
		problem string
	}{
		"nothing at all":                   {nil, "CLOUDINARY_URL", "is missing"},
		"an empty URL":                     {url(" \n"), "CLOUDINARY_URL", "is empty"},
		"a URL that is only its name":      {url("CLOUDINARY_URL="), "CLOUDINARY_URL", "is empty"},
		"an http URL":                      {url("https://123:s3cr3t@my-cloud"), "CLOUDINARY_URL", "not a Cloudinary URL"},
		"a URL without slashes":            {url("cloudinary:123:s3cr3t@my-cloud"), "CLOUDINARY_URL", "not a Cloudinary URL"},
		"a slash in the secret":            {url("cloudinary://123:s3/cr3t@my-cloud"), "CLOUDINARY_URL", "percent-encoding"},
		"a slash after digits of a secret": {url("cloudinary://123:45/cr3t@my-cloud"), "CLOUDINARY_URL", "percent-encoding"},
		"a # in the secret":                {url("cloudinary://123:s3#cr3t@my-cloud"), "CLOUDINARY_URL", "percent-encoding"},
		"a stray percent sign":             {url("cloudinary://123:s3%cr3t@my-cloud"), "CLOUDINARY_URL", "percent-encoding"},
		"a URL of two lines":               {url("cloudinary://123:s3\ncr3t@my-cloud"), "CLOUDINARY_URL", "line break"},
		"a URL with a placeholder":         {url("cloudinary://<your_api_key>:<your_api_secret>@my-cloud"), "CLOUDINARY_URL", "placeholder"},
		"a URL as the docs print it":       {url("cloudinary://API_KEY:API_SECRET@CLOUD_NAME"), "CLOUDINARY_URL", "placeholder"},
		"a URL without a secret":           {url("cloudinary://123@my-cloud"), "CLOUDINARY_URL", "has no api_secret"},
		"a URL without a key":              {url("cloudinary://:s3cr3t@my-cloud"), "CLOUDINARY_URL", "has no api_key"},
		"a URL without either":             {url("cloudinary://my-cloud"), "CLOUDINARY_URL", "has no api_key"},
		"a URL without a cloud":            {url("cloudinary://123:s3cr3t@"), "CLOUDINARY_URL", "not a Cloudinary URL"},
		"a cloud name with a dot":          {url("cloudinary://123:s3cr3t@my.cloud"), "CLOUDINARY_URL", "cloud_name"},
		"a cloud name with a port":         {url("cloudinary://123:s3cr3t@my-cloud:80"), "CLOUDINARY_URL", "cloud_name"},
		"two prefixes":                     {url("cloudinary://1:s3cr3t@c?upload_prefix=https://a&upload_prefix=https://b"), "CLOUDINARY_URL", "more than once"},
		"unreadable parameters":            {url("cloudinary://1:s3cr3t@c?oauth_token=%zz"), "CLOUDINARY_URL", "parameters"},
		"a plus sign in a token":           {url("cloudinary://c?oauth_token=s3+cr3t"), "CLOUDINARY_URL", "%2B"},
		"a colon in a key of a URL":        {url("cloudinary://1%3A2:s3cr3t@c"), "CLOUDINARY_URL", "api_key"},
		"a URL of many bytes":              {url("cloudinary://1:" + strings.Repeat("s3cr3t", 4000) + "@c"), "CLOUDINARY_URL", "longer"},
		"no cloud name":                    {map[string]string{"api_key": "123", "api_secret": "s3cr3t"}, "cloud_name", "is missing"},
		"no key":                           {map[string]string{"cloud_name": "c", "api_secret": "s3cr3t"}, "api_key", "is missing"},
		"no secret":                        {map[string]string{"cloud_name": "c", "api_key": "1"}, "api_secret", "is missing"},
		"an empty secret":                  {keys("api_secret", "\n"), "api_secret", "is empty"},
		"a secret of two lines":            {keys("api_secret", "s3\ncr3t"), "api_secret", "line break"},
		"a binary secret":                  {keys("api_secret", "s3\xffcr3t"), "api_secret", "binary"},
		"a secret of 129 bytes":            {keys("api_secret", "s3"+strings.Repeat("x", 127)), "api_secret", "longer than 128 bytes"},
		"a placeholder key":                {keys("api_key", "your_api_key"), "api_key", "placeholder"},
		"a placeholder in brackets":        {keys("api_secret", "<the s3cr3t>"), "api_secret", "placeholder"},
		"stars":                            {keys("api_secret", "********"), "api_secret", "placeholder"},
		"a key with a space":               {keys("api_key", "12 3"), "api_key", "space"},
		"a token with a space":             {keys("oauth_token", "s3 cr3t"), "oauth_token", "space"},
		"a cloud name with a slash":        {keys("cloud_name", "a/b"), "cloud_name", "not a cloud name"},
		"a long cloud name":                {keys("cloud_name", strings.Repeat("a", 254)), "cloud_name", "longer"},
		"a prefix without a scheme":        {keys("upload_prefix", "api-eu.cloudinary.com"), "upload_prefix", "not an address"},
		"a prefix with credentials":        {keys("upload_prefix", "https://u:s3cr3t@h"), "upload_prefix", "user name"},
		"a prefix with a query":            {keys("upload_prefix", "https://h?s3cr3t=1"), "upload_prefix", "query"},
		"a prefix with a fragment":         {keys("upload_prefix", "https://h/#"), "upload_prefix", "fragment"},
		"a prefix with an odd host":        {keys("upload_prefix", "https://h!"), "upload_prefix", "host name"},
		"a prefix with port zero":          {keys("upload_prefix", "https://h:0"), "upload_prefix", "port"},
		"a prefix that climbs":             {keys("upload_prefix", "https://h/../x"), "upload_prefix", "dotted"},
		"a file as prefix":                 {keys("upload_prefix", "file:///etc/passwd"), "upload_prefix", "not an address"},
		"nothing that is known": {
			map[string]string{"apiKey": "s3cr3t", "cloudName": "c"}, "CLOUDINARY_URL", "the Secret has the keys apiKey, cloudName",
		},
		"a name with a slip": {map[string]string{"CLOUDINARY_UR": "s3cr3t"}, "CLOUDINARY_URL", "the Secret has the keys CLOUDINARY_UR"},
		"no secret, and what there is": {
			map[string]string{"CLOUDINARY_CLOUD_NAME": "c", "api_key": "1", "apiSecret": "s3cr3t"},
			"api_secret",
			"is missing: set it, or set CLOUDINARY_URL instead; the Secret has the keys CLOUDINARY_CLOUD_NAME, apiSecret, api_key",
		},
		"a Secret without keys":                {map[string]string{}, "CLOUDINARY_URL", "the Secret has no keys"},
		"half a pair of quotes":                {keys("api_secret", `"s3cr3t`), "api_secret", `begins or ends with "`},
		"half a pair of backticks":             {keys("api_key", "123`"), "api_key", "begins or ends with `"},
		"a comma behind":                       {keys("api_secret", "s3cr3t,"), "api_secret", "begins or ends with ,"},
		"an invisible character inside":        {keys("api_secret", "s3\u200bcr3t"), "api_secret", "invisible character (U+200B)"},
		"an invisible character in a URL":      {url("cloudinary://123:s3\u2060cr3t@my-cloud"), "CLOUDINARY_URL", "invisible character (U+2060)"},
		"a URL with half a pair of quotes":     {url(`"cloudinary://123:s3cr3t@my-cloud`), "CLOUDINARY_URL", `begins or ends with "`},
		"a quoted secret in a URL":             {url("cloudinary://123:%22s3cr3t%22@my-cloud"), "CLOUDINARY_URL", `api_secret: it begins or ends with "`},
		"a percent sign that makes an escape":  {url("cloudinary://123:s3%cdcr3t@my-cloud"), "CLOUDINARY_URL", "must be written %25"},
		"two names of a key that contradict":   {keys("CLOUDINARY_API_SECRET", "0ther-s3cr3t"), "CLOUDINARY_API_SECRET", "contradicts api_secret"},
		"an SDK's name that contradicts a URL": {map[string]string{"CLOUDINARY_URL": "cloudinary://123:s3cr3t@my-cloud", "CLOUDINARY_CLOUD_NAME": "c"}, "cloud_name", "contradicts"},
		"an SDK's name with nothing in it":     {map[string]string{"CLOUDINARY_API_SECRET": "''"}, "CLOUDINARY_API_SECRET", "is empty"},
		"secrets that contradict": {
			keys("CLOUDINARY_URL", "cloudinary://123:0ther-s3cr3t@my-cloud"), "api_secret", "contradicts",
		},
		"prefixes that contradict": {
			keys("CLOUDINARY_URL", "cloudinary://123:s3cr3t@my-cloud?upload_prefix=https://a.example", "upload_prefix", "https://b.example"),
			"upload_prefix", "contradicts",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := cloudinary.ParseSecret(bytesOf(test.data))
			problem, ok := errors.AsType[*cloudinary.SecretError](err)
			if !ok {
				t.Fatalf("got credentials %v and error %v, want a SecretError", got, err)
			}
			if problem.Key != test.key || !strings.Contains(problem.Problem, test.problem) {
				t.Errorf("got %q, want it to blame %s and say %q", problem, test.key, test.problem)
			}
			if got != (cloudinary.Credentials{}) {
				t.Error("credentials came beside an error")
			}
			if strings.Contains(err.Error(), "cr3t") {
				t.Errorf("the error quotes the Secret: %v", err)
			}
		})
	}
}

func TestUploadPrefixIsNormalized(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"https://api.cloudinary.com":         "https://api.cloudinary.com",
		"https://API.cloudinary.com/":        "https://api.cloudinary.com",
		"https://api.cloudinary.com:443":     "https://api.cloudinary.com",
		"https://api.cloudinary.com:":        "https://api.cloudinary.com",
		"https://api.cloudinary.com./v1_1//": "https://api.cloudinary.com",
		"https://api.cloudinary.com:0443":    "https://api.cloudinary.com",
		"http://sim:80/v1_1":                 "http://sim",
		"http://sim:443":                     "http://sim:443",
		"http://[::1]:8080/":                 "http://[::1]:8080",
		"http://[0:0:0:0:0:0:0:1]":           "http://[::1]",
		"https://gw.example.com/a/v1_1":      "https://gw.example.com/a",
		"https://gw.example.com/A/b~c":       "https://gw.example.com/A/b~c",
	}
	for prefix, want := range tests {
		t.Run(prefix, func(t *testing.T) {
			t.Parallel()
			data := map[string]string{"cloud_name": "c", "oauth_token": "t", "upload_prefix": prefix}
			got, err := cloudinary.ParseSecret(bytesOf(data))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(cloudinary.Environment{APIBase: want, CloudName: "c"}, got.Environment()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got.Insecure() != strings.HasPrefix(want, "http://") {
				t.Errorf("Insecure() = %v for %s", got.Insecure(), want)
			}
		})
	}
}

func FuzzParseSecretKeepsTheSecret(f *testing.F) {
	const marker = "Qz7marker9X"
	f.Add("cloudinary://1:", "@c")
	f.Add("cloudinary://1:%", "@c?upload_prefix=x")
	f.Add("cloudinary://", ":2@c")
	f.Add("", "")
	f.Add("CLOUDINARY_URL=", "\n")
	f.Add("https://u:", "@h/v1_1")
	f.Add("<", ">")
	f.Fuzz(func(t *testing.T, before, after string) {
		value := []byte(before + marker + after)
		for _, key := range []string{
			cloudinary.KeyCloudinaryURL, cloudinary.KeyCloudName, cloudinary.KeyAPIKey, cloudinary.KeyAPISecret,
			cloudinary.KeyOAuthToken, cloudinary.KeyUploadPrefix,
		} {
			_, err := cloudinary.ParseSecret(map[string][]byte{key: value})
			if err != nil && strings.Contains(err.Error(), marker) {
				t.Errorf("%s: the error quotes the Secret: %v", key, err)
			}
		}
	})
}

func FuzzCredentialsSurviveAURL(f *testing.F) {
	f.Add("123", "s3cr3t", "my-cloud", "", "")
	f.Add("1&2", "a/b:c@d#e?f%g+h i", "My_Cloud", "tok+en=", "http://[::1]:8080/x")
	f.Add("!$'()*,;1", "ü€\"'x", "c", "", "https://API-eu.cloudinary.com:443/v1_1/")
	f.Fuzz(func(t *testing.T, key, secret, cloud, token, prefix string) {
		data := map[string][]byte{"cloud_name": []byte(cloud), "api_key": []byte(key), "api_secret": []byte(secret)}
		if token != "" {
			data["oauth_token"] = []byte(token)
		}
		if prefix != "" {
			data["upload_prefix"] = []byte(prefix)
		}
		want, err := cloudinary.ParseSecret(data)
		if err != nil {
			return
		}
		written := url.URL{
			Scheme: "cloudinary", User: url.UserPassword(want.APIKey, want.APISecret), Host: want.CloudName,
			RawQuery: url.Values{"oauth_token": {want.OAuthToken}, "upload_prefix": {want.APIBase}}.Encode(),
		}
		got, err := cloudinary.ParseSecret(map[string][]byte{"CLOUDINARY_URL": []byte(written.String())})
		if err != nil {
			t.Fatalf("%q: %v", written.String(), err)
		}
		if diff := cmp.Diff(fields(want), fields(got)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
