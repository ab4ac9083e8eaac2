// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/remembered"
)

// ledger is what really happened, to hold against what the manager was allowed to do. Only triggers
// that stand in a status, or that a manager's call has made, are the manager's; the others are
// somebody's.
type ledger struct {
	run *run
	// ours are those that a manager's call has made, by id.
	ours map[string]bool
	// foreign are those that are nobody's of ours (any more): as their owners last left them.
	foreign map[string]string
	// placesOf are the places where a trigger has been, and when it left: a list may lag behind. It
	// has not left where that is zero.
	placesOf map[string]map[place]time.Time
	// adoptable are all places that an object which adopts has ever wanted.
	adoptable map[place]bool
	// letGo are triggers that a manager may leave behind, and has.
	letGo map[string]bool
	// makers are the objects whose intent the call that made a trigger may have been for, by the
	// trigger's id.
	makers map[string][]string
	// moved are triggers of ours to which somebody gave another URL.
	moved  map[string]bool
	writes int
}

func newLedger(r *run) *ledger {
	return &ledger{
		run: r, ours: map[string]bool{}, foreign: map[string]string{}, placesOf: map[string]map[place]time.Time{},
		adoptable: map[place]bool{}, letGo: map[string]bool{}, makers: map[string][]string{}, moved: map[string]bool{},
	}
}

// made notes what somebody else made of a trigger.
func (l *ledger) made(c *cloud, id string) {
	t, ok := c.trigger(id)
	if !ok {
		return
	}
	l.foreign[id] = asText(t)
	l.notePlace(c, id)
}

// notePlace notes where a trigger is after a call, whoever made it.
func (l *ledger) notePlace(c *cloud, id string) {
	t, ok := c.trigger(id)
	if !ok {
		return
	}
	if l.placesOf[id] == nil {
		l.placesOf[id] = map[place]time.Time{}
	}
	for p, left := range l.placesOf[id] {
		if left.IsZero() {
			l.placesOf[id][p] = l.run.now
		}
	}
	l.placesOf[id][placeOf(c.name, t)] = time.Time{}
}

// holding is one line of a status.
type holding struct {
	object *v1alpha1.CloudinaryTrigger
	cloud  string
	url    string
	v1alpha1.RegisteredTrigger
}

func holdings(t *v1alpha1.CloudinaryTrigger) []holding {
	var all []holding
	if t == nil {
		return nil
	}
	for _, reg := range t.Status.Registrations {
		for _, held := range reg.Triggers {
			all = append(all, holding{t, reg.CloudName, reg.URL, held})
		}
	}
	return all
}

// recorded are the lines of all statuses with an id.
func (l *ledger) recorded(id string) []holding {
	var all []holding
	for _, t := range l.run.api.triggers() {
		for _, h := range holdings(t) {
			if h.ID == id {
				all = append(all, h)
			}
		}
	}
	return all
}

// wrote looks at a change of the API server: at what an object takes into its status, and at what
// it releases.
func (l *ledger) wrote(c change) {
	before, _ := c.before.(*v1alpha1.CloudinaryTrigger)
	after, _ := c.after.(*v1alpha1.CloudinaryTrigger)
	l.noteWishes()
	had, has := holdings(before), holdings(after)
	if *traceFlag && (before != nil || after != nil) {
		l.run.note("%s holds %v", cmp.Or(after, before).Name, has)
	}
	l.settledIntents(had, has)
	for _, h := range has {
		if h.ID != "" && !slices.ContainsFunc(had, func(o holding) bool { return o.ID == h.ID }) {
			l.taken(h)
		}
	}
	for _, h := range had {
		if h.ID != "" && !slices.ContainsFunc(has, func(o holding) bool { return o.ID == h.ID }) {
			l.dropped(h)
		}
	}
}

func (l *ledger) taken(h holding) {
	switch _, foreign := l.foreign[h.ID]; {
	case h.Origin == v1alpha1.OriginCreated && !l.ours[h.ID]:
		l.run.violated("%s holds %s as created, which the manager did not make", h.object.Name, h.ID[:6])
	case foreign && !l.mayAdopt(h.ID) && !slices.Contains(l.makers[h.ID], h.object.Name):
		l.run.violated("%s takes over %s, which is at no place that anything wants", h.object.Name, h.ID[:6])
	}
	delete(l.foreign, h.ID)
	delete(l.letGo, h.ID)
}

