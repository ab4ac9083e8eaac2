// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestCanonicalURL(t *testing.T) {
	for raw, want := range map[string]string{
		"https://h":                  "https://h/",
		"HTTPS://H.Example":          "https://h.example/",
		"https://h:443/x":            "https://h/x",
		"http://h:80":                "http://h/",
		"http://h:443/":              "http://h:443/",
		"https://h:/x":               "https://h/x",
		"https://h/a%2fb?c=%c3%a9":   "https://h/a%2Fb?c=%C3%A9",
		"https://h/A/b":              "https://h/A/b",
		"https://h?x=1":              "https://h/?x=1",
		"https://[::1]:443/":         "https://[::1]/",
		"https://[::1]:8443/":        "https://[::1]:8443/",
		"not a url":                  "not a url",
		"https://h/%zz":              "https://h/%zz",
		"https://h/a/../b?token=A+b": "https://h/a/../b?token=A+b",
	} {
		if got := CanonicalURL(raw); got != want {
			t.Errorf("%s gives %s, want %s", raw, got, want)
		}
	}
}

func TestCanonicalJSON(t *testing.T) {
	for raw, want := range map[string]string{
		"":                           "",
		" ":                          "",
		"null":                       "",
		"{}":                         "",
		`""`:                         "",
		`"{}"`:                       "",
		"[]":                         "[]",
		`{"b":1,"a":[2, 3]}`:         `{"a":[2,3],"b":1}`,
		`{"a":"<&>"}`:                `{"a":"<&>"}`,
		`{"a":1.0,"b":1e2,"c":-0.0}`: `{"a":1,"b":100,"c":0}`,
		`{"a":9007199254740993}`:     `{"a":9007199254740993}`,
		`{"a":1E21,"b":1e+21}`:       `{"a":1e+21,"b":1e+21}`,
		`{"a":0.10,"b":1e-7}`:        `{"a":0.1,"b":1e-7}`,
		`{"a":0.1` + strings.Repeat("0", 1<<20) + `}`: `{"a":0.1}`,
		`{"a":1e-999999}`:               `{"a":0}`,
		`{"a":1e999999999}`:             `{"a":1e999999999}`,
		`"{\"a\": \"{{event.type}}\"}"`: `{"a":"{{event.type}}"}`,
		`"{{event.type}}"`:              `"{{event.type}}"`,
	} {
		got, err := CanonicalJSON([]byte(raw))
		if err != nil || got != want {
			t.Errorf("%s gives %s and %v, want %s", raw, got, err, want)
		}
	}
	for _, raw := range []string{"{", "{} {}", "x", `{"a":01}`} {
		if got, err := CanonicalJSON([]byte(raw)); err == nil {
			t.Errorf("%s gives %s, want an error", raw, got)
		}
	}
}

func TestEqualFilters(t *testing.T) {
	for _, tc := range []struct {
		a, b  string
		equal bool
	}{
		{`{"var":"x"}`, `{"var":["x"]}`, true},
		{`{"!":{"var":"x"}}`, `{"!":[{"var":["x"]}]}`, true},
		{`{"var":["x",1]}`, `{"var":["x"]}`, false},
		{`{"in":[{"a":1,"b":[2]},3]}`, `{"in":[{"a":[1],"b":2},3]}`, false},
		{"", `{"var":"x"}`, false},
		{"", "", true},
	} {
		if got := equalFilters(tc.a, tc.b); got != tc.equal {
			t.Errorf("%s and %s: %v, want %v", tc.a, tc.b, got, tc.equal)
		}
	}
}

func TestSentHashTellsFieldsApart(t *testing.T) {
	seen := map[string]string{}
	for name, hash := range map[string]string{
		"plain":         SentHash(urlA, plain()),
		"another URL":   SentHash(urlB, plain()),
		"additive":      SentHash(urlA, Settings{Additive: true, AuthScheme: DefaultAuthScheme}),
		"a filter":      SentHash(urlA, Settings{Filter: "x", AuthScheme: DefaultAuthScheme}),
		"a template":    SentHash(urlA, Settings{PayloadTemplate: "x", AuthScheme: DefaultAuthScheme}),
		"a scheme":      SentHash(urlA, Settings{AuthScheme: "legacy_hmac"}),
		"a run-on text": SentHash(urlA, Settings{Filter: "x7:default"}),
	} {
		if other, found := seen[hash]; found {
			t.Errorf("%s and %s have one hash", name, other)
		}
		seen[hash] = name
	}
	if SentHash("https://a.example", plain()) != SentHash(urlA, plain()) {
		t.Error("two forms of one URL have different hashes")
	}
}

func FuzzCanonicalURL(f *testing.F) {
	for _, seed := range []string{
		"https://h", "HTTPS://u:p@[::1%25en0]:443/a%2fb?c=%zz#d", "http://h:80?", "mailto:a@b", "//h", "https://\u212a.example/", "https://h/%", "https://%41",
		"http://[fe80::1]:80", "http://h:", "http://:80", "https://h//a/./b", "//://0",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		once := CanonicalURL(raw)
		if twice := CanonicalURL(once); once != twice {
			t.Errorf("%q gives %q, and that %q", raw, once, twice)
		}
	})
}

func FuzzCanonicalJSON(f *testing.F) {
	for _, seed := range []string{
		"", "null", "{}", `{"b":[1.50,{"d":null,"c":"<>"}],"a":-0}`, `"{\"b\":1,\"a\":\"{}\"}"`, `{"a":1e21,"b":1e-999999,"c":1e400}`, `{"a":"\ud800"}`, `[9007199254740993.0]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		once, err := CanonicalJSON(raw)
		if err != nil {
			return
		}
		if twice, err := CanonicalJSON([]byte(once)); err != nil || once != twice {
			t.Errorf("%q gives %q, and that %q and %v", raw, once, twice, err)
		}
		if once == "" {
			return
		}
		value, err := decode([]byte(once))
		if err != nil {
			t.Fatal(err)
		}
		var spaced bytes.Buffer
		if err := json.Indent(&spaced, []byte(reversed(t, value)), " ", "\t"); err != nil {
			t.Fatal(err)
		}
		if again, err := CanonicalJSON(spaced.Bytes()); err != nil || again != once {
			t.Errorf("%q in another order gives %q and %v, want %q", spaced.String(), again, err, once)
		}
	})
}

// reversed writes a value with the members of every object from last to first.
func reversed(t *testing.T, value any) string {
	t.Helper()
	var parts []string
	switch v := value.(type) {
	case map[string]any:
		keys := slices.Sorted(maps.Keys(v))
		slices.Reverse(keys)
		for _, k := range keys {
			name, err := encode(k)
			if err != nil {
				t.Fatal(err)
			}
			parts = append(parts, name+":"+reversed(t, v[k]))
		}
		return "{" + strings.Join(parts, ",") + "}"
	case []any:
		for _, element := range v {
			parts = append(parts, reversed(t, element))
		}
		return "[" + strings.Join(parts, ",") + "]"
	default:
		text, err := encode(v)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
}
