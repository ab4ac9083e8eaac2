// SPDX-License-Identifier: Apache-2.0

package fairqueue

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
)

const patience = time.Minute

// item is "tenant/name", or "tenant+tenant/name" for one of several, and may end with "@host".
type item string

func (i item) tenants() []string {
	names, _, _ := strings.Cut(string(i), "/")
	if names == "" {
		return nil
	}
	return strings.Split(names, "+")
}

func (i item) host() string {
	_, host, _ := strings.Cut(string(i), "@")
	return host
}

func newQueue(t *testing.T, b Bounds, c clock.Clock) *Queue[item] {
	t.Helper()
	q := New(Config[item]{
		Bounds: b, Tenants: item.tenants, Host: item.host, Clock: c,
		RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[item](time.Second, time.Minute),
	})
	t.Cleanup(q.ShutDown)
	return q
}

// given are the items that the queue gives out to a worker each until there is none that may be worked on.
func (q *Queue[T]) given() []T {
	var all []T
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		w, tenant := q.lines.next()
		if w == nil {
			return all
		}
		q.begin(w, tenant)
		all = append(all, w.item)
	}
}

func tenantOf(i item) string { return i.tenants()[0] }

func count[T comparable](all []item, of func(item) T) map[T]int {
	counts := map[T]int{}
	for _, i := range all {
		counts[of(i)]++
	}
	return counts
}

func addMany(q *Queue[item], n int, format string) {
	for i := range n {
		q.Add(item(fmt.Sprintf(format, i)))
	}
}

var many = Bounds{Workers: 64, PerTenant: 16, PerHost: 32, PerTenantAtHost: 8}

func TestATenantHasItsShareAndNoMore(t *testing.T) {
	t.Parallel()
	q := newQueue(t, many, clock.RealClock{})
	addMany(q, 1000, "b/%d")
	if got := q.given(); len(got) != many.PerTenant {
		t.Fatalf("%d items of one tenant are worked on, want %d", len(got), many.PerTenant)
	}
	q.Add("a/1")
	if got := q.given(); !slices.Equal(got, []item{"a/1"}) {
		t.Fatalf("given %v, want the other tenant's, however many wait before it", got)
	}
	q.Done("b/0")
	if got := q.given(); !slices.Equal(got, []item{"b/16"}) {
		t.Fatalf("given %v, want the oldest of those that waited", got)
	}
}

func TestEachFurtherTenantLeavesHalfOfWhatIsFree(t *testing.T) {
	t.Parallel()
	q := newQueue(t, many, clock.RealClock{})
	var shares []int
	total := 0
	for tenant := range 10 {
		addMany(q, 100, fmt.Sprintf("b%d", tenant)+"/%d")
		n := len(q.given())
		shares, total = append(shares, n), total+n
	}
	for i := 1; i < len(shares); i++ {
		if shares[i] > shares[i-1] || shares[i] == 0 {
			t.Fatalf("shares %v: each tenant has something, and none that comes later more", shares)
		}
	}
	if total >= many.Workers {
		t.Errorf("shares %v: ten tenants that each fill theirs leave nothing", shares)
	}
}

func TestOneTenantDoesNotFillAHost(t *testing.T) {
	t.Parallel()
	b := Bounds{Workers: 64, PerTenant: 8, PerHost: 10, PerTenantAtHost: 8}
	q := newQueue(t, b, clock.RealClock{})
	addMany(q, 100, "b/%d@slow")
	if got := len(q.given()); got >= b.PerTenant {
		t.Errorf("%d of ten that may call the host are one tenant's", got)
	}
	q.Add("a/1@slow")
	q.Add("b/other@quick")
	if got := count(q.given(), item.host); got["slow"] != 1 || got["quick"] != 1 {
		t.Errorf("given %v, want the other tenant's, and of the first one what calls another host", got)
	}
}

func TestASlowHostLeavesItsTenantRoomForOthers(t *testing.T) {
	t.Parallel()
	q := newQueue(t, many, clock.RealClock{})
	addMany(q, 100, "b/%d@slow")
	if got := len(q.given()); got != many.PerTenantAtHost {
		t.Errorf("%d call the host, want %d", got, many.PerTenantAtHost)
	}
	q.Add("b/other@quick")
	q.Add("b/none")
	if got := q.given(); !slices.Equal(got, []item{"b/other@quick", "b/none"}) {
		t.Errorf("given %v, want what calls another host, or none", got)
	}
}

