// SPDX-License-Identifier: Apache-2.0

package notification

import (
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// checkAgainstOnePathAfterTheOther reports whether one walk for all paths finds what a walk for each would.
func checkAgainstOnePathAfterTheOther(t rapid.TB, body []byte, paths []TypePath) {
	t.Helper()
	if _, err := Decode(body); err != nil {
		return
	}
	tree := treeOf(paths)
	if got, want := tree.typeIn(body), plainTypeAt(body, merged(paths)); got != want {
		t.Errorf("%q has the event type %q at %q, want %q", body, got, paths, want)
	}
}

// merged has each path once, as the tree has.
func merged(paths []TypePath) []TypePath {
	var all []TypePath
	for _, p := range paths {
		at := slices.IndexFunc(all, func(q TypePath) bool { return slices.Equal(p.Path, q.Path) })
		if at < 0 {
			all = append(all, p)
			continue
		}
		all[at].EventTypes = slices.Concat(all[at].EventTypes, p.EventTypes)
	}
	return all
}

// Bodies at random seldom have anything at a path. These have members with the same names, escaped names, arrays and objects by turns.
func TestOneWalkFindsWhatAWalkForEachPathFinds(t *testing.T) {
	name := rapid.SampledFrom([]string{"a", "b", "0", "1", "é", "\ufffd", "01", ""})
	written := rapid.SampledFrom([]string{`"a"`, `"a"`, `"b"`, `"0"`, `"1"`, `"é"`, `"\u0061"`, `"\u00e9"`, "\"\xff\"", `"\ud800"`, `"01"`, `""`})
	scalar := rapid.SampledFrom([]string{
		`"upload"`, `"eager"`, `"delete"`, `"image"`, `"all"`, `"up\u006coad"`, `"Not One"`, `""`, `1`, `null`, `true`, `"` + strings.Repeat(`\u0061`, 64) + `"`, `"` + strings.Repeat(`a`, 65) + `"`,
	})
	eventTypes := rapid.SliceOfN(rapid.SampledFrom([]string{"upload", "eager", "delete", "all", "brand_new"}), 1, 3)
	rapid.Check(t, func(t *rapid.T) {
		var value func(depth int) string
		value = func(depth int) string {
			kind := rapid.IntRange(0, 2).Draw(t, "kind")
			if depth == 0 || kind == 0 {
				return scalar.Draw(t, "scalar")
			}
			parts := make([]string, rapid.IntRange(0, 4).Draw(t, "parts"))
			for i := range parts {
				if kind == 1 {
					parts[i] = written.Draw(t, "name") + " :"
				}
				parts[i] += value(depth - 1)
			}
			if kind == 1 {
				return "{" + strings.Join(parts, ", ") + "}"
			}
			return "[" + strings.Join(parts, ", ") + "]"
		}
		paths := make([]TypePath, rapid.IntRange(0, 8).Draw(t, "paths"))
		for i := range paths {
			paths[i] = TypePath{rapid.SliceOfN(name, 0, 3).Draw(t, "path"), eventTypes.Draw(t, "eventTypes")}
		}
		checkAgainstOnePathAfterTheOther(t, []byte(value(4)), paths)
	})
}

func FuzzEventType(f *testing.F) {
	for _, body := range append(realisticBodies(), templated, `{"a":{"b":"upload"},"a":{"c":1}}`, `{"\u0061":["eager",{"b":"upload"}]}`, `[[["upload"]]]`, `"upload"`) {
		f.Add([]byte(body), `[["a","b"],["a"],["a","0"],["0","0","0"],[],["kind"],["detail","event","0"]]`)
	}
	f.Fuzz(func(t *testing.T, body []byte, paths string) {
		var steps [][]string
		if json.Unmarshal([]byte(paths), &steps) != nil || len(steps) > 16 {
			return
		}
		all := make([]TypePath, len(steps))
		for i, path := range steps {
			if len(path) > MaxSteps {
				return
			}
			all[i] = TypePath{path, []string{"upload", []string{"all", "eager"}[i%2]}}
		}
		checkAgainstOnePathAfterTheOther(t, body, all)
	})
}

func FuzzUnescaped(f *testing.F) {
	for _, seed := range []string{`a`, `\u0061\"\\\/\b\f\n\r\t`, `\ud83d\ude00\ud83d\ud83dx\ude00`, `\uD83D\uDE00`, "\xff\\u00E9\xe2\x80", `\ud800\u0041`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !json.Valid([]byte(`"` + string(raw) + `"`)) {
			return
		}
		if got, want := unescaped(raw), unescapedByJSON(raw); string(got) != string(want) {
			t.Errorf("%q stands for %q, want %q", raw, got, want)
		}
	})
}

// most has as many paths as count, each as long as may be.
func most(path func(i int) []string) *TypePaths {
	t := &TypePaths{}
	for i := range 4 * MaxTypePaths {
		var types []string
		for n := range maxPathTypes {
			types = append(types, fmt.Sprintf("type_%02d_%04d", n, i))
		}
		t.Add(path(i), types)
	}
	return t
}