// staleFor is how long after a change a pass may go by a list that does not show it: as long as a
// list lags, is worked with, and stays with a process that has frozen.
const staleFor = 2 * time.Minute

// mayAdopt reports whether a trigger is, or was by what a list may still show, where an object has
// ever wanted one, and would adopt it.
func (l *ledger) mayAdopt(id string) bool {
	for p, left := range l.placesOf[id] {
		if l.adoptable[p] && (left.IsZero() || l.run.now.Sub(left) <= staleFor) {
			return true
		}
	}
	return false
}

func (l *ledger) dropped(h holding) {
	c := l.run.clouds[h.cloud]
	t, exists := c.trigger(h.ID)
	if !exists || len(l.recorded(h.ID)) > 0 {
		return
	}
	if !keeps(h) {
		l.run.violated("%s releases %s (%s at %s in %s), which exists and is to be deleted", h.object.Name, h.ID[:6], t.EventType, t.URI, h.cloud)
	}
	l.letGo[h.ID] = true
	l.made(c, h.ID)
}

// settledIntents: an object that does not want a place any more may find out what became of its
// call there, and leave the result behind, in one step. One that goes while lists hide the result
// leaves that behind, too.
func (l *ledger) settledIntents(had, has []holding) {
	for _, h := range had {
		if h.ID != "" || l.stands(h, had, has) || !l.hidden(h, has) && (!keeps(h) || l.intendedSince(h)) {
			continue
		}
		c := l.run.clouds[h.cloud]
		for _, t := range c.triggers() {
			mayBeIts := slices.Contains(l.makers[t.ID], h.object.Name) && placeOf(h.cloud, t) == h.place()
			if mayBeIts && l.ours[t.ID] && !l.letGo[t.ID] && len(l.recorded(t.ID)) == 0 {
				l.letGo[t.ID] = true
				l.made(c, t.ID)
			}
		}
	}
}

// stands reports whether an intent is there still, perhaps together with an older one, or its place
// has an id instead that was not there before.
func (l *ledger) stands(h holding, had, has []holding) bool {
	return slices.ContainsFunc(has, func(o holding) bool {
		intent := o.ID == "" && (o.IntendedAt == nil) == (h.IntendedAt == nil) && !h.IntendedAt.Before(o.IntendedAt)
		known := o.ID != "" && !slices.ContainsFunc(had, func(before holding) bool { return before.ID == o.ID })
		return o.cloud == h.cloud && o.EventType == h.EventType && o.url == h.url && (known || intent)
	})
}

// hidden reports whether lists were wrong since an intent of an object that goes, or has moved to
// another product environment. An id that no answer has brought is known from lists alone, and
// nobody waits for them then.
func (l *ledger) hidden(h holding, has []holding) bool {
	ep := l.run.api.endpoint(namespace, h.object.Spec.EndpointRef.Name)
	goes := h.object.DeletionTimestamp != nil || ep == nil || ep.DeletionTimestamp != nil || cloudOf(ep.Spec.CredentialsSecretRef.Name) != h.cloud ||
		slices.ContainsFunc(has, func(o holding) bool { return o.cloud != h.cloud })
	return goes && h.IntendedAt != nil && l.run.lists.until.After(h.IntendedAt.Add(-time.Minute))
}

// overdue reports whether an intent stands for calls whose result no list has shown in time.
func (h holding) overdue() bool {
	var r plan.Record
	remembered.Decode(h.Remembered, &r)
	return !r.OverdueAt.IsZero()
}

// intendedSince reports whether another object has an intent at the place that is younger than one:
// what is there is then rather its result, for a call follows its intent at once.
func (l *ledger) intendedSince(h holding) bool {
	for _, t := range l.run.api.triggers() {
		for _, other := range holdings(t) {
			if other.ID == "" && other.place() == h.place() && (h.IntendedAt == nil || other.IntendedAt == nil || !other.IntendedAt.Before(h.IntendedAt)) {
				return true
			}
		}
	}
	return false
}

func (h holding) place() place { return place{h.cloud, plan.CanonicalURL(h.url), h.EventType} }

// String is for traces.
func (h holding) String() string {
	id := "intent"
	switch {
	case h.ID != "":
		id = h.ID[:6]
	case h.IntendedAt != nil:
		id = "intent of " + h.IntendedAt.Format("15:04:05.000")
	}
	return fmt.Sprintf("%s %s at %s in %s", id, h.EventType, h.url, h.cloud)
}

