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

// Place is where at most one trigger of ours can be: an event type at a URL.
type Place struct {
	URL       string // as CanonicalURL gives it
	EventType string
}

// Settings are the fields of a trigger that we manage besides its URL.
type Settings struct {
	Additive        bool
	Filter          string // as CanonicalJSON gives it; empty: none
	PayloadTemplate string // as CanonicalJSON gives it; empty: none
	AuthScheme      string // never empty: DefaultAuthScheme where the spec is silent
}

// DefaultAuthScheme is what Cloudinary uses where no auth_scheme was given.
const DefaultAuthScheme = "default"

// WebhookType is the only uri_type that is ours to look at.
const WebhookType = "webhook"

// Observed is a trigger as it was listed. A nil field was not shown, which does not mean that it has its default.
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

	// Written means that we changed the trigger since it was listed: id, URL and event type alone can be relied on.
	Written bool
}

func (o Observed) webhook() bool { return o.URIType == "" || o.URIType == WebhookType }

func (o Observed) place() Place { return Place{CanonicalURL(o.URL), o.EventType} }

// Origin says how a trigger came to be ours.
type Origin string

// The origins.
const (
	Created Origin = "Created"
	Adopted Origin = "Adopted"
)

// Record is what an object's status says of one trigger. It is the only proof that a trigger is ours.
type Record struct {
	EventType string
	URL       string // as asked for, not as listed
	Secret    Key    // whose credentials it was written with
	ID        string // empty while IntendedAt alone stands
	Origin    Origin

	// IntendedAt is set before the call that creates the trigger, and cleared when the outcome is known.
	IntendedAt time.Time
	// OverdueAt is set for calls whose result no list has shown within Settle: IntendedAt is of the
	// first of them, OverdueAt of the last. The trigger may be created again, and a list that shows
	// the result after all still makes it the object's.
	OverdueAt time.Time
	// SentHash, SentAt: of what was last sent; empty for a trigger that was adopted as it is.
	SentHash string
	SentAt   time.Time
	// ConfirmedHash is SentHash once a list has shown it.
	ConfirmedHash string
	// Echoed are the fields that a list has shown for this trigger.
	Echoed []string
	// Repair is the last difference that was written over.
	Repair Repair
	// Differences are those that remain, for a person to read.
	Differences []Difference
}

func (r Record) place() Place { return Place{CanonicalURL(r.URL), r.EventType} }

func (r Record) overdue() bool { return !r.OverdueAt.IsZero() }

// unmade says that the record stands for nothing but the origin that a trigger is to have: half of a replacement was
// carried out, the other was not.
func (r Record) unmade() bool { return r.ID == "" && r.IntendedAt.IsZero() }

// Repair remembers a difference that was written over.
type Repair struct {
	ReadHash     string
	Updates      int
	Replacements int
	// Total counts repairs of whatever differed, as long as no two of them are repairMemory apart.
	Total  int
	LastAt time.Time
}

// recent reports whether what is found now counts together with the last repair.
func (r Repair) recent(now time.Time) bool { return now.Sub(r.LastAt) < repairMemory }

// next is how many repairs there are with one more.
func (r Repair) next(now time.Time) int {
	if r.recent(now) {
		return r.Total + 1
	}
	return 1
}

// Difference is a field in which what was listed differs from what is wanted.
type Difference struct {
	Field, Want, Have string
}

// Stance says what an object may have in this product environment.
type Stance int

// The stances.
const (
	// Wants means the object wants its event types at its URL.
	Wants Stance = iota
	// Observes means it wants to be told the difference, and nothing to be written.
	Observes
	// Holds means what it wants cannot be known now: what it has stays as it is.
	Holds
	// Releases means it wants nothing here any more: what it has goes by its deletion policy.
	Releases
)

// Deletion says what becomes of a trigger that is released.
type Deletion int

// The deletion policies.
const (
	DeleteCreated Deletion = iota // delete what we created, keep what we adopted
	DeleteAll
	RetainAll
)

// Object is a CloudinaryTrigger as far as this product environment is concerned.
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

// Refusal is the server's no to a change, remembered so that it is not asked again and again.
type Refusal struct {
	Action  Action
	Hash    string // of what was refused
	Limit   bool   // the limit of URLs was the reason: asked again when the set of URLs changes
	Exists  bool   // a trigger at that place was the reason: asked again when a list shows none
	URLs    string // the set of URLs at that time, as hashOf gives it
	Message string // the server's word
	At      time.Time
	Times   int // how often in a row
	Until   time.Time
}