func TestWhatCountsOfAllTemplates(t *testing.T) {
	wide := most(func(i int) []string { return []string{fmt.Sprint(i)} })
	if wide.Len() != MaxTypePaths {
		t.Errorf("%d paths, want %d", wide.Len(), MaxTypePaths)
	}
	if !wide.Add([]string{"0"}, []string{"upload"}) || wide.Add([]string{"x"}, []string{"upload"}) {
		t.Error("one that is there is not added to, or one more is")
	}
	deep := most(func(i int) []string { return slices.Repeat([]string{fmt.Sprint(i)}, MaxSteps) })
	if n := len(deep.nodes); n > maxNodes || deep.Len() != (maxNodes-1)/MaxSteps {
		t.Errorf("%d places on the way to %d paths, want %d at most", n, deep.Len(), maxNodes)
	}
	if deep.Add(slices.Repeat([]string{"a"}, MaxSteps+1), []string{"upload"}) {
		t.Error("a path that is too long counts")
	}
	for i := range 10 * maxPathTypes {
		wide.Add([]string{"0"}, []string{fmt.Sprintf("t%d", i)})
	}
	wide.Add([]string{"0"}, []string{allEventTypes})
	if types := wide.paths[0].eventTypes; len(types) != maxPathTypes+1 || !has(types, allEventTypes) || !slices.IsSorted(types) {
		t.Errorf("%d event types at one path, want %d and all, sorted: %q", len(types), maxPathTypes, types)
	}
}

// Event types belong to the trigger; adding those of another one must not change them.
func TestEventTypesAreNotChanged(t *testing.T) {
	of := make([]string, 0, 8)
	of = append(of, "delete", "upload")
	var paths TypePaths
	paths.Add([]string{"a"}, of)
	paths.Add([]string{"a"}, []string{"eager"})
	if of = of[:3]; of[0] != "delete" || of[1] != "upload" || of[2] != "" {
		t.Errorf("they have become %q", of)
	}
}

const mostBytes = 3 << 20

// filledWith is an array or object of as many parts as a body may have.
func filledWith(opening, part, closing string) []byte {
	return []byte(opening + strings.Repeat(part, (mostBytes-len(opening)-len(closing))/len(part)) + closing)
}

// Whoever has a key may send bodies as large as they may be, one after the other, made so that they cost most.
func TestTheEventTypeOfALargeBodyIsFoundInTime(t *testing.T) {
	wide := most(func(i int) []string { return []string{fmt.Sprintf("%x", i)} })
	deep := most(func(i int) []string { return append(slices.Repeat([]string{"a"}, MaxSteps-1), fmt.Sprintf("%x", i)) })
	indexed := most(func(i int) []string { return []string{"a", fmt.Sprint(i * 1000)} })
	escaped := most(func(i int) []string { return []string{strings.Repeat("n", 15), fmt.Sprint(i)} })
	down, up := strings.Repeat(`{"a":`, MaxSteps-1), strings.Repeat(`}`, MaxSteps-1)
	for name, tc := range map[string]struct {
		paths *TypePaths
		body  []byte
	}{
		"members without a name":             {wide, filledWith(`{`, `"":0,`, `"z":0}`)},
		"members with a name that is wanted": {wide, filledWith(`{`, `"f":0,`, `"z":0}`)},
		"strings that are wanted":            {wide, filledWith(`{`, `"f":"upload","1":"x",`, `"z":0}`)},
		"numbers":                            {indexed, filledWith(`{"a":[`, `0,`, `0]}`)},
		"arrays":                             {indexed, filledWith(`{"a":[`, `[],`, `0]}`)},
		"one long string":                    {wide, filledWith(`{"f":"`, `x`, `"}`)},
		"one long string of escapes":         {wide, filledWith(`{"f":"`, `\u0061`, `"}`)},
		"escaped names":                      {escaped, filledWith(`{`, `"`+strings.Repeat(`\u006e`, 15)+`":0,`, `"z":0}`)},
		"escaped names of one letter":        {wide, filledWith(`{`, `"\u0066":0,`, `"z":0}`)},
		"far down":                           {deep, filledWith(down+`{`, `"f":"upload",`, `"z":0}`+up)},
		"down again and again":               {deep, filledWith(`{`, `"a":`+down+`0`+up+`,`, `"z":0}`)},
		"nested as deep as may be, often":    {wide, filledWith(`{"f":[`, strings.Repeat("[", 900)+strings.Repeat("]", 900)+`,`, `0]}`)},
	} {
		t.Run(name, func(t *testing.T) {
			n, err := Decode(tc.body)
			if err != nil {
				t.Fatal(err)
			}
			// The machine may be slow, or busy: what takes as long as reading the notification does is not worth an attack.
			best, reading := time.Hour, time.Hour
			for range 8 {
				begin := time.Now()
				EventType(tc.body, n, tc.paths, "")
				best = min(best, time.Since(begin))
				begin = time.Now()
				_, _ = Decode(tc.body)
				reading = min(reading, time.Since(begin))
			}
			t.Logf("%d bytes, %d paths: %s, and %s to read it", len(tc.body), tc.paths.Len(), best, reading)
			if best > max(10*reading, 30*time.Millisecond) {
				t.Errorf("%s for one body, and %s to read it", best, reading)
			}
		})
	}
	body := filledWith(`{`, `"\u0066":"upload",`, `"z":0}`)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	wide.typeIn(body)
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 128<<10 {
		t.Errorf("%d bytes are taken for one body", allocated)
	}
}
