// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"sync"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// Directory is the knowledge of the process about Secrets and environments, beyond the API server.
// A new process finds all of it out again. Passes and event handlers share it.
type Directory struct {
	mu           sync.Mutex
	fingerprints *cloudinary.Fingerprinter
	secrets      map[plan.Key]resolve.Secret
	names        names
	// By fingerprint: equal credentials are accepted together
	accepted map[string]bool
	// By fingerprint: a call that shows it is under way, for whose outcome these wait
	trying     map[string]map[resolve.Unit]bool
	probes     map[plan.Key]*Backoff
	finalizers map[plan.Key]*SecretFinalizer
	states     map[cloudinary.Environment]*EnvironmentState
	large      map[cloudinary.Environment]int // bytes of the last lists that were large
	budget     cloudinary.Budget              // the initial one of an environment
	interval   time.Duration                  // of its schedule
	// Unnamed is called for each cloud that no Secret names any more and about which nothing is
	// known. It may be nil.
	Unnamed func(cloud string)
}

// NewDirectory returns a directory whose environments begin with that budget, and list at that
// interval.
func NewDirectory(budget cloudinary.Budget, interval time.Duration) *Directory {
	return &Directory{
		budget: budget, interval: interval,
		fingerprints: cloudinary.NewFingerprinter(),
		secrets:      map[plan.Key]resolve.Secret{}, names: newNames(), accepted: map[string]bool{}, trying: map[string]map[resolve.Unit]bool{},
		probes: map[plan.Key]*Backoff{}, finalizers: map[plan.Key]*SecretFinalizer{}, states: map[cloudinary.Environment]*EnvironmentState{},
		large: map[cloudinary.Environment]int{},
	}
}

// Secret is the knowledge about a Secret, if there is any.
func (d *Directory) Secret(k plan.Key) (resolve.Secret, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, ok := d.secrets[k]
	return s, ok
}

// SetSecret replaces the knowledge about a Secret.
func (d *Directory) SetSecret(k plan.Key, s resolve.Secret) {
	d.mu.Lock()
	defer d.mu.Unlock()
	old, ok := d.secrets[k]
	if !ok || old.ResourceVersion != s.ResourceVersion || old.UID != s.UID {
		delete(d.probes, k) // a changed Secret is tried at once
	}
	s.Refused = old.Refused && old.Credentials == s.Credentials
	d.secrets[k] = s
	d.names.add(k, s.Credentials)
	d.forgetCredentials(k, old.Credentials)
}

// ForgetSecret drops a Secret that nothing needs any more.
func (d *Directory) ForgetSecret(k plan.Key) {
	d.mu.Lock()
	defer d.mu.Unlock()
	old := d.secrets[k]
	delete(d.secrets, k)
	delete(d.probes, k)
	delete(d.finalizers, k)
	d.forgetCredentials(k, old.Credentials)
}

// forgetCredentials drops the knowledge about former credentials of a Secret, if no Secret has them
// any more: an author of a Secret can have any number of credentials tried. d.mu must be locked.
func (d *Directory) forgetCredentials(k plan.Key, c cloudinary.Credentials) {
	if c == (cloudinary.Credentials{}) {
		return
	}
	if d.secrets[k].Credentials != c {
		d.names.remove(k, c)
	}
	if len(d.names.secrets[c]) > 0 {
		return
	}
	delete(d.accepted, d.fingerprints.Fingerprint(c))
	named := d.names.clouds[c.CloudName] > 0
	for e := range d.states { // its own pass forgets it
		named = named || e.CloudName == c.CloudName
	}
	if !named && d.Unnamed != nil {
		d.Unnamed(c.CloudName)
	}
}

// IsAccepted reports whether Cloudinary accepted a call with these credentials, and has refused
// none since.
func (d *Directory) IsAccepted(c cloudinary.Credentials) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.accepted[d.fingerprints.Fingerprint(c)]
}

// SetAccepted records whether Cloudinary accepts credentials.
func (d *Directory) SetAccepted(c cloudinary.Credentials, accepted bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if accepted {
		d.accepted[d.fingerprints.Fingerprint(c)] = true
	} else {
		delete(d.accepted, d.fingerprints.Fingerprint(c))
	}
	for k := range d.names.secrets[c] {
		s := d.secrets[k]
		s.Refused = !accepted
		d.secrets[k] = s
	}
}

// BeginTrial reports whether the caller may try these credentials. If so, EndTrial must follow. If
// not, another pass is trying them, and the unit waits for its result.
func (d *Directory) BeginTrial(c cloudinary.Credentials, unit resolve.Unit) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.fingerprints.Fingerprint(c)
	if waiting, tried := d.trying[f]; tried {
		waiting[unit] = true
		return false
	}
	d.trying[f] = map[resolve.Unit]bool{}
	return true
}

// EndTrial returns the units that have waited for the result.
func (d *Directory) EndTrial(c cloudinary.Credentials) map[resolve.Unit]bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.fingerprints.Fingerprint(c)
	defer delete(d.trying, f)
	return d.trying[f]
}

// UnitOf is the environment in which a Secret was accepted, else the Secret itself.
func (d *Directory) UnitOf(k plan.Key) resolve.Unit {
	s, ok := d.Secret(k)
	if ok && s.Problem == nil && d.IsAccepted(s.Credentials) {
		return resolve.UnitOfEnvironment(s.Credentials.Environment())
	}
	return resolve.UnitOfSecret(k)
}

// Fingerprint tells credentials from others without keeping them.
func (d *Directory) Fingerprint(c cloudinary.Credentials) string {
	return d.fingerprints.Fingerprint(c)
}

// Probe is the back-off of a Secret's credentials.
func (d *Directory) Probe(k plan.Key) *Backoff {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.probes[k] == nil {
		d.probes[k] = &Backoff{}
	}
	return d.probes[k]
}

// State is the knowledge about a product environment.
func (d *Directory) State(e cloudinary.Environment) *EnvironmentState {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.states[e] == nil {
		d.states[e] = d.NewState()
	}
	return d.states[e]
}

// NewState returns a state that is not in the directory, for example for a probe.
func (d *Directory) NewState() *EnvironmentState {
	return &EnvironmentState{Refusals: map[plan.Place]plan.Refusal{}, Budget: d.budget, Schedule: Schedule{interval: d.interval}}
}

// WaitForCalls is when credentials may be tried in an environment without calls left. Zero: at
// once.
func (d *Directory) WaitForCalls(e cloudinary.Environment, now time.Time) time.Time {
	d.mu.Lock()
	env := d.states[e]
	d.mu.Unlock()
	if env == nil {
		return time.Time{}
	}
	env.Lock()
	defer env.Unlock()
	if env.Calls(cloudinary.Listing, now) > 0 {
		return time.Time{}
	}
	return env.resetAt(now)
}

// ForgetEnvironment drops an environment in which no object appears any more.
func (d *Directory) ForgetEnvironment(e cloudinary.Environment) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.states, e)
	delete(d.large, e)
}

// Any host can answer with lists as long as the longest of Cloudinary. The process keeps such lists
// of a few environments only.
const (
	largeList     = 1 << 20
	MaxLargeLists = 64 << 20
)

// HasRoom reports whether the process can keep a list of so many bytes besides those of other
// environments. It always keeps a list that is not large.
func (d *Directory) HasRoom(e cloudinary.Environment, bytes int) bool {
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
	if total > MaxLargeLists {
		return false
	}
	d.large[e] = bytes
	return true
}