// ofState reports whether what is at Cloudinary was the reason, and not what was asked: a trigger that is in the way, or may not be deleted. The
// next list tells whether that has changed.
func (r Refusal) ofState() bool { return r.Exists || r.Action == Delete }

const (
	// DefaultURLLimit is how many different notification URLs a product environment may hold, where nothing else is said.
	DefaultURLLimit = 30
	// DefaultSettle is how long a list may lag behind a write, where nothing else is said.
	DefaultSettle = 30 * time.Second
)

// Input is all that a decision rests on.
type Input struct {
	Objects []Object
	// Observed has each id once.
	Observed []Observed

	// ListedAt is when the call that listed Observed was begun, Now is the present, both by Cloudinary's clock.
	ListedAt time.Time
	Now      time.Time

	// URLLimit is how many different notification URLs the environment may hold.
	URLLimit int
	// Settle is how long a list may lag behind a write, and how long a call may be under way.
	Settle time.Duration
	// Refusals are by the place that was asked for.
	Refusals map[Place]Refusal
}

// Action is what a step does at Cloudinary.
type Action int

// The actions, in the order in which they are carried out; what people ask for comes before all repairs.
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

// Cause is why a step is taken, for people.
type Cause string

// The causes.
const (
	CauseSpec     Cause = "spec"     // the spec asks for something new
	CauseAdoption Cause = "adoption" // a trigger that was there before differs from the spec
	CauseDrift    Cause = "drift"    // somebody changed the trigger
	CauseIgnored  Cause = "ignored"  // an update in place had no effect
	CauseReleased Cause = "released" // nobody wants it any more
)

// Repairs reports whether the cause is what is at Cloudinary, and not what people ask for.
func (c Cause) Repairs() bool { return c == CauseDrift || c == CauseIgnored }

// urgency orders causes: where calls are short, people do not wait for repairs.
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
	// Unlisted means that the list does not show the trigger: the call tells whether it exists.
	Unlisted bool
}

func (s Step) place() Place { return Place{CanonicalURL(s.URL), s.EventType} }

// Plan is the answer of Make.
type Plan struct {
	// Steps are in the order in which to take them.
	Steps []Step
	// Verdicts has one for each object of the input.
	Verdicts map[Key]Verdict
	// Handovers are the objects that gave a record to another. Before any other status is written they keep what they give, see
	// Verdict.Giving; after that it is to be taken out.
	Handovers []Key
	// URLs are the different notification URLs in the environment, sorted.
	URLs []string
}

// Verdict is what the plan says of one object.
type Verdict struct {
	// Records are what the object holds, before the plan's steps are taken.
	Records []Record
	// Giving are the records that went to other objects. Until the status of those is written, they must stay in this object's:
	// two objects may give to each other, and a trigger that stands in no status is nobody's.
	Giving []Record
	// Released are the records that the object releases, and whose triggers stay at Cloudinary, because its spec says so. Where the
	// spec has changed by the time that this is written, they stay the object's.
	Released []Record
	// Findings are what keeps the object from being as wanted; empty: all is as wanted.
	Findings []Finding
	// Observed compares, for an object that only observes.
	Observed []Comparison
}

// Comparison is what an observing object is told of one event type.
type Comparison struct {
	EventType   string
	ID          string // empty: there is no such trigger
	Differences []Difference
}

// Problem is a reason why an event type is not as wanted. The values are the API's condition reasons.
type Problem string

// The problems, the most important first. Those up to Rejected speak of the spec, those after it of the state at Cloudinary.
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

// OfSpec reports whether the problem is one of the spec (condition Accepted) or of the state (condition Synced).
func (p Problem) OfSpec() bool {
	return slices.Index(problemOrder(), p) <= slices.Index(problemOrder(), Rejected)
}

// Alien is a trigger that is no webhook. The operator never touches those.
type Alien struct {
	ID, URIType string
}

// Finding is a problem with the event types it concerns.
type Finding struct {
	Problem    Problem
	EventTypes []string
	// Other is the object that has the place (Conflict); empty where there is none.
	Other Key
	// Fields are those that differ (NotConverging, Drifted), or empty.
	Fields []string
	// Message is Cloudinary's word (Rejected, URLLimitReached, DeletionRefused, PlaceTaken), or empty.
	Message string
	// Alien is a trigger of another kind that is in the way (AlreadyExists), or has the id of one of ours (DeletionRefused); else nil.
	Alien *Alien
	// Missing are the event types of which no trigger exists (Drifted), or which somebody keeps deleting (NotConverging).
	Missing []string
}
