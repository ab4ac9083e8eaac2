// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"cmp"
	"slices"
	"time"
)

// Key names an object or a Secret.
type Key struct {
	Namespace, Name string
}

// String gives namespace/name.
func (k Key) String() string { return k.Namespace + "/" + k.Name }

// Compare orders keys by namespace and name.
func (k Key) Compare(o Key) int {
	return cmp.Or(cmp.Compare(k.Namespace, o.Namespace), cmp.Compare(k.Name, o.Name))
}

// Place is an event type at a URL. At most one trigger of ours is at a place.
type Place struct {
	URL       string // as CanonicalURL gives it
	EventType string
}

// Settings are the managed fields of a trigger, except its URL.
type Settings struct {
	Additive        bool
	Filter          string // as CanonicalJSON gives it; empty: none
	PayloadTemplate string // as CanonicalJSON gives it; empty: none
	AuthScheme      string // never empty: DefaultAuthScheme if the spec has none
}

// DefaultAuthScheme is Cloudinary's default for auth_scheme.
const DefaultAuthScheme = "default"

// WebhookType is the only uri_type that the operator manages.
const WebhookType = "webhook"

// Observed is a trigger as the list shows it. A nil field was not shown. That does not mean that
// the field has its default.
type Observed struct {
	ID        string
	URIType   string // empty: webhook
	URL       string // as listed
	EventType string
	CreatedAt time.Time

	Additive        *bool
	Filter          *string // as CanonicalJSON gives it
	PayloadTemplate *string // as CanonicalJSON gives it
	AuthScheme      *string

	// Written means that the operator changed the trigger after the list. Only id, URL and event
	// type are reliable then.
	Written bool
}

func (o Observed) isWebhook() bool { return o.URIType == "" || o.URIType == WebhookType }

func (o Observed) place() Place { return Place{CanonicalURL(o.URL), o.EventType} }

// Origin is how a trigger became ours.
type Origin string

// The origins.
const (
	Created Origin = "Created"
	Adopted Origin = "Adopted"
)

// Record is what an object's status says about one trigger. It is the only proof that a trigger is
// ours.
type Record struct {
	EventType string
	URL       string // as asked for, not as listed
	Secret    Key    // the Secret whose credentials wrote it
	ID        string // empty while only IntendedAt is set
	Origin    Origin

	// IntendedAt is set before the call that creates the trigger, and cleared when the outcome is
	// known.
	IntendedAt time.Time
	// OverdueAt is set if no list has shown the result of the call within Settle. One record stands
	// for all such calls at its place: IntendedAt is the time of the first call, OverdueAt of the
	// last. The trigger may be created again. A list that shows the result later still makes it the
	// object's.
	OverdueAt time.Time
	// SentHash and SentAt belong to the last write. They are empty for a trigger that was adopted
	// unchanged.
	SentHash string
	SentAt   time.Time
	// ConfirmedHash is SentHash once a list has shown it.
	ConfirmedHash string
	// Echoed are the fields that a list has shown for this trigger.
	Echoed []string
	// Repair is the last difference that the operator overwrote.
	Repair Repair
	// Differences are the remaining ones, for a person to read.
	Differences []Difference
}

func (r Record) place() Place { return Place{CanonicalURL(r.URL), r.EventType} }

func (r Record) overdue() bool { return !r.OverdueAt.IsZero() }

// lastIntent is the time of the last call that the record stands for.
func (r Record) lastIntent() time.Time {
	if r.overdue() {
		return r.OverdueAt
	}
	return r.IntendedAt
}

// originOnly reports whether the record holds no trigger, only the origin of one to create: a
// replacement deleted the old trigger and did not create the new one.
func (r Record) originOnly() bool { return r.ID == "" && r.IntendedAt.IsZero() }

// Repair remembers a difference that the operator overwrote.
type Repair struct {
	ReadHash     string
	Updates      int
	Replacements int
	// Total counts repairs of any difference, as long as no two of them are repairMemory apart.
	Total  int
	LastAt time.Time
}