func TestAHostsBoundIsKeptForAllTenants(t *testing.T) {
	t.Parallel()
	b := Bounds{Workers: 64, PerTenant: 8, PerHost: 10, PerTenantAtHost: 8}
	q := newQueue(t, b, clock.RealClock{})
	for tenant := range 40 {
		addMany(q, 10, fmt.Sprintf("b%d", tenant)+"/%d@slow")
	}
	if got := len(q.given()); got != b.PerHost {
		t.Errorf("%d call the host, want %d", got, b.PerHost)
	}
	q.Add("a/1@quick")
	if got := q.given(); !slices.Equal(got, []item{"a/1@quick"}) {
		t.Errorf("given %v, want what calls another host", got)
	}
}

func TestAnItemOfSeveralTenantsComesAtTheFirstTurn(t *testing.T) {
	t.Parallel()
	q := newQueue(t, many, clock.RealClock{})
	addMany(q, 100, "b/%d")
	q.given()
	q.Add("a+b/both")
	if got := q.given(); !slices.Equal(got, []item{"a+b/both"}) {
		t.Fatalf("given %v, want it at the other tenant's turn", got)
	}
	q.Done("b/0")
	if got := count(q.given(), tenantOf)["b"]; got != 1 {
		t.Errorf("%d of the first tenant's given, want one: what both have is on the other's account", got)
	}
	q.Done("a+b/both")
	if got := q.Len(); got != 83 {
		t.Errorf("%d wait, want 83: it is in no line any more", got)
	}
}

func TestWhoAsksForAnothersItemGivesItsOwnTurn(t *testing.T) {
	t.Parallel()
	q := newQueue(t, many, clock.RealClock{})
	addMany(q, 100, "b/%d")
	q.given()
	q.AddFor("b/late", "a")
	if got := q.given(); !slices.Equal(got, []item{"b/late"}) {
		t.Errorf("given %v, want the item at the turn of the tenant that asks", got)
	}
}

func TestAnItemThatIsAddedWhileItIsWorkedOnComesOnceMore(t *testing.T) {
	t.Parallel()
	q := newQueue(t, many, clock.RealClock{})
	q.Add("a/1")
	q.given()
	for range 3 {
		q.Add("a/1")
	}
	if got := q.given(); len(got) > 0 {
		t.Fatalf("%v given while it is worked on", got)
	}
	q.Done("a/1")
	if got := q.given(); !slices.Equal(got, []item{"a/1"}) {
		t.Fatalf("given %v, want it once more", got)
	}
	q.Done("a/1")
	if got := q.given(); len(got) > 0 {
		t.Fatalf("%v given a third time", got)
	}
}

// An item's host may become known only while it is worked on.
func TestWhatFindsItsHostFullWaitsForIt(t *testing.T) {
	t.Parallel()
	hosts := map[item]string{}
	q := New(Config[item]{
		Bounds: Bounds{Workers: 8, PerTenant: 8, PerHost: 2, PerTenantAtHost: 2}, Tenants: item.tenants, Clock: clock.RealClock{},
		Host: func(i item) string { return hosts[i] },
	})
	t.Cleanup(q.ShutDown)
	for _, i := range []item{"a/1", "b/1", "c/1"} {
		q.Add(i)
	}
	q.given()
	for i, want := range map[item]bool{"a/1": true, "b/1": true} {
		if got := q.Enter(i, "slow"); got != want {
			t.Fatalf("%s may call: %t, want %t", i, got, want)
		}
	}
	if !q.Enter("a/1", "slow") {
		t.Error("what calls already may not go on")
	}
	if q.Enter("c/1", "slow") {
		t.Fatal("a third one may call the host")
	}
	hosts["c/1"] = "slow"
	q.Add("c/1")
	q.Done("c/1")
	if got := q.given(); len(got) > 0 {
		t.Fatalf("%v given, and the host is still full", got)
	}
	if !q.Enter("a/1", "quick") {
		t.Fatal("it may not turn to another host")
	}
	if got := q.given(); !slices.Equal(got, []item{"c/1"}) {
		t.Errorf("given %v, want what has waited for the host", got)
	}
}

