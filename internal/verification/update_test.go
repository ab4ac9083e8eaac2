// SPDX-License-Identifier: Apache-2.0

package verification_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verification"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)

// key reads "id secret [signing] [until=duration] [of=source,source]".
func key(text string) verification.Key {
	parts := strings.Fields(text)
	k := verification.Key{ID: parts[0], Secret: parts[1]}
	for _, p := range parts[2:] {
		if p == "signing" {
			k.Signing = true
		}
		if until, ok := strings.CutPrefix(p, "until="); ok {
			d, err := time.ParseDuration(until)
			if err != nil {
				panic(err)
			}
			end := now.Add(d).Truncate(time.Second)
			k.NotAfter = &end
		}
		if of, ok := strings.CutPrefix(p, "of="); ok {
			k.Sources = strings.Split(of, ",")
		}
	}
	return k
}

func keysOf(texts ...string) []verification.Key {
	var keys []verification.Key
	for _, t := range texts {
		keys = append(keys, key(t))
	}
	return keys
}

func show(keys []verification.Key) []string {
	var texts []string
	for _, k := range keys {
		text := k.ID + " " + k.Secret
		if k.Signing {
			text += " signing"
		}
		if k.NotAfter != nil {
			text += " until=" + k.NotAfter.Sub(now.Truncate(time.Second)).String()
		}
		if len(k.Sources) > 0 {
			text += " of=" + strings.Join(k.Sources, ",")
		}
		texts = append(texts, text)
	}
	return texts
}

func many(from, to int, suffix string) []string {
	var texts []string
	for i := from; i <= to; i++ {
		texts = append(texts, fmt.Sprintf("%d s%d%s", i, i, suffix))
	}
	return texts
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		why       string
		entry     []string
		present   []string
		undecided string
		noGrace   bool
		want      []string
	}{
		"a first key":              {why: "an endpoint became ready", present: []string{"1 a of=x"}, want: []string{"1 a of=x"}},
		"own credentials go first": {why: "the receiver tries 8", present: []string{"1 a signing of=x", "2 b of=x"}, want: []string{"2 b of=x", "1 a signing of=x"}},
		"a key in two Secrets":     {why: "it goes once it is in neither", present: []string{"1 a of=y", "1 a signing of=x"}, want: []string{"1 a of=x,y"}},
		"a key that is gone counts for the grace": {
			why: "Cloudinary signs with the oldest key until that is disabled", entry: []string{"1 a of=x"}, present: []string{"2 b of=x"}, want: []string{"2 b of=x", "1 a until=30m0s"},
		},
		"without a grace it goes at once":        {why: "that is what 0 means", entry: []string{"1 a of=x"}, present: []string{"2 b of=x"}, noGrace: true, want: []string{"2 b of=x"}},
		"a new secret of the same API key":       {why: "both are live", entry: []string{"1 a of=x"}, present: []string{"1 b of=x"}, want: []string{"1 b of=x", "1 a until=30m0s"}},
		"the end is not moved":                   {why: "it would never come", entry: []string{"1 a until=5m"}, present: []string{"2 b of=x"}, want: []string{"2 b of=x", "1 a until=5m0s"}},
		"the end has come":                       {why: "least exposure", entry: []string{"1 a until=0s"}, present: []string{"2 b of=x"}, want: []string{"2 b of=x"}},
		"a key that comes back":                  {why: "it is as if it had never been away", entry: []string{"1 a until=5m"}, present: []string{"1 a of=x"}, want: []string{"1 a of=x"}},
		"a Secret that cannot be judged yet":     {why: "a start of the manager, or of an outage", entry: []string{"1 a of=x", "2 b signing of=y"}, undecided: "xy", noGrace: true, want: []string{"1 a of=x", "2 b signing of=y"}},
		"one of two Secrets cannot be judged":    {why: "the key may stand there", entry: []string{"1 a of=x,y"}, undecided: "y", want: []string{"1 a of=x,y"}},
		"a Secret that is one of two not judged": {why: "nothing is to be written at a start", entry: []string{"1 a of=x,y"}, present: []string{"1 a of=x"}, undecided: "y", want: []string{"1 a of=x,y"}},
		"an end is not taken back by silence":    {why: "the key was seen to be gone", entry: []string{"1 a until=5m of=x"}, undecided: "x", want: []string{"1 a until=5m0s of=x"}},
		"a key that nobody owns up to":           {why: "somebody edited the entry", entry: []string{"1 a"}, want: []string{"1 a until=30m0s"}},
		"more than the receiver tries": {
			why:   "own credentials, then signing keys by id, then the ones that end, the latest first",
			entry: []string{"91 old until=1m", "92 new until=2m"}, present: slices.Concat(many(1, 4, " signing of=x"), many(5, 7, " of=y")),
			want: slices.Concat(many(5, 7, " of=y"), many(1, 4, " signing of=x"), []string{"92 new until=2m0s"}),
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := verification.Update{
				Present: keysOf(test.present...), Now: now, Grace: 30 * time.Minute,
				Undecided: func(s string) bool { return strings.Contains(test.undecided, s) },
			}
			if test.noGrace {
				u.Grace = 0
			}
			entry := keysOf(test.entry...)
			got := u.Apply(entry)
			if diff := cmp.Diff(test.want, show(got)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.why, diff)
			}
			if diff := cmp.Diff(show(got), show(u.Apply(got))); diff != "" {
				t.Errorf("applied again it changes (-once +twice):\n%s", diff)
			}
			if diff := cmp.Diff(show(keysOf(test.entry...)), show(entry)); diff != "" {
				t.Errorf("it changed its argument:\n%s", diff)
			}
		})
	}
}

