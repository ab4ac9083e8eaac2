// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
)

const (
	controlPrefix = "/_sim/"
	pathNotify    = "/_sim/notify"
)

// Call is a kind of Admin API call: calls are counted by it.
type Call struct {
	Method string `json:"method"`
	// Path is a pattern such as /v1_1/{cloud}/triggers/{id}, or (unknown).
	Path string `json:"path"`
	// Status is 0 where the connection was cut.
	Status int `json:"status"`
}

// CallCount is how many calls of a kind there were.
type CallCount struct {
	Call
	Count int `json:"count"`
}

// CallCounts are all calls since the last reset.
type CallCounts struct {
	Total int         `json:"total"`
	Calls []CallCount `json:"calls"`
}

func (s *Simulator) record(req request, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[Call{Method: knownMethod(req.method), Path: req.route.pattern, Status: status}]++
}

// knownMethod keeps a client that makes up methods from filling the counts.
func knownMethod(method string) string {
	known := []string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
	}
	if slices.Contains(known, method) {
		return method
	}
	return "(other)"
}

// Calls are the Admin API calls since the last reset, ordered by path, method and status.
func (s *Simulator) Calls() CallCounts {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := CallCounts{Calls: []CallCount{}}
	for call, count := range s.calls {
		counts.Calls = append(counts.Calls, CallCount{Call: call, Count: count})
		counts.Total += count
	}
	slices.SortFunc(counts.Calls, func(a, b CallCount) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method), cmp.Compare(a.Status, b.Status))
	})
	return counts
}

// Triggers are the triggers as they truly are: as they were sent, whatever LIST shows of them and when.
func (s *Simulator) Triggers() []Trigger {
	s.mu.Lock()
	defer s.mu.Unlock()
	shown := []Trigger{}
	for _, t := range s.store.current() {
		shown = append(shown, s.truth(t))
	}
	return shown
}

type faultList struct {
	Faults []Fault `json:"faults"`
}

func (s *Simulator) control(req request) answer {
	handlers := map[string]map[string]func(request) answer{
		"/_sim/calls":    {http.MethodGet: s.controlCalls},
		"/_sim/triggers": {http.MethodGet: s.controlTriggers},
		"/_sim/clouds":   {http.MethodGet: s.controlClouds},
		"/_sim/reset":    {http.MethodPost: s.controlReset},
		"/_sim/faults": {
			http.MethodGet:    s.controlFaults,
			http.MethodPost:   s.controlAddFault,
			http.MethodDelete: s.controlClearFaults,
		},
		pathNotify:      {http.MethodPost: s.controlNotify},
		"/_sim/signing": {http.MethodGet: s.controlSigning, http.MethodPost: s.controlChangeSigning},
		"/_sim/ed25519": {http.MethodGet: s.controlEd25519},
		"/_sim/deliveries": {
			http.MethodGet:    s.controlDeliveries,
			http.MethodDelete: s.controlClearDeliveries,
		},
		"/_sim/deliveries/retry": {http.MethodPost: s.controlRetry},
	}
	methods, known := handlers[req.path]
	if !known {
		return failure(http.StatusNotFound, messageNotFound)
	}
	handle, allowed := methods[req.method]
	if !allowed {
		return notAllowed(slices.Sorted(maps.Keys(methods))...)
	}
	return handle(req)
}

func (s *Simulator) controlCalls(request) answer {
	return success(http.StatusOK, s.Calls())
}

func (s *Simulator) controlTriggers(request) answer {
	triggers := s.Triggers()
	return success(http.StatusOK, triggerList{Triggers: triggers, Total: len(triggers)})
}

func (s *Simulator) controlReset(request) answer {
	s.Reset()
	return done()
}

func (s *Simulator) controlFaults(request) answer {
	return success(http.StatusOK, faultList{Faults: s.Faults()})
}

func (s *Simulator) controlClearFaults(request) answer {
	s.ClearFaults()
	return done()
}

func (s *Simulator) controlAddFault(req request) answer {
	f, err := decodeOne[Fault](req.body, maxBodyBytes, "fault")
	if err != nil {
		return failure(http.StatusBadRequest, err.Error())
	}
	if err := s.AddFault(f); err != nil {
		return failure(http.StatusBadRequest, err.Error())
	}
	return s.controlFaults(req)
}

// decodeOne reads one object and nothing else, with no member that it does not know.
func decodeOne[T any](body []byte, limit int, noun string) (T, error) {
	var value T
	if len(body) > limit {
		return value, fmt.Errorf("the body has more than %d bytes", limit)
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&value)
	wrongType, ok := errors.AsType[*json.UnmarshalTypeError](err)
	switch {
	case ok && wrongType.Field == "":
		return value, fmt.Errorf("the body must be an object, not %s", wrongType.Value)
	case ok:
		return value, fmt.Errorf("%s: must be of type %s, not %s", wrongType.Field, wrongType.Type, wrongType.Value)
	case err != nil:
		return value, fmt.Errorf("the body is not a %s: %w", noun, err)
	case !onlySpace(body[decoder.InputOffset():]):
		return value, fmt.Errorf("the body holds more than one %s", noun)
	}
	return value, nil
}
