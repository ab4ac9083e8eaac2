// SPDX-License-Identifier: Apache-2.0

package route

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
)

const (
	plain = "/v1/notifications/shop/media"
	first = plain + "/0123456789abcdef0123456789abcdef"
	other = plain + "/fedcba9876543210fedcba9876543210"
	hooks = "https://hooks.example.com"
)

// atURL is an endpoint with an address.
func atURL(url string) *v1alpha1.NotificationEndpoint {
	return endpoint("shop", "media", func(ep *v1alpha1.NotificationEndpoint) { ep.Status.URL = url })
}

func TestWhereAnEndpointIsServed(t *testing.T) {
	own := func(url, secretNamespace string) []*v1alpha1.CloudinaryTrigger {
		return []*v1alpha1.CloudinaryTrigger{registered(trigger("shop", "a", "media", "", "upload"), url, secretNamespace)}
	}
	var many []*v1alpha1.CloudinaryTrigger
	for i := range 100 {
		many = append(many, own(fmt.Sprintf("%s/%d%s", hooks, i, plain), "shop")...)
		many[i].Name = fmt.Sprintf("t%02d", i)
	}
	for name, tc := range map[string]struct {
		url      string
		triggers []*v1alpha1.CloudinaryTrigger
		want     []string
		why      string
	}{
		"no address yet":        {},
		"a plain one":           {url: hooks + plain, want: []string{plain}},
		"one with a token":      {url: hooks + first, want: []string{first}, why: "the plain path is not it"},
		"below a base":          {url: hooks + "/base/x" + first, want: []string{"/base/x" + first, first}, why: "proxies may cut off the base"},
		"with an escaped slash": {url: hooks + "/a%2Fb" + first, want: []string{"/a%2Fb" + first, first}},
		"somebody else's":       {url: hooks + "/v1/notifications/other/media"},
		"no URL":                {url: "https://%zz" + plain},
		"a trigger is still at the one before": {
			url: hooks + other, triggers: own(hooks+"/base"+first, "shop"), want: []string{other, "/base" + first, first},
			why: "Cloudinary goes on notifying that, for as long as it takes to move it",
		},
		"the address is not known, and a trigger has one": {triggers: own(hooks+first, "shop"), want: []string{first}},
		"a trigger is at another endpoint":                {url: hooks + first, triggers: own(hooks+"/v1/notifications/shop/before", "shop"), want: []string{first}},
		"of Secrets of another namespace":                 {url: hooks + first, triggers: own(hooks+plain, "team-a"), want: []string{first}, why: "it is not this endpoint's: see isAt"},
		"of a trigger that may not use it": {
			url: hooks + first, want: []string{first},
			triggers: []*v1alpha1.CloudinaryTrigger{registered(trigger("team-a", "a", "shop/media", "", "upload"), hooks+plain, "shop")},
		},
		"more than can be": {url: hooks + first, triggers: many, want: append([]string{first, "/0" + plain, plain}, numbered(1, 14)...)},
	} {
		t.Run(name, func(t *testing.T) {
			triggers := slices.Clone(tc.triggers)
			slices.Reverse(triggers) // in whatever order they come
			got := Configs([]*v1alpha1.NotificationEndpoint{atURL(tc.url)}, kept(triggers...), nil)[0].Paths
			if diff := cmp.Diff(append([]string{}, tc.want...), got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.why, diff)
			}
		})
	}
}

// numbered are the paths of some of the addresses of many triggers.
func numbered(from, below int) (all []string) {
	for i := from; i < below; i++ {
		all = append(all, fmt.Sprintf("/%d%s", i, plain))
	}
	return all
}

