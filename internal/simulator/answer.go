// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// request is a call, read whole.
type request struct {
	method string
	path   string
	query  url.Values
	header http.Header
	body   []byte
	route  route
}

// route is what a path means. An unknown path has the pattern routeUnknown.
type route struct {
	pattern string
	cloud   string
	id      string
}

// Patterns by which calls are counted and faults are matched.
const (
	routeTriggers = "/v1_1/{cloud}/triggers"
	routeTrigger  = "/v1_1/{cloud}/triggers/{id}"
	routeTest     = "/v1_1/{cloud}/triggers/{id}/test"
	routeUnknown  = "(unknown)"
)

func matchRoute(path string) route {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if len(parts) < 2 || parts[0] != "v1_1" || parts[1] == "" {
		return route{pattern: routeUnknown}
	}
	matched := route{pattern: routeUnknown, cloud: parts[1]}
	rest := parts[2:]
	if len(rest) == 0 || rest[0] != "triggers" {
		return matched
	}
	if len(rest) > 1 && rest[1] == "" {
		return matched
	}
	switch {
	case len(rest) == 1:
		matched.pattern = routeTriggers
	case len(rest) == 2:
		matched.pattern, matched.id = routeTrigger, rest[1]
	case len(rest) == 3 && rest[2] == "test":
		matched.pattern, matched.id = routeTest, rest[1]
	}
	return matched
}

// answer is what is sent back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// success answers a value as JSON.
func success(status int, value any) answer {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return failure(http.StatusInternalServerError, "the answer cannot be encoded")
	}
	return answer{status: status, body: body.Bytes()}
}

type errorBody struct {
	Error errorMessage `json:"error"`
}

type errorMessage struct {
	Message string `json:"message"`
}

// failure answers an error in Cloudinary's shape.
func failure(status int, message string) answer {
	return success(status, errorBody{Error: errorMessage{Message: message}})
}

func notAllowed(methods ...string) answer {
	reply := failure(http.StatusMethodNotAllowed, messageNotAllowed)
	reply.header = http.Header{"Allow": {strings.Join(methods, ", ")}}
	return reply
}

type messageBody struct {
	Message string `json:"message"`
}

func done() answer {
	return success(http.StatusOK, messageBody{Message: messageOK})
}