// keeps reports whether a trigger stays at Cloudinary when its object releases it.
func keeps(h holding) bool {
	s := h.object.Spec
	switch {
	case s.DeletionPolicy == v1alpha1.DeletionPolicyRetain, s.ManagementPolicy == v1alpha1.ManagementPolicyObserve:
		return true
	case s.DeletionPolicy == v1alpha1.DeletionPolicyDelete:
		return false
	default:
		return h.Origin == v1alpha1.OriginAdopted
	}
}

// noteWishes notes where objects would adopt a trigger.
func (l *ledger) noteWishes() {
	for _, t := range l.run.api.triggers() {
		if t.Spec.AdoptionPolicy == v1alpha1.AdoptionPolicyRefuse || t.Spec.ManagementPolicy == v1alpha1.ManagementPolicyObserve {
			continue
		}
		ep := l.run.api.endpoint(t.Namespace, t.Spec.EndpointRef.Name)
		if ep == nil {
			continue
		}
		for _, cloud := range cloudNames { // whatever its Secret says
			for _, eventType := range t.Spec.EventTypes {
				l.adoptable[place{cloud, plan.CanonicalURL(ep.Spec.URL), eventType}] = true
			}
		}
	}
}

// check looks at a call before it leaves the process.
func (l *ledger) check(p *process, c *cloud, request *http.Request) {
	id := lastPart(request.URL.Path)
	switch request.Method {
	case http.MethodPut:
		l.checkChange(c, id)
	case http.MethodDelete:
		l.checkChange(c, id)
		l.checkDelete(p, id)
	}
}

func lastPart(path string) string { return path[strings.LastIndex(path, "/")+1:] }

// checkChange: what is changed or deleted stands in a status, was made by a call whose answer was
// lost, or is being adopted.
func (l *ledger) checkChange(c *cloud, id string) {
	_, foreign := l.foreign[id]
	switch {
	case len(l.recorded(id)) > 0, l.ours[id] && !l.letGo[id]:
	case foreign && l.mayAdopt(id):
		delete(l.foreign, id)
		l.letGo[id] = true // it is changed, and recorded afterwards
	case !foreign:
		if _, exists := c.trigger(id); exists && !l.letGo[id] {
			l.run.violated("a call changes %s, which is nobody's", id[:6])
		}
	default:
		l.run.violated("a call changes %s, which is somebody else's: %s", id[:6], l.foreign[id])
	}
}

// checkDelete: the object from whose manifest the pass went out wants it deleted, or wants it and
// replaces it.
func (l *ledger) checkDelete(p *process, id string) {
	held := l.recorded(id)
	if len(held) == 0 {
		return // the result of a call whose answer was lost
	}
	for _, h := range held {
		if read := p.read[nameOf(h.object)]; read != nil {
			h.object = read
		}
		s := h.object.Spec
		wanted := h.object.DeletionTimestamp == nil && s.ManagementPolicy != v1alpha1.ManagementPolicyObserve && slices.Contains(s.EventTypes, h.EventType)
		if wanted || !keeps(h) {
			return
		}
	}
	l.run.violated("a call deletes %s, which %s keeps", id[:6], held[0].object.Name)
}

// called carries a call out, and notes what it did.
func (l *ledger) called(c *cloud, request *http.Request, body []byte) reply {
	answer := c.serve(request.Method, request.URL.Path, request.Header, body)
	if request.Method == http.MethodGet || answer.status >= http.StatusMultipleChoices {
		return answer
	}
	l.writes++
	id := lastPart(request.URL.Path)
	if request.Method == http.MethodPost {
		id = idIn(answer.body)
		l.ours[id] = true
		l.noteMakers(c, id)
	}
	l.notePlace(c, id)
	l.run.note("%s %s in %s: %s", request.Method, id[:6], c.name, body)
	if _, let := l.foreign[id]; let { // it was released while the call was under way
		delete(l.foreign, id)
		if request.Method == http.MethodPut {
			l.made(c, id)
		}
	}
	return answer
}

// noteMakers notes who had an intent where a trigger is made. Its object may find the result also
// after another one has taken it, and let go of it, in between.
func (l *ledger) noteMakers(c *cloud, id string) {
	made, exists := c.trigger(id)
	if !exists {
		return
	}
	for _, t := range l.run.api.triggers() {
		if slices.ContainsFunc(holdings(t), func(h holding) bool { return h.ID == "" && h.place() == placeOf(c.name, made) }) {
			l.makers[id] = append(l.makers[id], t.Name)
		}
	}
}