func TestLookupIsByTheWholePath(t *testing.T) {
	configs := Configs([]*v1alpha1.NotificationEndpoint{atURL(hooks + "/base" + first)}, nil, nil)
	e, _, _ := configs[0].Compile(time.Unix(0, 0))
	table := NewTable([]*Endpoint{e})
	for path, want := range map[string]bool{
		first: true, "/base" + first: true, first + "?x=y": true,
		plain: false, "/base" + plain: false, other: false, first + "/": false, first[:len(first)-1]: false, first + "0": false,
		"/" + first: false, "/x" + first: false, "/v1/notifications/other-team/x" + first: false, "/base/../base" + first: false,
		strings.Replace(first, "shop/", "shop%2F", 1): false, strings.ToUpper(first): false, "/": false, "": false,
	} {
		u, err := url.Parse(hooks + path)
		if err != nil {
			t.Fatal(err)
		}
		if got := table.At(PathOf(u)) != nil; got != want {
			t.Errorf("%s is served: %v, want %v", path, got, want)
		}
	}
	if (*Table)(nil).At(first) != nil {
		t.Error("no table serves something")
	}
	if table.Lookup(types.NamespacedName{Namespace: "shop", Name: "media"}) != e {
		t.Error("it is not found by its name")
	}
	u := &url.URL{Path: first}
	if n := testing.AllocsPerRun(100, func() { _ = table.At(PathOf(u)) }); n != 0 {
		t.Errorf("a lookup allocates %v times", n)
	}
}

// moves keeps an endpoint while its address changes.
type moves struct {
	*testing.T
	config []Config
}

func (m *moves) to(now time.Time, url string, triggers ...*v1alpha1.CloudinaryTrigger) {
	configs := Configs([]*v1alpha1.NotificationEndpoint{atURL(url)}, kept(triggers...), nil)
	Remember(m.config, configs, now)
	m.config = configs
}

func (m *moves) serves(now time.Time, why string, want ...string) {
	m.Helper()
	e, _, _ := m.config[0].Compile(now)
	if diff := cmp.Diff(want, e.Paths); diff != "" {
		m.Errorf("%s (-want +got):\n%s", why, diff)
	}
}

func TestAnAddressBeforeIsServedForAnotherHalfHour(t *testing.T) {
	begin := time.Unix(1_795_000_000, 0)
	m := &moves{T: t}
	m.to(begin, hooks+plain)
	m.serves(begin, "the address it has", plain)
	m.to(begin, hooks+first)
	m.serves(begin, "just moved", first, plain)
	m.to(begin.Add(10*time.Minute), hooks+other)
	m.serves(begin.Add(10*time.Minute), "moved again", other, plain, first)
	if _, until, _ := m.config[0].Compile(begin.Add(10 * time.Minute)); !until.Equal(begin.Add(memory)) {
		t.Errorf("something ends at %v, want %v", until, begin.Add(memory))
	}
	m.serves(begin.Add(memory), "the first has had its time", other, first)
	m.to(begin.Add(memory), hooks+first)
	m.serves(begin.Add(memory), "moved back", first, other)
	m.to(begin.Add(2*memory), hooks+first)
	m.serves(begin.Add(2*memory), "all have", first)
	if left := m.config[0].FormerPaths; left != nil {
		t.Errorf("%v is left", left)
	}
}

func TestAnAddressIsServedWhileATriggerIsThere(t *testing.T) {
	begin := time.Unix(1_795_000_000, 0)
	at := func(url string) *v1alpha1.CloudinaryTrigger {
		return registered(trigger("shop", "a", "media", "", "upload"), url, "shop")
	}
	m := &moves{T: t}
	m.to(begin, hooks+plain, at(hooks+plain))
	late := begin.Add(48 * time.Hour)
	m.to(late, hooks+first, at(hooks+plain))
	m.serves(late.Add(memory), "it could not be moved yet", first, plain)
	m.to(late.Add(memory), hooks+first, at(hooks+first))
	m.serves(late.Add(memory), "it moved just now, and Cloudinary may try again", first, plain)
	m.serves(late.Add(2*memory), "half an hour later", first)
}

func TestAnEndpointWithoutAnAddressKeepsTheOneBefore(t *testing.T) {
	begin := time.Unix(1_795_000_000, 0)
	m := &moves{T: t}
	m.to(begin, hooks+first)
	m.to(begin, "")
	m.serves(begin.Add(48*time.Hour), "nothing has taken its place", first)
	m.to(begin.Add(48*time.Hour), hooks+other)
	m.serves(begin.Add(48*time.Hour), "now something has", other, first)
	m.serves(begin.Add(48*time.Hour+memory), "half an hour later", other)
}

