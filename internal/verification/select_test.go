// SPDX-License-Identifier: Apache-2.0

package verification_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verification"
)

// media is an endpoint of the namespace shop, with the Secret shop/own.
func media(apiKeys ...string) verification.Endpoint {
	return verification.Endpoint{Namespace: "shop", Secret: "own", APIKeys: apiKeys}
}

func TestSelect(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		why     string
		keys    []string
		apiKeys []string
		want    []string
	}{
		"its own key, and nobody else's": {
			why: "another team's key speaks for its own endpoints", keys: []string{"1 a of=shop/own", "2 b of=other/own", "3 c of=shop/second"}, want: []string{"1 a"},
		},
		"all of the own Secret": {
			why: "during a rotation both sign", keys: []string{"1 a unchecked of=shop/own", "2 b of=shop/own", "0 z unchecked of=shop/own"}, want: []string{"2 b", "0 z", "1 a"},
		},
		"one that was there until lately": {
			why: "Cloudinary signs with the oldest key until that is disabled", keys: []string{"2 b of=shop/own", "1 a until=5m of=shop/own"}, want: []string{"2 b", "1 a until=5m0s"},
		},
		"one that was in another Secret of the namespace": {
			why: "a new Secret may be how somebody rotates", keys: []string{"2 b of=shop/own", "1 a until=5m of=shop/before"}, want: []string{"2 b", "1 a until=5m0s"},
		},
		"one that another namespace had": {why: "it never was this one's", keys: []string{"1 a until=5m of=other/own", "2 b until=5m"}, want: nil},
		"a namespace whose name begins alike": {
			why: "shop is not shop-2", keys: []string{"1 a of=shop-2/own", "2 b until=5m of=shop-2/own", "3 c of=sho/p/own"}, want: nil,
		},
		"apiKeys narrows": {
			why: "a key of its own verifies, and the one for calls does not", keys: []string{"1 a of=shop/own", "2 b unchecked of=shop/own"}, apiKeys: []string{"2"}, want: []string{"2 b"},
		},
		"apiKeys narrows what was there, too": {
			why: "a key that somebody takes out of apiKeys must not count on", keys: []string{"1 a until=5m of=shop/own", "2 b of=shop/own"}, apiKeys: []string{"2"}, want: []string{"2 b"},
		},
		"another Secret's key by its id": {
			why: "Cloudinary has let calls in with it", keys: []string{"1 a of=shop/own", "2 b of=other/own", "3 c of=other/own"}, apiKeys: []string{"1", "2"}, want: []string{"1 a", "2 b"},
		},
		"another Secret's signing key by its id": {why: "anybody can write that", keys: []string{"2 planted unchecked of=other/own"}, apiKeys: []string{"2"}, want: nil},
		"another Secret's key of an id that is the own Secret's": {
			why: "one's own wins", keys: []string{"2 own unchecked of=shop/own", "2 theirs of=other/own"}, apiKeys: []string{"2"}, want: []string{"2 own"},
		},
		"another Secret's key that was there until lately": {
			why: "they rotate as well", keys: []string{"2 new of=other/own", "2 old until=5m of=other/own"}, apiKeys: []string{"2"}, want: []string{"2 new", "2 old until=5m0s"},
		},
		"another Secret's key, and the same lately in the own one": {
			why: "it has no end", keys: []string{"2 b until=5m of=shop/own", "2 b of=other/own"}, apiKeys: []string{"2"}, want: []string{"2 b"},
		},
		"one key as api_key and as signing key": {why: "it is one", keys: []string{"1 a of=shop/own", "1 a unchecked of=shop/own"}, want: []string{"1 a"}},
		"more than are tried": {
			why:  "what Cloudinary let in, then the rest by id, at last what ends",
			keys: slices.Concat([]string{"99 old until=1m of=shop/own", "98 new until=2m of=shop/own"}, each(1, 5, "s", " unchecked of=shop/own"), []string{"7 own of=shop/own"}),
			want: slices.Concat([]string{"7 own"}, each(1, 5, "s", ""), []string{"98 new until=2m0s", "99 old until=1m0s"}),
		},
		"as many of other namespaces as there may be": {
			why: "they take no place", keys: slices.Concat(each(1, 9, "made-up", " unchecked of=other/own"), each(11, 29, "made-up", " of=other/own"), []string{"9 mine of=shop/own"}), want: []string{"9 mine"},
		},
		"other Secrets' keys do not displace one's own": {
			why: "apiKeys names those, too", keys: slices.Concat(each(1, 7, "theirs", " of=other/own"), []string{"8 mine of=shop/own", "9 signing unchecked of=shop/own"}),
			apiKeys: []string{"1", "2", "3", "4", "5", "6", "7", "8", "9"}, want: slices.Concat([]string{"8 mine", "9 signing"}, each(1, 6, "theirs", "")),
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keys := keysOf(test.keys...)
			got := show(verification.NewPool(keys).Select(media(test.apiKeys...)))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.why, diff)
			}
			slices.Reverse(keys)
			if diff := cmp.Diff(got, show(verification.NewPool(keys).Select(media(test.apiKeys...)))); diff != "" {
				t.Errorf("another order of the entry gives other keys:\n%s", diff)
			}
		})
	}
}

