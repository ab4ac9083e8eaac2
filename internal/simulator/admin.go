// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"cmp"
	"crypto/subtle"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/sample"
)

// carryOut does what an Admin API call asks for.
func (s *Simulator) carryOut(req request) answer {
	if !strings.HasPrefix(req.path, "/v1_1/") {
		return failure(http.StatusNotFound, messageNotFound)
	}
	if req.route.pattern == routeClouds {
		return s.claim(req)
	}
	if environment := s.environmentOf(req.route.cloud); environment != s {
		return environment.carryOut(req)
	}
	if req.route.pattern == routeUploadTags {
		return s.uploadTags(req)
	}
	if req.route.cloud != s.options.Cloud || !s.authenticated(req.header) {
		return unauthorized()
	}
	s.mu.Lock()
	allowed := s.budget.spend(s.options.Clock())
	refusal := s.budget.refusal()
	s.mu.Unlock()
	if !allowed {
		return refusal
	}
	if len(req.body) > maxBodyBytes {
		return failure(http.StatusRequestEntityTooLarge, messageTooLarge)
	}
	return s.dispatch(req)
}

func unauthorized() answer {
	reply := failure(http.StatusUnauthorized, messageUnauthorized)
	reply.header = http.Header{"Www-Authenticate": {`Basic realm="Cloudinary API"`}}
	return reply
}

func (s *Simulator) dispatch(req request) answer {
	switch req.route.pattern {
	case routeTriggers:
		switch req.method {
		case http.MethodGet:
			return s.list(req)
		case http.MethodPost:
			return s.create(req)
		}
		return notAllowed(http.MethodGet, http.MethodPost)
	case routeTrigger:
		switch req.method {
		case http.MethodPut:
			return s.update(req)
		case http.MethodDelete:
			return s.remove(req)
		}
		return notAllowed(http.MethodPut, http.MethodDelete)
	case routeTest:
		if req.method == http.MethodPost {
			return s.test(req)
		}
		return notAllowed(http.MethodPost)
	case routeAsset:
		switch req.method {
		case http.MethodGet:
			return s.readAsset(req)
		case http.MethodPost:
			return s.updateAsset(req)
		}
		return notAllowed(http.MethodGet, http.MethodPost)
	default:
		return failure(http.StatusNotFound, messageNotFound)
	}
}

func (s *Simulator) authenticated(header http.Header) bool {
	r := http.Request{Header: header}
	if key, secret, ok := r.BasicAuth(); ok {
		return slices.ContainsFunc(s.options.credentials(), func(c Credentials) bool { return same(c.APIKey, key) && same(c.APISecret, secret) })
	}
	scheme, token, ok := strings.Cut(header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return false
	}
	return slices.ContainsFunc(s.options.OAuthTokens, func(t string) bool { return same(t, token) })
}

func same(a, b string) bool {
	return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}

type triggerList struct {
	Triggers []Trigger `json:"triggers"`
	Total    int       `json:"total"`
}