func TestWhatIsForLaterComesThen(t *testing.T) {
	t.Parallel()
	c := clocktesting.NewFakeClock(time.Unix(0, 0))
	q := newQueue(t, many, c)
	q.AddAfter("a/1", time.Hour)
	q.AddAfter("a/1", time.Minute)
	q.AddAfter("a/1", 2*time.Minute)
	q.AddAfter("a/2", 2*time.Minute)
	q.AddAfter("a/3", time.Hour)
	q.AddAfter("a/now", 0)
	if got := q.given(); !slices.Equal(got, []item{"a/now"}) {
		t.Fatalf("given %v at once", got)
	}
	q.Add("a/3")
	if got := q.given(); !slices.Equal(got, []item{"a/3"}) {
		t.Fatalf("given %v, want what was for later, and is for now", got)
	}
	q.Done("a/3")
	for _, s := range []struct {
		step time.Duration
		want item
	}{{time.Minute, "a/1"}, {time.Minute, "a/2"}} {
		testenv.Eventually(t, patience, func() error { // the timer is set by another goroutine
			if !c.HasWaiters() {
				return fmt.Errorf("nothing waits for the clock")
			}
			return nil
		})
		c.Step(s.step)
		got, _ := q.Get()
		if got != s.want {
			t.Fatalf("given %v, want %v", got, s.want)
		}
		q.Done(got)
	}
	c.Step(2 * time.Hour)
	if got := q.given(); len(got) > 0 {
		t.Errorf("%v given, which were given already", got)
	}
}

func TestWhatIsForLaterBesideWorkStaysWithItsTenant(t *testing.T) {
	t.Parallel()
	c := clocktesting.NewFakeClock(time.Unix(0, 0))
	q := newQueue(t, many, c)
	q.AddFor("/nobodys", "a")
	q.given()
	q.AddAfter("/nobodys", time.Minute)
	q.Done("/nobodys")
	q.mu.Lock()
	next := q.later.first()
	q.mu.Unlock()
	if next == nil || !slices.Equal(next.tenants, []string{"a"}) {
		t.Errorf("later: %+v, want it for the tenant that it was worked on for", next)
	}
}

func TestErrorsAreWaitedForEverLonger(t *testing.T) {
	t.Parallel()
	c := clocktesting.NewFakeClock(time.Unix(0, 0))
	q := newQueue(t, many, c)
	for _, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
		q.AddRateLimited("a/1")
		q.mu.Lock()
		at := q.later.first().at
		q.later.remove("a/1")
		q.mu.Unlock()
		if got := at.Sub(c.Now()); got != want {
			t.Errorf("waits %s, want %s", got, want)
		}
	}
	if got := q.NumRequeues("a/1"); got != 3 {
		t.Errorf("%d errors, want 3", got)
	}
	q.Forget("a/1")
	if got := q.NumRequeues("a/1"); got != 0 {
		t.Errorf("%d errors after a success", got)
	}
}

func TestShutDownLetsAllWorkersGo(t *testing.T) {
	t.Parallel()
	q := newQueue(t, many, clock.RealClock{})
	var workers sync.WaitGroup
	for range 5 {
		workers.Go(func() {
			if i, shutdown := q.Get(); !shutdown {
				t.Errorf("%v given", i)
			}
		})
	}
	q.ShutDown()
	q.ShutDownWithDrain()
	workers.Wait()
	q.Add("a/1")
	q.AddAfter("a/2", time.Nanosecond)
	if got := q.Len(); got != 0 || !q.ShuttingDown() {
		t.Errorf("%d items wait after the end", got)
	}
}

// probe works on items as workers do, and looks whether the bounds are kept.
type probe struct {
	mu      sync.Mutex
	running map[item]bool
	done    map[item]int
	faults  []string
}

func (p *probe) begin(i item, b Bounds) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running[i] {
		p.faults = append(p.faults, fmt.Sprintf("%s is worked on twice at once", i))
	}
	p.running[i] = true
	hosts, tenants := map[string]int{}, map[string]int{}
	for r := range p.running {
		hosts[r.host()]++
		if names := r.tenants(); len(names) == 1 {
			tenants[names[0]]++
		}
	}
	for h, n := range hosts {
		if h != "" && n > b.PerHost {
			p.faults = append(p.faults, fmt.Sprintf("%d call %s", n, h))
		}
	}
	for name, n := range tenants {
		if n > b.PerTenant {
			p.faults = append(p.faults, fmt.Sprintf("%d are worked on for %s", n, name))
		}
	}
}

