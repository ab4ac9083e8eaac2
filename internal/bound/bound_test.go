// SPDX-License-Identifier: Apache-2.0

package bound

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// filled is {"a":"..."} that is n bytes long.
func filled(n int, with string) string {
	const around = len(`{"a":""}`)
	return `{"a":"` + strings.Repeat(with, (n-around)/len(with)) + `"}`
}

// nested is n objects in one another.
func nested(n int) string {
	return strings.Repeat(`{"a":`, n-1) + `{}` + strings.Repeat(`}`, n-1)
}

func TestCheck(t *testing.T) {
	for name, tc := range map[string]struct {
		raw  string
		want error
		why  string
	}{
		"nothing":                             {raw: ""},
		"null":                                {raw: "null"},
		"as long as may be":                   {raw: filled(MaxBytes, "x")},
		"one byte longer":                     {raw: filled(MaxBytes+1, "x"), want: ErrTooLong},
		"a string that never ends":            {raw: `{"a":"` + strings.Repeat("x", MaxBytes), want: ErrTooLong},
		"many numbers":                        {raw: `{"a":[1` + strings.Repeat(",1", MaxBytes/2) + `]}`, want: ErrTooLong},
		"white space":                         {raw: strings.Repeat(" \n\t\r", MaxBytes) + filled(MaxBytes, "x"), why: "it is not sent"},
		"more white space than is read":       {raw: strings.Repeat(" ", MaxRawBytes) + "{}", want: ErrTooLong},
		"white space in a string":             {raw: filled(MaxBytes+1, " "), want: ErrTooLong},
		"escapes of what needs none":          {raw: `{"a":"` + strings.Repeat(`\u003c`, MaxBytes-8) + `"}`, why: "the API server writes <, > and & so"},
		"one more":                            {raw: `{"a":"` + strings.Repeat(`\u003C`, MaxBytes-7) + `"}`, want: ErrTooLong},
		"surrogate pairs":                     {raw: `{"a":"` + strings.Repeat(`\ud83d\ude00`, (MaxBytes-8)/4) + `"}`},
		"one more pair":                       {raw: `{"a":"` + strings.Repeat(`\ud83d\ude00`, MaxBytes/4) + `"}`, want: ErrTooLong},
		"quotes that are escaped":             {raw: filled(MaxBytes, `\"`)},
		"braces in a string":                  {raw: filled(MaxBytes, `{[`)},
		"a quote that is escaped, and braces": {raw: `{"a":"\"` + strings.Repeat("{", MaxLevels+1) + `"}`},
		"as deep as may be":                   {raw: nested(MaxLevels)},
		"one level deeper":                    {raw: nested(MaxLevels + 1), want: ErrTooDeep},
		"arrays":                              {raw: strings.Repeat("[", MaxLevels+1), want: ErrTooDeep},
		"deep, and long after it":             {raw: strings.Repeat("[", MaxLevels+1) + filled(MaxBytes, "x"), want: ErrTooDeep, why: "no more is read than need be"},
		"wide, and not deep":                  {raw: "[" + strings.Repeat("{},", MaxBytes/4) + "{}]"},
		"an escape that is cut short":         {raw: `{"a":"\u00`},
		"a backslash at the end":              {raw: `{"a":"\`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Check([]byte(tc.raw)); !errors.Is(got, tc.want) {
				t.Errorf("got %v, want %v: %s", got, tc.want, tc.why)
			}
		})
	}
}

func TestSize(t *testing.T) {
	for raw, want := range map[string]int{
		``: 0, ` { } `: 2, `{"a": "\u0041\n"}`: len(`{"a":"A\n"}`), nested(2 * MaxLevels): len(nested(2 * MaxLevels)), filled(2*MaxBytes, "x"): 2 * MaxBytes,
	} {
		if got := Size([]byte(raw)); got != want {
			t.Errorf("%.40s: %d bytes, want %d", raw, got, want)
		}
	}
}

func TestCheckAllocatesNothing(t *testing.T) {
	raw := []byte(filled(MaxBytes, "{"))
	if got := testing.AllocsPerRun(10, func() { _ = Check(raw) }); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

// The length that is measured is the one that encoding/json writes, and the depth the one that it reads.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":["\u003c\n\u0001\ud83d\ude00\ud83d","é` + "\u2028" + `",null,true]}`, nested(MaxLevels), nested(MaxLevels + 1), filled(MaxBytes, "é"), `{"a":"` + "\xff\xfe" + `"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		err := Check(raw)
		var value any
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		if d.Decode(&value) != nil || d.More() || len(raw) > MaxRawBytes {
			return
		}
		var compact bytes.Buffer
		e := json.NewEncoder(&compact)
		e.SetEscapeHTML(false)
		if e.Encode(value) != nil {
			return
		}
		if size := compact.Len() - 1; errors.Is(err, ErrTooLong) != (size > MaxBytes) && !repeats(raw, size) && !errors.Is(err, ErrTooDeep) {
			t.Errorf("%d bytes as compact JSON: %v", size, err)
		}
		if deep := depth(value); deep > MaxLevels && err == nil {
			t.Errorf("%d levels: no error", deep)
		} else if deep <= MaxLevels && errors.Is(err, ErrTooDeep) && !repeats(raw, compact.Len()-1) {
			t.Errorf("%d levels: %v", deep, err)
		}
	})
}

// repeats reports whether members with equal names make the text that was read longer than the one of size bytes that is written.
func repeats(raw []byte, size int) bool {
	n, i := 0, 0
	for i < len(raw) {
		if raw[i] == '"' {
			c, r := text(raw[i:], len(raw)*6)
			n, i = n+c, i+r
			continue
		}
		if !bytes.ContainsRune([]byte(" \t\r\n"), rune(raw[i])) {
			n++
		}
		i++
	}
	return n > size
}

func depth(value any) int {
	deepest := 0
	switch v := value.(type) {
	case map[string]any:
		for _, inner := range v {
			deepest = max(deepest, depth(inner))
		}
	case []any:
		for _, inner := range v {
			deepest = max(deepest, depth(inner))
		}
	default:
		return 0
	}
	return deepest + 1
}
