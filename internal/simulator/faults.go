// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Values of Fault.Cut.
const (
	// CutBefore cuts the connection before the call took effect.
	CutBefore = "before"
	// CutAfter cuts the connection after the call took effect.
	CutAfter = "after"
)

const longestDelay = 10 * time.Minute

// Fault is what happens to the next calls that match instead of what they ask for.
type Fault struct {
	// Count is how many calls it is for; 0 in what is sent means 1.
	Count int `json:"count"`
	// Method matches calls with this method; empty: any.
	Method string `json:"method,omitempty"`
	// Path matches a call whose path pattern, such as /v1_1/{cloud}/triggers/{id}, or whose path ends in it; empty: any.
	Path string `json:"path,omitempty"`
	// Status is answered instead of the call's own; 0: its own.
	Status int `json:"status,omitempty"`
	// Body is answered with Status: a JSON string as its text, anything else as JSON. Absent: an error in Cloudinary's shape.
	Body json.RawMessage `json:"body,omitempty"`
	// Headers are answered with Status.
	Headers map[string]string `json:"headers,omitempty"`
	// Delay, such as "2s", passes before the answer: before the call takes effect or, with After or Cut "after", afterwards.
	Delay string `json:"delay,omitempty"`
	// Cut is "before" or "after" (the call took effect): the connection is cut instead of answered.
	Cut string `json:"cut,omitempty"`
	// After lets the call take effect before the delay and the status.
	After bool `json:"after,omitempty"`
}

// AddFault puts a fault behind those that are pending.
func (s *Simulator) AddFault(f Fault) error {
	if f.Count == 0 {
		f.Count = 1
	}
	if err := f.validate(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, f)
	return nil
}

// Faults are the pending ones with the calls that each is still for.
func (s *Simulator) Faults() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Fault{}, s.faults...)
}

// ClearFaults forgets the pending faults.
func (s *Simulator) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// takeFault is the first pending fault that matches, one call of which is used up; the zero Fault does nothing.
func (s *Simulator) takeFault(req request) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.faults, func(f Fault) bool { return f.matches(req) })
	if i < 0 {
		return Fault{}
	}
	taken := s.faults[i]
	s.faults[i].Count--
	if s.faults[i].Count == 0 {
		s.faults = slices.Delete(s.faults, i, i+1)
	}
	return taken
}

func (f Fault) matches(req request) bool {
	if f.Method != "" && !strings.EqualFold(f.Method, req.method) {
		return false
	}
	return strings.HasSuffix(req.route.pattern, f.Path) || strings.HasSuffix(req.path, f.Path)
}

func (f Fault) afterEffect() bool {
	return f.After || f.Cut == CutAfter
}

func (f Fault) delay() time.Duration {
	// It was parsed once in validate; the zero Fault has none.
	delay, err := time.ParseDuration(f.Delay)
	if err != nil {
		return 0
	}
	return delay
}

func (f Fault) answer() answer {
	reply := failure(f.Status, f.message())
	if len(f.Body) > 0 {
		reply.body = f.Body
		var text string
		if err := json.Unmarshal(f.Body, &text); err == nil {
			reply.body = []byte(text)
		}
	}
	reply.header = http.Header{}
	for name, value := range f.Headers {
		reply.header.Set(name, value)
	}
	return reply
}

func (f Fault) message() string {
	switch f.Status {
	case http.StatusUnauthorized:
		return messageUnauthorized
	case StatusEnhanceYourCalm, http.StatusTooManyRequests:
		return "Rate Limit Exceeded"
	}
	if text := http.StatusText(f.Status); text != "" {
		return text
	}
	return "injected fault"
}

// validate names the first field that is wrong, and why.
func (f Fault) validate() error {
	if f.Count < 1 {
		return fmt.Errorf("count: %d must be at least 1", f.Count)
	}
	if f.Status != 0 && (f.Status < 200 || f.Status > 599) {
		return fmt.Errorf("status: %d must be between 200 and 599", f.Status)
	}
	if f.Cut != "" && f.Cut != CutBefore && f.Cut != CutAfter {
		return fmt.Errorf("cut: %q must be %q or %q", f.Cut, CutBefore, CutAfter)
	}
	if err := f.validateDelay(); err != nil {
		return err
	}
	return errors.Join(f.validateCombination(), f.validateHeaders())
}

func (f Fault) validateDelay() error {
	if f.Delay == "" {
		return nil
	}
	delay, err := time.ParseDuration(f.Delay)
	if err != nil || delay < 0 || delay > longestDelay {
		return fmt.Errorf("delay: %q must be a duration such as \"2s\" of at most %s", f.Delay, longestDelay)
	}
	return nil
}

func (f Fault) validateCombination() error {
	switch {
	case f.Status == 0 && f.Cut == "" && f.Delay == "":
		return errors.New("status: one of status, cut and delay is needed, else the fault does nothing")
	case f.Status != 0 && f.Cut != "":
		return errors.New("cut: a connection that is cut cannot answer a status as well")
	case f.Status == 0 && (len(f.Body) > 0 || len(f.Headers) > 0):
		return errors.New("status: is needed where a body or headers are given")
	case f.After && f.Cut == CutBefore:
		return errors.New("after: contradicts cut \"before\"")
	}
	return nil
}

func (f Fault) validateHeaders() error {
	for name, value := range f.Headers {
		if name == "" || strings.ContainsFunc(name, notToken) || strings.ContainsAny(value, "\r\n\x00") {
			return fmt.Errorf("headers: %q is not a header", name)
		}
		if strings.EqualFold(name, "Content-Length") || strings.EqualFold(name, "Transfer-Encoding") {
			return fmt.Errorf("headers: %s is set by the server", name)
		}
	}
	return nil
}

func notToken(r rune) bool {
	letter := (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z') || (r >= '0' && r <= '9')
	return !letter && r != '-' && r != '_'
}
