// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"sync"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

// problem is what keeps something from being as wanted: a condition's reason and message.
type problem struct {
	reason, message string
}

// secretState is what is known of one Secret.
type secretState struct {
	uid, resourceVersion string
	credentials          cloudinary.Credentials
	signing              []cloudinary.SigningKey
	refused              bool // Cloudinary's last answer to the credentials was 401 or 403
	deleting             bool
	contested            string   // that somebody keeps taking the finalizer off; empty: nobody does
	foreign              bool     // of a type that credentials do not have; there is a problem then
	problem              *problem // missing, malformed or insecure; the credentials are empty then
}

// directory is what the process knows of Secrets and environments beyond the API server: all of it can be found
// out again. It is shared by the passes and by the handlers of events.
type directory struct {
	mu           sync.Mutex
	fingerprints *cloudinary.Fingerprinter
	secrets      map[plan.Key]secretState
	names        names
	accepted     map[string]bool          // by fingerprint: equal credentials are accepted together
	trying       map[string]map[Unit]bool // by fingerprint: a call that shows it is under way, for whose outcome these wait
	probes       map[plan.Key]*backoff
	holds        map[plan.Key]*hold
	environments map[cloudinary.Environment]*environment
	large        map[cloudinary.Environment]int // bytes of the last lists that were large
	budget       cloudinary.Budget              // what an environment begins with
	// unnamed is told of each cloud that no Secret names any more, and in which nothing is known; it may be nil.
	unnamed func(cloud string)
}

func newDirectory(budget cloudinary.Budget) *directory {
	return &directory{
		budget:       budget,
		fingerprints: cloudinary.NewFingerprinter(),
		secrets:      map[plan.Key]secretState{}, names: newNames(), accepted: map[string]bool{}, trying: map[string]map[Unit]bool{},
		probes: map[plan.Key]*backoff{}, holds: map[plan.Key]*hold{}, environments: map[cloudinary.Environment]*environment{},
		large: map[cloudinary.Environment]int{},
	}
}

func (d *directory) secret(k plan.Key) (secretState, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, ok := d.secrets[k]
	return s, ok
}

func (d *directory) setSecret(k plan.Key, s secretState) {
	d.mu.Lock()
	defer d.mu.Unlock()
	old, ok := d.secrets[k]
	if !ok || old.resourceVersion != s.resourceVersion || old.uid != s.uid {
		delete(d.probes, k) // what changed is tried at once
	}
	s.refused = old.refused && old.credentials == s.credentials
	d.secrets[k] = s
	d.names.add(k, s.credentials)
	d.disuse(k, old.credentials)
}

func (d *directory) forgetSecret(k plan.Key) {
	d.mu.Lock()
	defer d.mu.Unlock()
	old := d.secrets[k]
	delete(d.secrets, k)
	delete(d.probes, k)
	delete(d.holds, k)
	d.disuse(k, old.credentials)
}

// disuse forgets what is kept by credentials that a Secret had, if none has them any more: whoever may edit one can have any number of them
// tried. directory.mu is held.
func (d *directory) disuse(k plan.Key, c cloudinary.Credentials) {
	if c == (cloudinary.Credentials{}) {
		return
	}
	if d.secrets[k].credentials != c {
		d.names.remove(k, c)
	}
	if len(d.names.secrets[c]) > 0 {
		return
	}
	delete(d.accepted, d.fingerprints.Fingerprint(c))
	named := d.names.clouds[c.CloudName] > 0
	for e := range d.environments { // its own pass forgets it
		named = named || e.CloudName == c.CloudName
	}
	if !named && d.unnamed != nil {
		d.unnamed(c.CloudName)
	}
}

// isAccepted says whether a call with these credentials was accepted, and none refused since.
func (d *directory) isAccepted(c cloudinary.Credentials) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.accepted[d.fingerprints.Fingerprint(c)]
}

func (d *directory) setAccepted(c cloudinary.Credentials, accepted bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if accepted {
		d.accepted[d.fingerprints.Fingerprint(c)] = true
	} else {
		delete(d.accepted, d.fingerprints.Fingerprint(c))
	}
	for k := range d.names.secrets[c] {
		s := d.secrets[k]
		s.refused = !accepted
		d.secrets[k] = s
	}
}

// beginTrial says whether these credentials are this caller's to try; if so endTrial must follow. If not, the unit is noted for that.
func (d *directory) beginTrial(c cloudinary.Credentials, unit Unit) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.fingerprints.Fingerprint(c)
	if waiting, tried := d.trying[f]; tried {
		waiting[unit] = true
		return false
	}
	d.trying[f] = map[Unit]bool{}
	return true
}

// endTrial returns the units that have waited for the outcome.
func (d *directory) endTrial(c cloudinary.Credentials) map[Unit]bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.fingerprints.Fingerprint(c)
	defer delete(d.trying, f)
	return d.trying[f]
}

// member returns the credentials of a Secret if they were accepted in an environment.
func (d *directory) member(k plan.Key, e cloudinary.Environment) (cloudinary.Credentials, bool) {
	s, ok := d.secret(k)
	if !ok || s.problem != nil || s.credentials.Environment() != e || !d.isAccepted(s.credentials) {
		return cloudinary.Credentials{}, false
	}
	return s.credentials, true
}