func (s *Simulator) list(req request) answer {
	eventType := req.query.Get("event_type")
	if eventType != "" && !slices.Contains(s.eventTypes, eventType) {
		return unknownEventType(eventType)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	shown := triggerList{Triggers: []Trigger{}}
	for _, t := range s.store.lagging(s.options.Clock()) {
		if eventType == "" || t.eventType == eventType {
			shown.Triggers = append(shown.Triggers, s.show(t))
		}
	}
	shown.Total = len(shown.Triggers)
	return success(http.StatusOK, shown)
}

func unknownEventType(name string) answer {
	const longest = 100
	if len(name) > longest {
		name = name[:longest]
	}
	return failure(http.StatusBadRequest, fmt.Sprintf("Invalid value %s for parameter event_type", name))
}

type wrappedTrigger struct {
	Trigger Trigger `json:"triggers"`
}

func (s *Simulator) create(req request) answer {
	created, refusal := s.parseCreate(req)
	if refusal != nil {
		return *refusal
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.duplicates(created) {
		return failure(http.StatusConflict, messageRecordExists)
	}
	if s.exceedsLimit(created) {
		return failure(http.StatusBadRequest, messageLimitReached)
	}
	now := s.now()
	created.createdAt, created.updatedAt = now, now
	s.store.add(s.options.Clock(), created)
	if s.options.CreateBody == CreateWrapped {
		return success(s.options.CreateStatus, wrappedTrigger{Trigger: s.show(created)})
	}
	return success(s.options.CreateStatus, s.show(created))
}

// parseCreate is the trigger that a POST asks for, or the answer that refuses it.
func (s *Simulator) parseCreate(req request) (trigger, *answer) {
	given, ok := parseAttributes(req.header.Get("Content-Type"), req.body)
	if !ok {
		return trigger{}, new(failure(http.StatusBadRequest, messageInvalid))
	}
	texts, message := given.required("uri", "event_type")
	if message != "" {
		return trigger{}, new(failure(http.StatusBadRequest, message))
	}
	t := trigger{id: sample.NewID(), uri: texts[0], eventType: texts[1], uriType: uriTypeWebhook, authScheme: string(s.options.UnsetAuthScheme)}
	if !slices.Contains(s.eventTypes, t.eventType) {
		return trigger{}, new(unknownEventType(t.eventType))
	}
	if value, isGiven := given["uri_type"]; isGiven {
		t.uriType, _ = value.(string)
	}
	// {} is what a created trigger has anyway, whatever clears it later.
	forms := s.settings()
	dropEmptyObjects(given)
	if !validURIType(t.uriType) || !validURI(t.uriType, t.uri) || !forms.apply(&t, given) {
		return trigger{}, new(failure(http.StatusBadRequest, messageInvalid))
	}
	return t, nil
}

func dropEmptyObjects(given attributes) {
	for _, name := range []string{"filter", "payload_template"} {
		if object, ok := given[name].(map[string]any); ok && len(object) == 0 {
			delete(given, name)
		}
	}
}

func (s *Simulator) update(req request) answer {
	given, ok := parseAttributes(req.header.Get("Content-Type"), req.body)
	s.mu.Lock()
	defer s.mu.Unlock()
	old, found := s.store.find(req.route.id)
	if !found {
		return failure(http.StatusNotFound, messageRecordNotFound)
	}
	if !ok {
		return failure(http.StatusBadRequest, messageInvalid)
	}
	if s.options.PutURL == PutEitherURI && given["new_uri"] == nil {
		given["new_uri"] = cmp.Or(given["uri"], any(old.uri))
	}
	texts, message := given.required("new_uri")
	if message != "" {
		return failure(http.StatusBadRequest, message)
	}
	updated := old
	updated.uri = texts[0]
	if !validURI(old.uriType, updated.uri) || !unchanged(given, "event_type", old.eventType) ||
		!unchanged(given, "uri_type", old.uriType) || !s.applySettings(&updated, given) {
		return failure(http.StatusBadRequest, messageInvalid)
	}
	if s.duplicates(updated) {
		return failure(http.StatusConflict, messageRecordExists)
	}
	if s.options.PutLimitCheck && s.exceedsLimit(updated) {
		return failure(http.StatusBadRequest, messageLimitReached)
	}
	updated.updatedAt = s.now()
	s.store.replace(s.options.Clock(), updated)
	if s.options.PutAnswer == PutTrigger {
		return success(http.StatusOK, s.show(updated))
	}
	return done()
}

// unchanged reports whether an attribute that an update may not change is left out or the same.
func unchanged(given attributes, name, old string) bool {
	value, isGiven := given[name]
	return !isGiven || value == old
}

func (s *Simulator) applySettings(t *trigger, given attributes) bool {
	if s.options.PutFields == PutIgnore {
		return true
	}
	if s.options.UpdateSemantics == UpdateReplace {
		t.additive, t.filter, t.template, t.authScheme = false, nil, nil, string(s.options.UnsetAuthScheme)
	}
	return s.settings().apply(t, given)
}

func (s *Simulator) settings() settings {
	return settings{clearFilter: s.options.ClearFilter, clearTemplate: s.options.ClearTemplate, language: s.options.FilterLanguage}
}

// idPattern is what ids were seen to look like. Of which others Cloudinary says that they are malformed is not known.
var idPattern = regexp.MustCompile(`^[0-9a-f]{32}$`)

func (s *Simulator) remove(req request) answer {
	if !idPattern.MatchString(req.route.id) {
		return failure(http.StatusBadRequest, messageInvalid)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, found := s.store.find(req.route.id); !found {
		return failure(http.StatusNotFound, messageRecordNotFound)
	}
	s.store.remove(s.options.Clock(), req.route.id)
	return done()
}

type testResult struct {
	TriggerID     string `json:"trigger_id"`
	FilterPresent bool   `json:"filter_present"`
	FilterResult  bool   `json:"filter_result"`
}

func (s *Simulator) test(req request) answer {
	s.mu.Lock()
	t, found := s.store.find(req.route.id)
	s.mu.Unlock()
	if !found {
		return failure(http.StatusNotFound, messageRecordNotFound)
	}
	given, ok := parseAttributes(req.header.Get("Content-Type"), req.body)
	if !ok {
		return failure(http.StatusBadRequest, messageInvalidSample)
	}
	data, message := sampleData(given)
	if message != "" {
		return failure(http.StatusBadRequest, message)
	}
	// Without the lock: a filter may take its time.
	return success(http.StatusOK, testResult{TriggerID: t.id, FilterPresent: t.filter != nil, FilterResult: passes(t.filter, data)})
}

// now is the time in whole seconds, as Cloudinary writes it.
func (s *Simulator) now() time.Time {
	return s.options.Clock().UTC().Truncate(time.Second)
}

// duplicates reports whether another trigger has the same key.
func (s *Simulator) duplicates(t trigger) bool {
	key := s.duplicateKey(t)
	return slices.ContainsFunc(s.store.current(), func(other trigger) bool {
		return other.id != t.id && s.duplicateKey(other) == key
	})
}

// exceedsLimit reports whether the environment would hold too many distinct webhook URIs with this trigger as given.
func (s *Simulator) exceedsLimit(t trigger) bool {
	if s.options.URLLimit < 0 || t.uriType != uriTypeWebhook {
		return false
	}
	uri := s.storedURI(t.uri)
	others := map[string]bool{}
	for _, other := range s.store.current() {
		if other.id != t.id && other.uriType == uriTypeWebhook {
			others[s.storedURI(other.uri)] = true
		}
	}
	return !others[uri] && len(others) >= s.options.URLLimit
}