// recent reports whether a new difference counts together with the last repair.
func (r Repair) recent(now time.Time) bool { return now.Sub(r.LastAt) < repairMemory }

// next is the number of repairs after one more.
func (r Repair) next(now time.Time) int {
	if r.recent(now) {
		return r.Total + 1
	}
	return 1
}

// Difference is a field in which the list differs from the spec.
type Difference struct {
	Field, Want, Have string
}

// Stance is what an object may do in this product environment.
type Stance int

// The stances.
const (
	// Wants means that the object asks for its event types at its URL.
	Wants Stance = iota
	// Observes means that the object asks for a report of the differences, and for no writes.
	Observes
	// Keeps means that the wishes of the object are unknown now. Its triggers stay as they are.
	Keeps
	// Releases means that the object asks for nothing here any more. Its deletion policy decides
	// about its triggers.
	Releases
)

// Deletion is the fate of a trigger that is released.
type Deletion int

// The deletion policies.
const (
	DeleteCreated Deletion = iota // delete what we created, keep what we adopted
	DeleteAll
	RetainAll
)

// Object is the part of a CloudinaryTrigger that concerns this product environment.
type Object struct {
	Key     Key
	Created time.Time
	Stance  Stance

	URL         string
	EventTypes  []string
	Settings    Settings
	Secret      Key
	RefuseAdopt bool
	Deletion    Deletion

	Records []Record
}

func (o *Object) compare(p *Object) int {
	return cmp.Or(o.Created.Compare(p.Created), o.Key.Compare(p.Key))
}

// Refusal is Cloudinary's refusal of a change. It is remembered, so that the operator does not
// repeat the call again and again.
type Refusal struct {
	Action  Action
	Hash    string // of what was refused
	Limit   bool   // the URL limit was the reason: retry when the set of URLs changes
	Exists  bool   // a trigger at that place was the reason: retry when a list shows none
	URLs    string // the set of URLs at that time, as hashOf gives it
	Message string // Cloudinary's message
	At      time.Time
	Times   int // how often in a row
	Until   time.Time
}

// aboutState reports whether the cause is the state at Cloudinary and not the request: a trigger is
// in the way, or may not be deleted. The next list shows whether the cause is gone.
func (r Refusal) aboutState() bool { return r.Exists || r.Action == Delete }

const (
	// DefaultURLLimit is the default for the number of different notification URLs in a product
	// environment.
	DefaultURLLimit = 30
	// DefaultSettle is the default for the time that a list may lag behind a write.
	DefaultSettle = 30 * time.Second
)

// Input is everything that a decision depends on.
type Input struct {
	Objects []Object
	// Observed has each id once.
	Observed []Observed

	// ListedAt is the start of the call that listed Observed, and Now the present time. Both are by
	// Cloudinary's clock.
	ListedAt time.Time
	Now      time.Time

	// URLLimit is the largest number of different notification URLs in the environment.
	URLLimit int
	// Settle is the settle time: how long a list may lag behind a write, and how long a call may
	// take.
	Settle time.Duration
	// Refusals are by the place of the refused trigger.
	Refusals map[Place]Refusal
}

// Action is the change that a step makes at Cloudinary.
type Action int

// The actions, in their order of execution. Changes that people ask for come before repairs.
const (
	Update Action = iota
	Replace
	Create
	Delete
)

// String gives the action's name for logs and metrics.
func (a Action) String() string {
	return [...]string{"update", "replace", "create", "delete"}[a]
}

// Cause is the reason for a step, for people.
type Cause string

// The causes.
const (
	CauseSpec     Cause = "spec"     // the spec asks for something new
	CauseAdoption Cause = "adoption" // a trigger that was there before differs from the spec
	CauseDrift    Cause = "drift"    // somebody changed the trigger
	CauseIgnored  Cause = "ignored"  // an update in place had no effect
	CauseReleased Cause = "released" // nobody wants it any more
)

// Repairs reports whether the cause is the state at Cloudinary, and not a change that people asked
// for.
func (c Cause) Repairs() bool { return c == CauseDrift || c == CauseIgnored }