func (p *probe) end(i item) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.running, i)
	p.done[i]++
}

// Whatever is added, in whatever order, each item is worked on after it was added last, no bound is exceeded, and nothing is left behind:
// a wake-up that is lost would leave workers asleep beside an item that may be worked on.
func TestNothingIsLostAndNoBoundExceeded(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 1))
			b := Bounds{Workers: 1 + random.IntN(8), PerTenant: 1 + random.IntN(4), PerHost: 1 + random.IntN(4), PerTenantAtHost: 1 + random.IntN(4)}
			q := newQueue(t, b, clock.RealClock{})
			p := &probe{running: map[item]bool{}, done: map[item]int{}}
			var workers sync.WaitGroup
			for range b.Workers {
				workers.Go(func() {
					for {
						i, shutdown := q.Get()
						if shutdown {
							return
						}
						p.begin(i, b)
						if len(i)%3 == 0 && !strings.Contains(string(i), "again") {
							q.Add(item(strings.Replace(string(i), "/", "/again-", 1))) // work makes work
						}
						p.end(i)
						q.Done(i)
					}
				})
			}
			var added []item
			for range 2000 {
				i := item(fmt.Sprintf("%s/%d", []string{"a", "b", "c", "a+b", "b+c"}[random.IntN(5)], random.IntN(50)))
				if host := random.IntN(4); host > 0 {
					i += item(fmt.Sprintf("@h%d", host))
				}
				if random.IntN(4) == 0 {
					q.AddAfter(i, time.Duration(random.IntN(1000))*time.Microsecond)
				} else {
					q.Add(i)
				}
				added = append(added, i)
			}
			testenv.Eventually(t, patience, func() error {
				q.mu.Lock()
				defer q.mu.Unlock()
				if len(q.waiting)+len(q.running)+len(q.again)+len(q.later.heap) > 0 {
					return fmt.Errorf("%d wait, %d are worked on, %d are for later", len(q.waiting), len(q.running), len(q.later.heap))
				}
				if n := len(q.lines.tenants) + len(q.lines.hosts) + q.lines.turn.Len() + q.lines.serving; n > 0 {
					return fmt.Errorf("something is kept of those that have nothing here: %+v", q.lines)
				}
				return nil
			})
			q.ShutDown()
			workers.Wait()
			for _, i := range added {
				if p.done[i] == 0 {
					t.Errorf("%s was never worked on", i)
				}
			}
			if len(p.faults) > 0 {
				t.Errorf("%d faults with %+v, the first: %s", len(p.faults), b, p.faults[0])
			}
		})
	}
}

// Tenants whose items never end keep nobody else waiting, as long as they are fewer than workers.
func TestItemsThatNeverEndStarveNobody(t *testing.T) {
	t.Parallel()
	for hostile := 1; hostile <= 8; hostile++ {
		q := newQueue(t, many, clock.RealClock{})
		for tenant := range hostile {
			for i := range 1000 {
				q.Add(item(fmt.Sprintf("b%d/%d@host-%d", tenant, i, i)))
			}
		}
		q.given()
		for i := range 50 {
			mine := item(fmt.Sprintf("a/%d@quick", i))
			q.Add(mine)
			if got := q.given(); !slices.Equal(got, []item{mine}) {
				t.Fatalf("%d tenants: given %v, want %v", hostile, got, mine)
			}
			q.Done(mine)
		}
	}
}

func BenchmarkAddGetDone(b *testing.B) {
	q := New(Config[item]{Bounds: many, Tenants: item.tenants, Host: item.host, Clock: clock.RealClock{}})
	defer q.ShutDown()
	for tenant := range 200 { // who wait for a host that is full
		addMany(q, 10, fmt.Sprintf("b%d", tenant)+"/%d@slow")
	}
	q.given()
	for b.Loop() {
		q.Add("a/1@quick")
		i, _ := q.Get()
		q.Done(i)
	}
}
