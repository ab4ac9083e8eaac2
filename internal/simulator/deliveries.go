// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Delivery is one notification to one address, with every attempt so far.
type Delivery struct {
	ID string `json:"id"`
	// TriggerID is absent where it goes to a call's own notification_url.
	TriggerID string `json:"trigger_id,omitempty"`
	URL       string `json:"url"`
	EventType string `json:"event_type"`
	// AuthScheme is the trigger's.
	AuthScheme string `json:"auth_scheme"`
	// BodyFrom is default, template, or fallback where a template could not be rendered.
	BodyFrom string `json:"body_from"`
	// State is queued, sending, retrying, delivered or failed.
	State string `json:"state"`
	// NextAttemptAt is when it is sent again, while it is retrying.
	NextAttemptAt string    `json:"next_attempt_at,omitempty"`
	BodyBytes     int       `json:"body_bytes"`
	BodySHA256    string    `json:"body_sha256"`
	Attempts      []Attempt `json:"attempts"`

	// Body is the text that is sent, where it was asked for and is UTF-8; BodyBase64 where it is not.
	Body       *string `json:"body,omitempty"`
	BodyBase64 []byte  `json:"body_base64,omitempty"`
}

// Attempt is one request of a delivery, and what came of it.
type Attempt struct {
	Number int    `json:"attempt"`
	At     string `json:"at"`
	// Duration is until the answer was read.
	Duration string `json:"duration"`
	// Status is absent where there was no answer.
	Status  int               `json:"status,omitempty"`
	Error   string            `json:"error,omitempty"`
	Headers map[string]string `json:"headers"`
	// Answer is how the answer's body begins.
	Answer string `json:"answer,omitempty"`
}

// Deliveries are the deliveries that are remembered, oldest first, with their bodies.
func (s *Simulator) Deliveries() []Delivery {
	return s.courier.list(deliveryQuery{limit: -1, bodies: true}).Deliveries
}

// RetryNow makes every pending retry due at once, and says how many there were.
func (s *Simulator) RetryNow() int {
	return s.courier.retryNow(deliveryQuery{}.matches)
}

// deliveryQuery chooses deliveries. An empty field matches any.
type deliveryQuery struct {
	id, triggerID, url, eventType, state string
	limit                                int // negative: no limit
	bodies                               bool
}

func (q deliveryQuery) matches(d *delivery) bool {
	same := func(wanted, has string) bool { return wanted == "" || wanted == has }
	return same(q.id, d.id) && same(q.triggerID, d.triggerID) && same(q.url, d.url) && same(q.eventType, d.eventType) && same(q.state, d.state)
}

func parseDeliveryQuery(query url.Values) (deliveryQuery, error) {
	q := deliveryQuery{limit: -1}
	texts := map[string]*string{
		"id": &q.id, "trigger_id": &q.triggerID, "url": &q.url, "event_type": &q.eventType, "state": &q.state,
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		value := query.Get(name)
		var err error
		switch text := texts[name]; {
		case text != nil:
			*text = value
		case name == "body":
			q.bodies, err = strconv.ParseBool(value)
		case name == "limit":
			q.limit, err = strconv.Atoi(value)
		default:
			return q, fmt.Errorf("%s: is not known; there are body, event_type, id, limit, state, trigger_id and url", name)
		}
		if err != nil {
			return q, fmt.Errorf("%s: %q is not a value of it", name, value)
		}
	}
	states := []string{"", stateQueued, stateSending, stateRetrying, stateDelivered, stateFailed}
	if !slices.Contains(states, q.state) {
		return q, fmt.Errorf("state: %q is not one of %s", q.state, strings.Join(states[1:], ", "))
	}
	return q, nil
}

type deliveryList struct {
	// Total and States count all that match, whatever the limit.
	Total      int            `json:"total"`
	States     map[string]int `json:"states"`
	Deliveries []Delivery     `json:"deliveries"`
}

// list shows the newest of what matches, up to the limit, oldest first.
func (c *courier) list(q deliveryQuery) deliveryList {
	c.mu.Lock()
	defer c.mu.Unlock()
	listed := deliveryList{States: map[string]int{}, Deliveries: []Delivery{}}
	var matching []*delivery
	for _, d := range c.deliveries {
		if q.matches(d) {
			matching = append(matching, d)
			listed.States[d.state]++
		}
	}
	listed.Total = len(matching)
	if q.limit >= 0 && q.limit < len(matching) {
		matching = matching[len(matching)-q.limit:]
	}
	for _, d := range matching {
		listed.Deliveries = append(listed.Deliveries, d.show(q.bodies))
	}
	return listed
}

func (d *delivery) show(withBody bool) Delivery {
	sum := sha256.Sum256(d.body)
	shown := Delivery{
		ID: d.id, TriggerID: d.triggerID, URL: d.url, EventType: d.eventType, AuthScheme: d.authScheme, BodyFrom: d.bodyFrom,
		State: d.state, BodyBytes: len(d.body), BodySHA256: hex.EncodeToString(sum[:]), Attempts: []Attempt{},
	}
	if d.state == stateRetrying {
		shown.NextAttemptAt = instant(d.due)
	}
	for _, made := range d.attempts {
		shown.Attempts = append(shown.Attempts, made.Attempt)
	}
	switch {
	case withBody && utf8.Valid(d.body):
		shown.Body = new(string(d.body))
	case withBody:
		shown.BodyBase64 = d.body
	}
	return shown
}

func (s *Simulator) controlDeliveries(req request) answer {
	q, err := parseDeliveryQuery(req.query)
	if err != nil {
		return failure(http.StatusBadRequest, err.Error())
	}
	return success(http.StatusOK, s.courier.list(q))
}

func (s *Simulator) controlClearDeliveries(request) answer {
	s.courier.forgetAll()
	return done()
}

type retried struct {
	Retried int `json:"retried"`
}

func (s *Simulator) controlRetry(req request) answer {
	q, err := parseDeliveryQuery(req.query)
	if err != nil {
		return failure(http.StatusBadRequest, err.Error())
	}
	return success(http.StatusOK, retried{Retried: s.courier.retryNow(q.matches)})
}