// urgency orders causes: if calls are short, people do not wait for repairs.
func (c Cause) urgency() int {
	if c.Repairs() {
		return 1
	}
	return 0
}

// Step is one change at Cloudinary.
type Step struct {
	Action    Action
	Cause     Cause
	Object    Key
	Secret    Key // whose credentials to use
	ID        string
	EventType string
	URL       string
	Settings  Settings
	Hash      string // of what is sent; of a delete alone: of the trigger's id
	Origin    Origin
	Repair    Repair // what to record with it
	// Unlisted means that the list does not show the trigger. The call shows whether it exists.
	Unlisted bool
}

func (s Step) place() Place { return Place{CanonicalURL(s.URL), s.EventType} }

// Plan is the result of Make.
type Plan struct {
	// Steps are in their order of execution.
	Steps []Step
	// Verdicts has one for each object of the input.
	Verdicts map[Key]Verdict
	// Handovers are the objects that gave a record to another one. They keep it (see
	// Verdict.Giving) until the other one's status is written. Then it leaves their status.
	Handovers []Key
	// URLs are the different notification URLs in the environment, sorted.
	URLs []string
}

// Verdict is the plan's result for one object.
type Verdict struct {
	// Records are the records of the object before the first step.
	Records []Record
	// Giving are the records that went to other objects. They stay in this object's status until
	// the other status is written: two objects may give to each other, and a trigger that no status
	// records is nobody's.
	Giving []Record
	// Released are the records that the object releases, and whose triggers stay at Cloudinary by
	// its spec. If the spec changes before they are written, they stay the object's.
	Released []Record
	// Findings are the reasons why the object is not in sync. None: it is in sync.
	Findings []Finding
	// Observed is the comparison for an object that only observes.
	Observed []Comparison
}

// Comparison is the report to an observing object about one event type.
type Comparison struct {
	EventType   string
	ID          string // empty: there is no such trigger
	Differences []Difference
}

// Problem is a reason why an event type is not in sync. The values are the API's condition reasons.
type Problem string

// The problems, the most important first. Those up to Rejected concern the spec, the others the
// state at Cloudinary.
const (
	Conflict        Problem = "Conflict"
	AlreadyExists   Problem = "AlreadyExists"
	URLLimitReached Problem = "URLLimitReached"
	Rejected        Problem = "Rejected"
	NotConverging   Problem = "NotConverging"
	Drifted         Problem = "Drifted"
	DeletionRefused Problem = "DeletionRefused"
	PlaceTaken      Problem = "PlaceTaken"
	Confirming      Problem = "Confirming"
	Pending         Problem = "Pending"
	Releasing       Problem = "Releasing"
)

// problemOrder lists the problems by importance.
func problemOrder() []Problem {
	return []Problem{Conflict, AlreadyExists, URLLimitReached, Rejected, NotConverging, Drifted, DeletionRefused, PlaceTaken, Confirming, Pending, Releasing}
}

// OfSpec reports whether the problem concerns the spec (condition Accepted) and not the state
// (condition Synced).
func (p Problem) OfSpec() bool {
	return slices.Index(problemOrder(), p) <= slices.Index(problemOrder(), Rejected)
}

// NonWebhook is a trigger with another uri_type than webhook. The operator never touches it.
type NonWebhook struct {
	ID, URIType string
}

// Finding is a problem with the event types it concerns.
type Finding struct {
	Problem    Problem
	EventTypes []string
	// Other is the object that has the place (Conflict), if any.
	Other Key
	// Fields are those that differ (NotConverging, Drifted), or empty.
	Fields []string
	// Message is Cloudinary's message (Rejected, URLLimitReached, DeletionRefused, PlaceTaken), or
	// empty.
	Message string
	// NonWebhook is a trigger with another uri_type that is in the way (AlreadyExists), or that has
	// the id of one of ours (DeletionRefused). Nil: there is none.
	NonWebhook *NonWebhook
	// Missing are the event types without a trigger (Drifted), or whose trigger somebody keeps
	// deleting (NotConverging).
	Missing []string
}
