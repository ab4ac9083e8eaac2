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

	"github.com/cloudinary-operator/cloudinary-operator/internal/verification"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)

// key reads "id secret [unchecked] [until=duration] [of=source,source]".
func key(text string) verification.Key {
	parts := strings.Fields(text)
	k := verification.Key{ID: parts[0], Secret: parts[1]}
	for _, p := range parts[2:] {
		if p == "unchecked" {
			k.Unchecked = true
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
		if k.Unchecked {
			text += " unchecked"
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

// endpoints reads "namespace/secret[=id,id]".
func endpoints(texts ...string) []verification.Endpoint {
	var all []verification.Endpoint
	for _, t := range texts {
		source, ids, named := strings.Cut(t, "=")
		namespace, secret, _ := strings.Cut(source, "/")
		e := verification.Endpoint{Namespace: namespace, Secret: secret}
		if named {
			e.APIKeys = strings.Split(ids, ",")
		}
		all = append(all, e)
	}
	return all
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	x, y := []string{"n/x"}, []string{"n/x", "m/y"}
	tests := map[string]struct {
		why       string
		entry     []string
		known     []string
		endpoints []string
		awaited   []string
		undecided []string
		noGrace   bool
		want      []string
	}{
		"a first key": {why: "an endpoint became ready", known: []string{"1 a of=n/x"}, endpoints: x, want: []string{"1 a of=n/x"}},
		"what Cloudinary let in goes first": {
			why: "a receiver of a former version tries the first 8", known: []string{"1 a unchecked of=n/x", "2 b of=n/x"}, endpoints: x, want: []string{"2 b of=n/x", "1 a unchecked of=n/x"},
		},
		"a key in two Secrets": {why: "it is the same", known: []string{"1 a of=m/y", "1 a of=n/x"}, endpoints: y, want: []string{"1 a of=m/y,n/x"}},
		"a key that is checked in one Secret": {
			why: "by the other one nobody can name it", known: []string{"1 a of=m/y", "1 a unchecked of=n/x"}, endpoints: y, want: []string{"1 a of=m/y", "1 a unchecked of=n/x"},
		},
		"a Secret that no endpoint with a receiver has": {why: "least exposure", known: []string{"1 a of=n/x", "2 b of=m/y"}, endpoints: x, want: []string{"1 a of=n/x"}},
		"a Secret whose key an endpoint names": {
			why: "it counts for that one", known: []string{"1 a of=n/x", "2 b of=m/y", "3 c of=m/y"}, endpoints: []string{"n/x=1,2"}, want: []string{"1 a of=n/x", "2 b of=m/y"},
		},
		"a Secret's signing key that an endpoint names": {
			why: "nobody has checked it", known: []string{"1 a of=n/x", "2 b unchecked of=m/y"}, endpoints: []string{"n/x=1,2"}, want: []string{"1 a of=n/x"},
		},
		"a key that no endpoint lets count": {why: "least exposure", known: []string{"1 a of=n/x", "2 b unchecked of=n/x"}, endpoints: []string{"n/x=2"}, want: []string{"2 b unchecked of=n/x"}},
		"a key that apiKeys leaves out now": {
			why: "the receiver goes by apiKeys at once; elsewhere it may be waited for", entry: []string{"1 a of=n/x"}, known: []string{"1 a of=n/x", "2 b of=n/x"}, endpoints: []string{"n/x=2"},
			want: []string{"2 b of=n/x", "1 a until=30m0s of=n/x"},
		},
		"a key that is gone counts for the grace": {
			why: "Cloudinary signs with the oldest key until that is disabled", entry: []string{"1 a of=n/x"}, known: []string{"2 b of=n/x"}, endpoints: x, want: []string{"2 b of=n/x", "1 a until=30m0s of=n/x"},
		},
		"a key that is gone from one of two Secrets": {
			why: "the other one's endpoints are another matter", entry: []string{"1 a of=m/y,n/x"}, known: []string{"1 a of=m/y", "2 b of=n/x"}, endpoints: y,
			want: []string{"1 a of=m/y", "2 b of=n/x", "1 a until=30m0s of=n/x"},
		},
		"an endpoint that has another Secret now": {
			why: "a new Secret may be how somebody rotates", entry: []string{"1 a of=n/before"}, known: []string{"2 b of=n/x"}, endpoints: x, want: []string{"2 b of=n/x", "1 a until=30m0s of=n/before"},
		},
		"without a grace it goes at once": {why: "that is what 0 means", entry: []string{"1 a of=n/x"}, known: []string{"2 b of=n/x"}, endpoints: x, noGrace: true, want: []string{"2 b of=n/x"}},
		"a new secret of the same API key": {
			why: "both are live", entry: []string{"1 a of=n/x"}, known: []string{"1 b of=n/x"}, endpoints: x, want: []string{"1 b of=n/x", "1 a until=30m0s of=n/x"},
		},
		"the end is not moved":         {why: "it would never come", entry: []string{"1 a until=5m of=n/x"}, known: []string{"2 b of=n/x"}, endpoints: x, want: []string{"2 b of=n/x", "1 a until=5m0s of=n/x"}},
		"the end has come":             {why: "least exposure", entry: []string{"1 a until=0s of=n/x"}, known: []string{"2 b of=n/x"}, endpoints: x, want: []string{"2 b of=n/x"}},
		"a key that comes back":        {why: "it is as if it had never been away", entry: []string{"1 a until=5m of=n/x"}, known: []string{"1 a of=n/x"}, endpoints: x, want: []string{"1 a of=n/x"}},
		"a key that became an api_key": {why: "it is one key", entry: []string{"1 a unchecked of=n/x"}, known: []string{"1 a of=n/x"}, endpoints: x, want: []string{"1 a of=n/x"}},
		"a Secret that cannot be judged yet": {
			why: "a start of the manager, or of an outage", entry: []string{"1 a of=n/x", "2 b unchecked of=m/y"}, undecided: y, noGrace: true, want: []string{"1 a of=n/x", "2 b unchecked of=m/y"},
		},
		"one of two Secrets cannot be judged": {
			why: "the key may stand there", entry: []string{"1 a of=m/y,n/x"}, known: []string{"2 b of=n/x"}, endpoints: x, undecided: []string{"m/y"}, noGrace: true,
			want: []string{"1 a of=m/y", "2 b of=n/x"},
		},
		"a Secret that is one of two not judged": {why: "nothing is to be written at a start", entry: []string{"1 a of=m/y,n/x"}, known: []string{"1 a of=n/x"}, endpoints: x, undecided: []string{"m/y"}, want: []string{"1 a of=m/y,n/x"}},
		"an endpoint that cannot be judged yet names another's key": {
			why: "nothing is to be written at a start", entry: []string{"2 b of=m/y"}, known: []string{"1 a of=o/z", "2 b of=m/y"}, endpoints: []string{"o/z"}, awaited: []string{"n/x=2"}, undecided: x,
			want: []string{"1 a of=o/z", "2 b of=m/y"},
		},
		"an endpoint that cannot be judged yet brings nothing in": {
			why: "it may be an intruder's", known: []string{"2 b of=m/y", "1 a of=o/z"}, endpoints: []string{"o/z"}, awaited: []string{"n/x=2"}, want: []string{"1 a of=o/z"},
		},
		"an end is not taken back by silence": {why: "the key was seen to be gone", entry: []string{"1 a until=5m of=n/x"}, undecided: x, want: []string{"1 a until=5m0s of=n/x"}},
		"a key that nobody owns up to":        {why: "somebody edited the entry", entry: []string{"1 a"}, want: []string{"1 a until=30m0s"}},
		"a Secret that changes over and over": {
			why: "of what was there the latest stay", entry: slices.Concat(each(1, 8, "old", " until=5m of=n/x"), []string{"9 older until=4m of=n/x", "5 other until=1m of=m/y"}), known: []string{"10 now of=n/x"}, endpoints: x,
			want: slices.Concat([]string{"10 now of=n/x"}, each(1, 8, "old", " until=5m0s of=n/x"), []string{"5 other until=1m0s of=m/y"}),
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := verification.Update{
				Known: keysOf(test.known...), Endpoints: endpoints(test.endpoints...), Awaited: endpoints(test.awaited...), Now: now, Grace: 30 * time.Minute,
				Undecided: func(s string) bool { return slices.Contains(test.undecided, s) },
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

// Whatever the order in which Secrets are seen: the same entry, stable, with all that counts for an
// endpoint and nothing that has ended.
func TestUpdateProperties(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	for range 3000 {
		var entry, known []verification.Key
		for i := range random.IntN(12) {
			k := verification.Key{ID: fmt.Sprint(i / 2), Secret: fmt.Sprint(i), Unchecked: random.IntN(2) == 0, Sources: []string{fmt.Sprintf("n%d/s", random.IntN(3))}}
			if random.IntN(2) == 0 {
				known = append(known, k)
			}
			if random.IntN(2) == 0 {
				end := now.Add(time.Duration(random.IntN(40)-10) * time.Minute)
				if random.IntN(2) == 0 {
					k.NotAfter = &end
				}
				entry = append(entry, k)
			}
		}
		u := verification.Update{
			Known: known, Endpoints: endpoints("n1/s", "n2/s=0,1,2"), Awaited: endpoints("n0/s=3"), Now: now, Grace: 30 * time.Minute,
			Undecided: func(s string) bool { return s == "n0/s" },
		}
		got := u.Apply(entry)
		random.Shuffle(len(known), func(i, j int) { known[i], known[j] = known[j], known[i] })
		random.Shuffle(len(entry), func(i, j int) { entry[i], entry[j] = entry[j], entry[i] })
		if diff := cmp.Diff(show(got), show(u.Apply(entry))); diff != "" {
			t.Fatalf("seed %d: another order gives another entry:\n%s", seed, diff)
		}
		if diff := cmp.Diff(show(got), show(u.Apply(got))); diff != "" {
			t.Fatalf("seed %d: applied again it changes:\n%s", seed, diff)
		}
		for _, e := range u.Endpoints {
			for _, k := range verification.NewPool(known).Select(e) {
				if !slices.ContainsFunc(verification.NewPool(got).Select(e), func(g verification.Key) bool { return g.ID == k.ID && g.Secret == k.Secret && g.NotAfter == nil }) {
					t.Fatalf("seed %d: %v is not there for %v: %v", seed, show([]verification.Key{k}), e, show(got))
				}
			}
		}
		for _, k := range got {
			if !k.Counts(now) {
				t.Fatalf("seed %d: %v does not count any more and is there", seed, show([]verification.Key{k}))
			}
		}
	}
}