func each(from, to int, secret, suffix string) []string {
	var texts []string
	for i := from; i <= to; i++ {
		texts = append(texts, fmt.Sprintf("%d %s%s", i, secret, suffix))
	}
	return texts
}

// Whatever others put into their Secrets, and whatever becomes of it: an endpoint that names no key
// verifies with its own Secret's, as if it were alone; and one that does, with no key of others
// that nobody has checked.
func TestNobodyElseHasASay(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		draw := func(sources ...string) []verification.Key {
			var keys []verification.Key
			for range rapid.IntRange(0, 12).Draw(t, "keys") {
				k := verification.Key{
					ID: fmt.Sprint(rapid.IntRange(1, 9).Draw(t, "id")), Secret: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "secret"),
					Unchecked: rapid.Bool().Draw(t, "unchecked"), Sources: []string{rapid.SampledFrom(sources).Draw(t, "source")},
				}
				if rapid.Bool().Draw(t, "ends") {
					k.NotAfter = new(now.Add(time.Duration(rapid.IntRange(1, 30).Draw(t, "minutes")) * time.Minute))
				}
				keys = append(keys, k)
			}
			return keys
		}
		own, others := draw("shop/own"), draw("other/own", "shop-2/own", "own/shop", "other/second")
		alone, among := verification.NewPool(own), verification.NewPool(slices.Concat(others, own))
		if diff := cmp.Diff(show(alone.Select(media())), show(among.Select(media()))); diff != "" {
			t.Fatalf("others change what counts (-alone +among others):\n%s", diff)
		}
		pinned := media("1", "2", "3")
		mine := alone.Select(pinned)
		for _, k := range among.Select(pinned) {
			has := func(keys []verification.Key, checked bool) bool {
				return slices.ContainsFunc(keys, func(o verification.Key) bool {
					return o.ID == k.ID && o.Secret == k.Secret && (!checked || !o.Unchecked)
				})
			}
			if !has(mine, false) && !has(others, true) {
				t.Fatalf("%s counts, which nobody has checked", show([]verification.Key{k}))
			}
		}
		for _, k := range mine {
			kept := slices.ContainsFunc(among.Select(pinned), func(o verification.Key) bool { return o.ID == k.ID && o.Secret == k.Secret })
			if k.NotAfter == nil && !kept {
				t.Fatalf("%s of the own Secret does not count because of others", show([]verification.Key{k}))
			}
		}
		if n := len(among.Select(pinned)); n > notification.MaxKeys {
			t.Fatalf("%d keys count", n)
		}
	})
}

// An OAuth token may be one that can do no more than list. Beside it anybody can write keys.
func TestAPIKeysThatOtherNamespacesMadeUpEvictNobody(t *testing.T) {
	t.Parallel()
	theirs := each(1, 40, "made-up", " unchecked of=team-b/oauth")
	theirs = append(theirs, "123456789012345 made-up unchecked of=team-b/oauth")
	u := verification.Update{
		Known:     keysOf(append(theirs, "123456789012345 genuine of=team-a/cloudinary")...),
		Endpoints: []verification.Endpoint{{Namespace: "team-a", Secret: "cloudinary"}, {Namespace: "team-b", Secret: "oauth"}},
		Now:       now, Grace: 30 * time.Minute,
	}
	entry := u.Apply(keysOf("123456789012345 genuine of=team-a/cloudinary"))
	for name, apiKeys := range map[string][]string{"names no keys": nil, "names its own": {"123456789012345"}} {
		got := show(verification.NewPool(entry).Select(verification.Endpoint{Namespace: "team-a", Secret: "cloudinary", APIKeys: apiKeys}))
		if diff := cmp.Diff([]string{"123456789012345 genuine"}, got); diff != "" {
			t.Errorf("an endpoint that %s (-want +got):\n%s", name, diff)
		}
	}
}