func (d *directory) probe(k plan.Key) *backoff {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.probes[k] == nil {
		d.probes[k] = &backoff{}
	}
	return d.probes[k]
}

func (d *directory) environment(e cloudinary.Environment) *environment {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.environments[e] == nil {
		d.environments[e] = &environment{refusals: map[plan.Place]plan.Refusal{}, budget: d.budget}
	}
	return d.environments[e]
}

// waitForCalls is when credentials may be tried in an environment for which there are no calls now; zero: at once.
func (d *directory) waitForCalls(e cloudinary.Environment, now time.Time) time.Time {
	d.mu.Lock()
	env := d.environments[e]
	d.mu.Unlock()
	if env == nil {
		return time.Time{}
	}
	env.mu.Lock()
	defer env.mu.Unlock()
	if env.calls(cloudinary.Listing, now) > 0 {
		return time.Time{}
	}
	return env.resetAt(now)
}

func (d *directory) forgetEnvironment(e cloudinary.Environment) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.environments, e)
	delete(d.large, e)
}

// A host of anybody's can answer with lists as long as Cloudinary's longest. They are not kept of any number of environments at once.
const (
	largeList     = 1 << 20
	maxLargeLists = 64 << 20
)

// hasRoom says whether a list of so many bytes can be kept besides those of other environments. Each that is not large can.
func (d *directory) hasRoom(e cloudinary.Environment, bytes int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if bytes <= largeList {
		delete(d.large, e)
		return true
	}
	total := bytes
	for other, n := range d.large {
		if other != e {
			total += n
		}
	}
	if total > maxLargeLists {
		return false
	}
	d.large[e] = bytes
	return true
}

// backoff is when a call may be tried again, and why it has to wait.
type backoff struct {
	notBefore time.Time // by this process's clock
	failures  int
	problem   *problem // of the last call; nil after a success
}

// environment is what the process knows of a product environment. Passes of one environment do not overlap; the probe of a
// Secret that joins it is the only other writer.
type environment struct {
	mu sync.Mutex

	observed []plan.Observed
	listed   time.Time // when that list was begun, by this process's clock; zero: never
	fresh    *freshList
	doubted  []string  // what was absent from the last list, where that is in doubt; nil: it is not
	refuted  int       // how often a call has contradicted the lists, since one showed all that it should
	paced    time.Time // see pace
	next     time.Time // when the next one is due
	// blind says that nobody had credentials when a list was due: whoever comes to have some lists before anything is decided.
	blind bool
	// unfinished says that the last pass left steps for the next one, for the time it took: what it wrote is verified once all is done.
	unfinished bool
	verify     bool // a write is to be verified by a list, as soon as verifyAt allows
	clock      serverClock
	budget     cloudinary.Budget
	limit      *cloudinary.RateLimit // as the last answer had it; nil: it did not say
	short      int                   // changes that the last plan wanted, and for which there are no calls now

	backoff  backoff
	refused  *problem // of the last credentials that were refused
	refusals map[plan.Place]plan.Refusal
	bars     bars
	// clearForms are those that Cloudinary took last for a filter and a template that are not set.
	clearForms cloudinary.UpdateOptions
	// plainFilters says that Cloudinary took a filter without filter_language last, having refused it with it.
	plainFilters bool
}

// freshList is a list of which it is not decided yet whether it is believed.
type freshList struct {
	observed []plan.Observed
	begun    time.Time
}

// called notes a call that was made, and what the answer's headers say.
func (e *environment) called(meta cloudinary.Meta, now time.Time) {
	e.clock.learn(meta.Date, now)
	e.budget.Spend(1, e.clock.at(now))
	e.limit = meta.RateLimit
	if e.limit != nil {
		e.budget.Learn(*e.limit, e.clock.at(now))
	}
}

// calls is how many calls may be made for a purpose now.
func (e *environment) calls(p cloudinary.Purpose, now time.Time) int {
	return e.budget.Left(p, e.clock.at(now))
}

// resetAt is when there will be new calls, by this process's clock; zero where that is not known.
func (e *environment) resetAt(now time.Time) time.Time {
	at := e.budget.ResetAt(e.clock.at(now))
	if at.IsZero() {
		return at
	}
	return e.clock.local(at)
}

// serverClock turns this process's time into Cloudinary's.
type serverClock struct {
	offset time.Duration
	known  bool
}

// maxOffsetJitter is how far the header Date, which counts in seconds, may stray before the offset is set anew. An offset that
// stays keeps times in order.
const maxOffsetJitter = 2 * time.Second

func (c *serverClock) learn(date, local time.Time) {
	if date.IsZero() {
		return
	}
	offset := date.Sub(local)
	if !c.known || (offset-c.offset).Abs() > maxOffsetJitter {
		c.offset, c.known = offset, true
	}
}

func (c *serverClock) at(local time.Time) time.Time { return local.Add(c.offset) }

func (c *serverClock) local(server time.Time) time.Time { return server.Add(-c.offset) }
