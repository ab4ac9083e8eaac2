// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"sync"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// Directory is what the process knows of Secrets and environments beyond the API server: all of it
// can be found out again. It is shared by the passes and by the handlers of events.
type Directory struct {
	mu           sync.Mutex
	fingerprints *cloudinary.Fingerprinter
	secrets      map[plan.Key]resolve.Secret
	names        names
	accepted     map[string]bool                  // by fingerprint: equal credentials are accepted together
	trying       map[string]map[resolve.Unit]bool // by fingerprint: a call that shows it is under way, for whose outcome these wait
	probes       map[plan.Key]*Backoff
	holds        map[plan.Key]*Hold
	environments map[cloudinary.Environment]*Environment
	large        map[cloudinary.Environment]int // bytes of the last lists that were large
	budget       cloudinary.Budget              // what an environment begins with
	interval     time.Duration                  // of its schedule
	// Unnamed is told of each cloud that no Secret names any more, and in which nothing is known;
	// it may be nil.
	Unnamed func(cloud string)
}

// NewDirectory makes one whose environments begin with that budget, and list at that pace.
func NewDirectory(budget cloudinary.Budget, interval time.Duration) *Directory {
	return &Directory{
		budget: budget, interval: interval,
		fingerprints: cloudinary.NewFingerprinter(),
		secrets:      map[plan.Key]resolve.Secret{}, names: newNames(), accepted: map[string]bool{}, trying: map[string]map[resolve.Unit]bool{},
		probes: map[plan.Key]*Backoff{}, holds: map[plan.Key]*Hold{}, environments: map[cloudinary.Environment]*Environment{},
		large: map[cloudinary.Environment]int{},
	}
}

// Secret is what is known of a Secret, if anything is.
func (d *Directory) Secret(k plan.Key) (resolve.Secret, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, ok := d.secrets[k]
	return s, ok
}

// SetSecret replaces what is known of a Secret.
func (d *Directory) SetSecret(k plan.Key, s resolve.Secret) {
	d.mu.Lock()
	defer d.mu.Unlock()
	old, ok := d.secrets[k]
	if !ok || old.ResourceVersion != s.ResourceVersion || old.UID != s.UID {
		delete(d.probes, k) // what changed is tried at once
	}
	s.Refused = old.Refused && old.Credentials == s.Credentials
	d.secrets[k] = s
	d.names.add(k, s.Credentials)
	d.disuse(k, old.Credentials)
}

// ForgetSecret is for a Secret that nothing needs any more.
func (d *Directory) ForgetSecret(k plan.Key) {
	d.mu.Lock()
	defer d.mu.Unlock()
	old := d.secrets[k]
	delete(d.secrets, k)
	delete(d.probes, k)
	delete(d.holds, k)
	d.disuse(k, old.Credentials)
}

// disuse forgets what is kept by credentials that a Secret had, if none has them any more: whoever
// may edit one can have any number of them tried. directory.mu is held.
func (d *Directory) disuse(k plan.Key, c cloudinary.Credentials) {
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
	for e := range d.environments { // its own pass forgets it
		named = named || e.CloudName == c.CloudName
	}
	if !named && d.Unnamed != nil {
		d.Unnamed(c.CloudName)
	}
}

// IsAccepted reports whether a call with these credentials was accepted, and none refused since.
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

// BeginTrial reports whether these credentials are this caller's to try; if so endTrial must follow.
// If not, the unit is noted for that.
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

// EndTrial returns the units that have waited for the outcome.
func (d *Directory) EndTrial(c cloudinary.Credentials) map[resolve.Unit]bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.fingerprints.Fingerprint(c)
	defer delete(d.trying, f)
	return d.trying[f]
}

// UnitOf is the environment that a Secret was accepted in, else the Secret itself.
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

// Probe is when the credentials of a Secret may be tried again.
func (d *Directory) Probe(k plan.Key) *Backoff {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.probes[k] == nil {
		d.probes[k] = &Backoff{}
	}
	return d.probes[k]
}

// Environment is what is known of a product environment.
func (d *Directory) Environment(e cloudinary.Environment) *Environment {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.environments[e] == nil {
		d.environments[e] = d.NewEnvironment()
	}
	return d.environments[e]
}

// NewEnvironment makes one that is not in the directory, such as that of a probe.
func (d *Directory) NewEnvironment() *Environment {
	return &Environment{Refusals: map[plan.Place]plan.Refusal{}, Budget: d.budget, Schedule: Schedule{interval: d.interval}}
}

// WaitForCalls is when credentials may be tried in an environment for which there are no calls now;
// zero: at once.
func (d *Directory) WaitForCalls(e cloudinary.Environment, now time.Time) time.Time {
	d.mu.Lock()
	env := d.environments[e]
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

// ForgetEnvironment is for one in which no object appears any more.
func (d *Directory) ForgetEnvironment(e cloudinary.Environment) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.environments, e)
	delete(d.large, e)
}

// A host of anybody's can answer with lists as long as Cloudinary's longest. They are not kept of
// any number of environments at once.
const (
	largeList     = 1 << 20
	MaxLargeLists = 64 << 20
)

// HasRoom reports whether a list of so many bytes can be kept besides those of other environments.
// Each that is not large can.
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