func TestAnotherEndpointOfTheNameServesNothingOfTheOneBefore(t *testing.T) {
	now := time.Unix(1_795_000_000, 0)
	m := &moves{T: t}
	m.to(now, hooks+plain)
	again := atURL(hooks + first)
	again.UID = "another"
	configs := Configs([]*v1alpha1.NotificationEndpoint{again}, nil, nil)
	Remember(m.config, configs, now)
	m.config = configs
	m.serves(now, "it is another object", first)
}

func TestAddressesBeforeAreBounded(t *testing.T) {
	now := time.Unix(1_795_000_000, 0)
	m := &moves{T: t}
	for i := range 100 {
		m.to(now, fmt.Sprintf("%s/%d%s", hooks, i, first))
	}
	if n := len(m.config[0].FormerPaths); n != maxFormerPaths {
		t.Errorf("%d are remembered, want %d", n, maxFormerPaths)
	}
	if last := m.config[0].FormerPaths[maxFormerPaths-1].Path; last != "/98"+first {
		t.Errorf("the last one is %s", last)
	}
}

func TestAddressesOutliveARestart(t *testing.T) {
	now := time.Unix(1_795_000_000, 0)
	m := &moves{T: t}
	m.to(now, hooks+plain)
	m.to(now, hooks+first)
	dir := t.TempDir()
	if _, err := SaveSnapshot(dir, m.config); err != nil {
		t.Fatal(err)
	}
	again, err := LoadSnapshot(dir)
	if diff := cmp.Diff(m.config, again); diff != "" || err != nil {
		t.Errorf("after a restart (-want +got), error %v:\n%s", err, diff)
	}
}

func TestASnapshotOfAVersionWithoutPathsHasPlainOnes(t *testing.T) {
	dir := t.TempDir()
	const text = `{"version":1,"endpoints":[{"key":{"Namespace":"shop","Name":"media"},"uid":"u"},{"key":{"Namespace":"shop","Name":"new"},"uid":"v","paths":[]}]}`
	if err := os.WriteFile(filepath.Join(dir, SnapshotName), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := LoadSnapshot(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{"media": {notification.Path("shop", "media")}, "new": {}}
	for _, c := range got {
		if diff := cmp.Diff(want[c.Key.Name], c.Paths); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.Key.Name, diff)
		}
	}
}

// Whatever the address and the request, only a path that ends with the endpoint's own leads to it.
func FuzzLookup(f *testing.F) {
	for _, seed := range [][2]string{
		{hooks + first, first}, {hooks + "/base" + plain, plain}, {hooks + "/a%2Fb" + first, "/a%2Fb" + first}, {plain, "/x" + plain}, {"", ""}, {"https://%zz", "%"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, address, request string) {
		e, _, _ := Configs([]*v1alpha1.NotificationEndpoint{atURL(address)}, nil, nil)[0].Compile(time.Unix(0, 0))
		u, err := url.Parse(request)
		if err != nil || NewTable([]*Endpoint{e}).At(PathOf(u)) == nil {
			return
		}
		if _, _, own := notification.CutPath(PathOf(u), "shop", "media"); !own {
			t.Errorf("%q leads to an endpoint at %q", request, address)
		}
	})
}

func TestAnybodyCanGuessWhatHasNoToken(t *testing.T) {
	t.Parallel()
	e := &Endpoint{Key: types.NamespacedName{Namespace: "shop", Name: "media"}}
	const token = "/0123456789abcdef0123456789abcdef"
	for path, want := range map[string]bool{
		"/v1/notifications/shop/media":                 true,
		"/hooks/v1/notifications/shop/media":           true,
		"/v1/notifications/shop/media" + token:         false,
		"/hooks/v1/notifications/shop/media" + token:   false,
		"/v1/notifications/shop/media" + token + "0":   true,
		"/v1/notifications/shop/other-media" + token:   true,
		"/v1/notifications/other/shop/media-x" + token: true,
	} {
		if got := e.Guessable(path); got != want {
			t.Errorf("%s: %t", path, got)
		}
	}
	if none := (*Endpoint)(nil); !none.Guessable("/v1/notifications/shop/media" + token) {
		t.Error("what leads nowhere is evidence of nothing")
	}
}
