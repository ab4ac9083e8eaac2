// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cloudinary-operator/cloudinary-operator/controllers"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// leaseDuration is how long a leader's lease lasts; the manager's default.
const leaseDuration = 30 * time.Second

// run is one simulated world, from a seed to its verdict. All that is left to chance comes from its
// one source of numbers.
type run struct {
	seed    int64
	breaks  breakage
	script  *script // nil: what goes wrong is left to chance
	random  *rand.Rand
	now     time.Time
	api     *apiServer
	clouds  map[string]*cloud
	ledger  *ledger
	options controllers.Options
	metrics *controllers.Metrics
	pending []pendingCall

	ownWrites bool // the cache waits for the process's own writes
	elects    bool // leader election: else there is one process at most, and no fence
	troubled  int  // of a thousand calls and writes, how many go wrong
	slow      bool // calls take seconds, not a part of one
	lossy     bool // lists show values otherwise than they are
	blind     bool // lists do not show settings, or not those that are not set
	lists     wrongLists
	urlLimit  int

	processes int
	leader    *process
	renewed   time.Time // the leader's lease, as others see it
	frozen    *process  // was leader, and does not know yet that it is not any more
	settling  bool
	planned   []kill

	history  []string
	last     step
	meddled  int // a person's changes of triggers that are ours
	reached  map[step]int
	kills    map[string]int
	takeover int
	failure  error
}

// kill is a planned end: at the nth time that a step is reached from now on.
type kill struct {
	at    step
	times int
}

type pendingCall struct {
	at time.Time
	do func()
}

// breakage is something that is made wrong on purpose, to see that the proof finds it.
type breakage string

func newRun(seed int64, breaks breakage) (*run, error) {
	r := &run{
		seed: seed, breaks: breaks, random: rand.New(rand.NewPCG(uint64(seed), 0x9e3779b97f4a7c15)),
		now:    time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC),
		clouds: map[string]*cloud{}, reached: map[step]int{}, kills: map[string]int{},
	}
	r.advance(r.between(0, time.Hour))
	r.ledger = newLedger(r)
	r.api = newAPIServer(func() time.Time { return r.now }, r.ledger.wrote)
	r.api.careless, r.api.forgetful, r.api.unguarded = breaks == staleWrites, breaks == lostIntents, breaks == noFinalizers
	r.ownWrites, r.elects, r.slow = r.coin(), r.coin(), r.one(5)
	r.troubled = r.pick([]int{0, 20, 60, 150})
	r.urlLimit = r.pick([]int{2, 3, 4, 30})
	r.lists.oneIn = r.pick([]int{0, 40, 10, 3})
	if err := r.makeClouds(); err != nil {
		return nil, err
	}
	r.note("own writes are waited for: %t, leader election: %t, of 1000 calls go wrong: %d, slow: %t, of so many lists one begins to be wrong: %d", r.ownWrites, r.elects, r.troubled, r.slow, r.lists.oneIn)
	r.options = controllers.DefaultOptions()
	r.options.CallTimeout = callTimeout
	r.options.URLLimit = r.pick([]int{r.urlLimit, r.urlLimit, 30})
	metrics, err := controllers.NewMetrics(prometheus.NewRegistry())
	if err != nil {
		return nil, err
	}
	r.metrics = metrics
	for range r.upTo(8) {
		r.planned = append(r.planned, kill{choose(r, steps()), 1 + r.upTo(3)})
	}
	return r, nil
}

// makeClouds chooses how Cloudinary behaves where that is not documented. What nobody could see is
// left out: a server that ignores settings in an update, and does not show them either.
func (r *run) makeClouds() error {
	options := simulator.Options{
		UpdateSemantics: choose(r, []simulator.UpdateSemantics{simulator.UpdateMerge, simulator.UpdateReplace}),
		CreateStatus:    r.pick([]int{200, 201}),
		CreateBody:      choose(r, []simulator.CreateBody{simulator.CreateObject, simulator.CreateWrapped}),
		DuplicateKey:    choose(r, []simulator.DuplicateKey{simulator.DuplicateURIEventType, simulator.DuplicateURIEventType, simulator.DuplicateURIEventTypeFilter}),
		Echo:            choose(r, []simulator.Echo{simulator.EchoFull, simulator.EchoFull, simulator.EchoOpenAPI}),
		UnsetFields:     choose(r, []simulator.UnsetFields{simulator.UnsetEmpty, simulator.UnsetAbsent}),
		Normalize:       choose(r, []simulator.Normalize{simulator.NormalizeOff, simulator.NormalizeOff, simulator.NormalizeEquivalent, simulator.NormalizeLossy}),
		PutFields:       choose(r, []simulator.PutFields{simulator.PutAccept, simulator.PutAccept, simulator.PutIgnore}),
		PutURL:          choose(r, []simulator.PutURL{simulator.PutNewURI, simulator.PutEitherURI}),
		PutAnswer:       choose(r, []simulator.PutAnswer{simulator.PutMessage, simulator.PutTrigger}),
		FilterLanguage: choose(r, []simulator.FilterLanguage{
			simulator.FilterLanguageAccept, simulator.FilterLanguageEcho, simulator.FilterLanguageRequire, simulator.FilterLanguageRefuse,
		}),
		UnsetAuthScheme: choose(r, []simulator.UnsetAuthScheme{simulator.UnsetDefault, simulator.UnsetLegacy}),
		ClearTemplate:   choose(r, []simulator.ClearForm{simulator.ClearBoth, simulator.ClearEmptyObject, simulator.ClearEmptyString}),
		ClearFilter:     choose(r, []simulator.ClearForm{simulator.ClearBoth, simulator.ClearEmptyObject, simulator.ClearEmptyString}),
		ListLag:         choose(r, []time.Duration{0, 0, 2 * time.Second, longestLag}),
		PutLimitCheck:   r.coin(), URLLimit: r.urlLimit,
		APIKey: keyOne.APIKey, APISecret: keyOne.APISecret, AdditionalCredentials: []simulator.Credentials{keyTwo},
		Delivery: simulator.DeliveryOptions{Ed25519Seed: strings.Repeat("01", 32)},
	}
	r.lossy = options.Normalize == simulator.NormalizeLossy
	r.blind = options.Echo == simulator.EchoOpenAPI || options.UnsetFields == simulator.UnsetAbsent
	if r.blind {
		options.PutFields = simulator.PutAccept
	}
	skew := r.between(-time.Minute, time.Minute)
	r.note("Cloudinary: update %s, duplicates by %s, echo %s, unset %s, normalize %s, put %s, filter language %s, unset scheme %s, clear filter by %s, template by %s, lag %s, limit %d, by update too: %t",
		options.UpdateSemantics, options.DuplicateKey, options.Echo, options.UnsetFields, options.Normalize, options.PutFields, options.FilterLanguage, options.UnsetAuthScheme,
		options.ClearFilter, options.ClearTemplate, options.ListLag, options.URLLimit, options.PutLimitCheck)
	options.Clock = func() time.Time { return r.now.Add(skew) }
	for _, name := range cloudNames {
		options.Cloud = name
		c, err := newCloud(options, func() string { return fmt.Sprintf("%016x%016x", r.random.Uint64(), r.random.Uint64()) })
		if err != nil {
			return err
		}
		r.clouds[name] = c
	}
	return nil
}

