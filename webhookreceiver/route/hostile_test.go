// SPDX-License-Identifier: Apache-2.0

package route

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

// costly are templates that cost as much as possible, within the bounds and beyond them; with another number they differ in a name.
func costly() []func(i int) string {
	wide := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"%x":"{{event.type}}"`, i)
		}
		return b.String()
	}
	placeholders, far := wide(700), wide(40_000)
	deep, names := strings.Repeat(`{"a":"{{event.type}}","`+strings.Repeat("z", 400)+`":`, 31), strings.Repeat("<", 8000)
	list, lists := strings.Repeat(`"{{event.type}}",`, 400), strings.Repeat("[],", 5000)
	tooDeep := strings.Repeat(`["{{event.type}}",`, 6000) + `0` + strings.Repeat(`]`, 6000)
	return []func(i int) string{
		func(i int) string { return fmt.Sprintf(`{"n":%d%s}`, i, placeholders) },
		func(i int) string { return fmt.Sprintf(`{"n%d":%s0%s}`, i, deep, strings.Repeat("}", 32)) },
		func(i int) string { return fmt.Sprintf(`{"%s%d":[%s0]}`, names, i, list) },
		func(i int) string { return fmt.Sprintf(`{"n%d":[%s"{{event.type}}"]}`, i, lists) },
		func(i int) string { return fmt.Sprintf(`{"n%d":%s}`, i, tooDeep) },
		func(i int) string { return fmt.Sprintf(`{"n":%d%s}`, i, far) },
	}
}

// manyTypes are as many event types as a trigger may have, each as long as may be.
func manyTypes(i int) []string {
	types := make([]string, 64)
	for n := range types {
		types[n] = fmt.Sprintf("t%03d_%06d_%s", n, i, strings.Repeat("x", 51))
	}
	return types
}

// live is how much memory is in use.
func live() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

const hostile = 1000

// spent is how much of a processor the test has had: the machine may be busy.
func spent(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// churn keeps the endpoints of a namespace while all of its triggers change.
type churn struct {
	templates []func(i int) string
	endpoint  func(i int) string // of the i-th trigger
	configs   []Config
	compiled  []*Endpoint
}

// change has all triggers change, and returns how long it takes to read them, and then to make the routes.
func (c *churn) change(t *testing.T, round int) (reading, making time.Duration) {
	t.Helper()
	var endpoints []*v1alpha1.NotificationEndpoint
	triggers := make([]*KeptTrigger, hostile)
	for i := range triggers {
		if i == 0 || c.endpoint(i) != c.endpoint(i-1) {
			endpoints = append(endpoints, KeepEndpoint(endpoint("evil", c.endpoint(i), nil)))
		}
		of := i + round*hostile
		tr := trigger("evil", fmt.Sprint("t-", i), c.endpoint(i), c.templates[i%len(c.templates)](of), manyTypes(of)...)
		begin := spent(t)
		triggers[i] = KeepTrigger(tr)
		reading += spent(t) - begin
	}
	begin, now := spent(t), time.Now()
	next := Configs(endpoints, triggers, nil)
	Remember(c.configs, next, now)
	c.configs, c.compiled = next, nil
	for i := range next {
		e, _, _ := next[i].Compile(now)
		c.compiled = append(c.compiled, e)
	}
	return reading, spent(t) - begin
}

// A thousand triggers of one namespace, each as costly as its author can make it, and all of them changing: it must cost others no more than
// a moment, and no more memory than there is.
func TestAThousandHostileTriggers(t *testing.T) {
	for name, endpoint := range map[string]func(i int) string{
		"at one endpoint":     func(int) string { return "media" },
		"at a few endpoints":  func(i int) string { return fmt.Sprint("media-", i/maxTriggers) },
		"at an endpoint each": func(i int) string { return fmt.Sprint("media-", i) },
	} {
		t.Run(name, func(t *testing.T) {
			before := live()
			c := churn{templates: costly(), endpoint: endpoint}
			reading, making := time.Hour, time.Hour
			for round := range 3 {
				r, m := c.change(t, round)
				reading, making = min(reading, r), min(making, m)
			}
			dir := t.TempDir()
			begin := spent(t)
			if _, err := SaveSnapshot(dir, c.configs); err != nil {
				t.Fatal(err)
			}
			saving := spent(t) - begin
			file, err := os.Stat(filepath.Join(dir, SnapshotName))
			if err != nil {
				t.Fatal(err)
			}
			taken := int64(live()) - int64(before)
			t.Logf("all are read in %s and the routes made in %s, and saved in %s: %d KiB; %d MiB are in use", reading, making, saving, file.Size()>>10, taken>>20)
			// Half a second is usual, and three with the race detector and beside other tests.
			if reading > 5*time.Second || making > time.Second {
				t.Errorf("reading them takes %s, and making the routes %s", reading, making)
			}
			if file.Size() > 2*maxSavedTriggers || taken > 100<<20 {
				t.Errorf("the file has %d bytes, and %d bytes are in use", file.Size(), taken)
			}
			runtime.KeepAlive(&c)
		})
	}
}

// The endpoint's own triggers count first; of others, those of one namespace take nothing from those of another. It is the same ones each time.
func TestTenThousandTriggersOfOneEndpoint(t *testing.T) {
	var all []*v1alpha1.CloudinaryTrigger
	for i := range 10_000 {
		all = append(all, trigger("aaa", fmt.Sprint("t-", i), "shop/media", fmt.Sprintf(`{"%d":"{{event.type}}"}`, i), "upload"))
	}
	for i := range 3 {
		all = append(all, trigger("shop", fmt.Sprint("own-", i), "media", fmt.Sprintf(`{"own-%d":"{{event.type}}"}`, i), "delete"),
			trigger("zzz", fmt.Sprint("other-", i), "shop/media", fmt.Sprintf(`{"other-%d":"{{event.type}}"}`, i), "eager"))
	}
	var first Config
	for round := range 3 {
		rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		configs := Configs([]*v1alpha1.NotificationEndpoint{endpoint("shop", "media", allowing(v1alpha1.NamespacesFromAll))}, kept(all...), nil)
		if round == 0 {
			first = configs[0]
		}
		if !reflect.DeepEqual(first, configs[0]) {
			t.Fatal("other triggers count the next time")
		}
	}
	e, _, problems := first.Compile(time.Unix(0, 0))
	if len(e.Triggers) != maxTriggers || len(problems) != 1 || !strings.Contains(problems[0].Error(), "more than 256 triggers") {
		t.Errorf("%d triggers count, and the problems are %v", len(e.Triggers), problems)
	}
	for _, body := range []string{`{"own-2":"delete"}`, `{"other-2":"eager"}`} {
		if got := typeOf(t, e, body); got == "unknown" {
			t.Errorf("%s is of no type: its trigger does not count", body)
		}
	}
	for _, one := range []string{"delete", "eager"} {
		if fires := e.TriggerFor(one); fires == nil {
			t.Errorf("no trigger fires for %s", one)
		}
	}
}

func TestPlacesOfOneNamespaceTakeNothingFromAnothers(t *testing.T) {
	wide := func(prefix string) string {
		var members []string
		for i := range 32 {
			members = append(members, fmt.Sprintf(`"%s-%d":"{{event.type}}"`, prefix, i))
		}
		return "{" + strings.Join(members, ",") + "}"
	}
	var all []*v1alpha1.CloudinaryTrigger
	for i := range 20 {
		all = append(all, trigger("aaa", fmt.Sprint("t-", i), "shop/media", wide(fmt.Sprint("a", i)), "upload"))
	}
	all = append(all, trigger("shop", "own", "media", `{"own":"{{event.type}}"}`, "upload"), trigger("zzz", "other", "shop/media", `{"other":"{{event.type}}"}`, "upload"))
	configs := Configs([]*v1alpha1.NotificationEndpoint{endpoint("shop", "media", allowing(v1alpha1.NamespacesFromAll))}, kept(all...), nil)
	e, _, problems := configs[0].Compile(time.Unix(0, 0))
	if e.TypePaths.Len() != 256 || len(problems) != 1 || !strings.Contains(problems[0].Error(), "at more than 256 places") {
		t.Errorf("%d places count, and the problems are %v", e.TypePaths.Len(), problems)
	}
	for _, body := range []string{`{"own":"upload"}`, `{"other":"upload"}`} {
		if got := typeOf(t, e, body); got != "upload" {
			t.Errorf("%s is of type %s: its place does not count", body, got)
		}
	}
}

func TestATemplateOfWhichNotAllCountsIsToldOf(t *testing.T) {
	configs := Configs([]*v1alpha1.NotificationEndpoint{endpoint("shop", "media", nil)}, kept(trigger("shop", "a", "media", costly()[0](0), "upload")), nil)
	_, _, problems := configs[0].Compile(time.Unix(0, 0))
	if len(problems) != 1 || !strings.Contains(problems[0].Error(), "a template has more places for the event type than 32") {
		t.Errorf("the problems are %v", problems)
	}
}

// What other namespaces' triggers go through must not take the room of what the endpoint's own were before.
func TestOthersDoNotHaveOnesOwnForgotten(t *testing.T) {
	h, begin := history{from: v1alpha1.NamespacesFromAll}, time.Unix(1_795_000_000, 0)
	own := func(name string) *v1alpha1.CloudinaryTrigger {
		return trigger("shop", "own", "media", `{"`+name+`":"{{event.type}}"}`, "upload", "delete")
	}
	h.becomes(t, begin, own("before"))
	for i := range 3 * maxFormer {
		h.becomes(t, begin, own("now"), trigger("evil", "a", "shop/media", fmt.Sprintf(`{"k%d":"{{event.type}}"}`, i), manyTypes(i)...))
	}
	if got := typeOf(t, h.at(t, begin), `{"before":"delete"}`); got != "delete" {
		t.Errorf("a body of one's own template before is of type %s", got)
	}
	taken := 0
	for i := range h.config[0].Former {
		taken += size(&h.config[0].Former[i].TriggerConfig)
	}
	if taken > maxFormerBytes {
		t.Errorf("%d bytes are remembered, want %d at most", taken, maxFormerBytes)
	}
}

// Where there is no room for all, those with the most are saved without their triggers, and everybody else as they are.
func TestTheFileOfRoutesHasABound(t *testing.T) {
	config := func(name string, triggers int) Config {
		c := Config{Key: types.NamespacedName{Namespace: "evil", Name: name}, UID: "u", PublicKeys: []string{name}, Paths: []string{}}
		for i := range triggers {
			c.Triggers = append(c.Triggers, TriggerConfig{Trigger: Trigger{
				Key: types.NamespacedName{Namespace: "evil", Name: fmt.Sprint(i)}, EventTypes: []string{strings.Repeat("\x01", 10<<10)},
			}})
		}
		return c
	}
	var configs []Config
	for i := range 20 {
		configs = append(configs, config(fmt.Sprint("large-", i), 30))
	}
	configs = append(configs, config("small", 1))
	dir := t.TempDir()
	without, err := SaveSnapshot(dir, configs)
	if err != nil || without != 11 {
		t.Errorf("%d are saved without triggers, %v; want those for which there is no room in %d bytes", without, err, maxSavedTriggers)
	}
	file, err := os.Stat(filepath.Join(dir, SnapshotName))
	if err != nil || file.Size() > maxSavedTriggers+1<<20 {
		t.Errorf("the file: %v, %v", file, err)
	}
	again, err := LoadSnapshot(dir)
	if err != nil || len(again) != len(configs) || !reflect.DeepEqual(again[20], configs[20]) || again[19].PublicKeys[0] != "large-19" {
		t.Errorf("%d endpoints are read back, %v", len(again), err)
	}
}

func TestAFileOfRoutesThatIsTooLargeIsNotRead(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, SnapshotName))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if err := f.Truncate(1 << 40); err != nil { // no disk space is taken
		t.Fatal(err)
	}
	if _, err := LoadSnapshot(dir); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("error %v, want that it is too large", err)
	}
}