func TestTooManyCountsWhatIsInSecretsAlone(t *testing.T) {
	t.Parallel()
	u := verification.Update{Present: keysOf(append(many(1, 8, ""), "1 s1")...)}
	if u.TooMany() {
		t.Error("eight keys, one of them in two Secrets, are too many")
	}
	u.Present = append(u.Present, key("9 s9 signing"))
	if !u.TooMany() {
		t.Error("nine keys are not too many")
	}
}

// Whatever the order in which Secrets are seen: the same entry, stable, within its limit, and with no live key lost that fits in.
func TestUpdateProperties(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	for range 3000 {
		var entry, present []verification.Key
		for i := range random.IntN(12) {
			k := verification.Key{ID: fmt.Sprint(i / 2), Secret: fmt.Sprint(i), Signing: random.IntN(2) == 0, Sources: []string{fmt.Sprint(random.IntN(3))}}
			if random.IntN(2) == 0 {
				present = append(present, k)
			}
			if random.IntN(2) == 0 {
				end := now.Add(time.Duration(random.IntN(40)-10) * time.Minute)
				if random.IntN(2) == 0 {
					k.NotAfter = &end
				}
				entry = append(entry, k)
			}
		}
		u := verification.Update{Present: present, Now: now, Grace: 30 * time.Minute, Undecided: func(s string) bool { return s == "0" }}
		got := u.Apply(entry)
		random.Shuffle(len(present), func(i, j int) { present[i], present[j] = present[j], present[i] })
		random.Shuffle(len(entry), func(i, j int) { entry[i], entry[j] = entry[j], entry[i] })
		if diff := cmp.Diff(show(got), show(u.Apply(entry))); diff != "" {
			t.Fatalf("seed %d: another order gives another entry:\n%s", seed, diff)
		}
		if diff := cmp.Diff(show(got), show(u.Apply(got))); diff != "" {
			t.Fatalf("seed %d: applied again it changes:\n%s", seed, diff)
		}
		if len(got) > notification.MaxKeys {
			t.Fatalf("seed %d: %d keys", seed, len(got))
		}
		live := 0
		for _, k := range present {
			if slices.ContainsFunc(got, func(g verification.Key) bool { return g.ID == k.ID && g.Secret == k.Secret && g.NotAfter == nil }) {
				live++
			}
		}
		if live < min(len(present), notification.MaxKeys) && !slices.ContainsFunc(entry, func(k verification.Key) bool { return k.NotAfter == nil }) {
			t.Fatalf("seed %d: %d of %d keys in Secrets are there: %v", seed, live, len(present), show(got))
		}
		for _, k := range got {
			if !k.Counts(now) {
				t.Fatalf("seed %d: %v does not count any more and is there", seed, show([]verification.Key{k}))
			}
		}
	}
}