func (r *run) coin() bool          { return r.random.IntN(2) == 0 }
func (r *run) one(in int) bool     { return r.random.IntN(in) == 0 }
func (r *run) upTo(n int) int      { return r.random.IntN(n + 1) }
func (r *run) pick(from []int) int { return choose(r, from) }

func choose[T any](r *run, from []T) T { return from[r.random.IntN(len(from))] }

func (r *run) between(least, most time.Duration) time.Duration {
	return least + time.Duration(r.random.Int64N(int64(most-least)+1)).Truncate(time.Millisecond)
}

func (r *run) latency() time.Duration {
	if r.slow && !r.settling {
		return r.between(100*time.Millisecond, slowest)
	}
	return r.between(20*time.Millisecond, 500*time.Millisecond)
}

// advance lets time pass, and what takes effect later take effect.
func (r *run) advance(d time.Duration) {
	end := r.now.Add(d)
	for {
		i := slices.IndexFunc(r.pending, func(p pendingCall) bool { return !p.at.After(end) })
		if i < 0 {
			break
		}
		p := r.pending[i]
		r.pending = slices.Delete(r.pending, i, i+1)
		r.now = maxTime(r.now, p.at)
		p.do()
	}
	r.now = maxTime(r.now, end)
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// later puts off an effect. They stay in the order of their times.
func (r *run) later(after time.Duration, do func()) {
	p := pendingCall{r.now.Add(after), do}
	i, _ := slices.BinarySearchFunc(r.pending, p, func(a, b pendingCall) int { return a.at.Compare(b.at) })
	r.pending = slices.Insert(r.pending, i, p)
}

func (r *run) note(format string, args ...any) {
	r.history = append(r.history, r.now.Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

// violated ends the run; the first word counts.
func (r *run) violated(format string, args ...any) {
	if r.failure == nil {
		r.failure = fmt.Errorf(format, args...)
		r.note("VIOLATED: %v", r.failure)
	}
}

func (r *run) wrong() bool { return !r.settling && r.random.IntN(1000) < r.troubled }

func (r *run) fateOfWrite() fate {
	if r.script != nil {
		return r.script.next(atWrite)
	}
	if !r.wrong() {
		return arrives
	}
	return choose(r, []fate{endsBefore, endsAfter, lostBefore, lostAfter})
}

// fateOfCall chooses what becomes of a call to Cloudinary. An update that arrives late may undo a
// later one, which nobody could see where lists do not show settings.
func (r *run) fateOfCall(method string) fate {
	if r.script != nil {
		return r.script.next(atCall)
	}
	if !r.wrong() || method == "GET" && !r.one(3) {
		return arrives
	}
	f := choose(r, []fate{endsBefore, endsAfter, endsAfter, notSent, lostBefore, lostAfter, late, refused, failed, failedAfter})
	if f == late && (method == "GET" || method == "PUT" && r.blind) {
		return lostAfter
	}
	return f
}

// ends reports whether the process ends at a step.
func (r *run) ends(s step) bool {
	for i := range r.planned {
		if k := &r.planned[i]; k.at == s {
			k.times--
			if k.times == 0 {
				return true
			}
		}
	}
	return false
}

// happens lets time pass at a step, events arrive, and people do something.
func (r *run) happens(p *process) {
	switch {
	case r.one(10):
		r.advance(r.between(0, 400*time.Millisecond))
	case r.one(150):
		r.advance(r.between(time.Second, 40*time.Second)) // the process stands still
	}
	if !r.one(20) {
		p.renew()
	}
	if r.one(3) {
		p.cache.see(p.cache.position + r.upTo(4))
	}
	if r.one(60) {
		r.act()
	}
}

// freezes reports whether the process stands still from here until another one is leader.
func (r *run) freezes(p *process) bool {
	if !r.elects || r.frozen != nil || !r.one(150) {
		return false
	}
	r.note("process %d freezes at %q", p.number, r.last)
	r.frozen = p
	return true
}
