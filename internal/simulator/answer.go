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
	id      string // of a trigger
	asset   assetKey
}

// Patterns by which calls are counted and faults are matched.
const (
	routeTriggers = "/v1_1/{cloud}/triggers"
	routeTrigger  = "/v1_1/{cloud}/triggers/{id}"
	routeTest     = "/v1_1/{cloud}/triggers/{id}/test"
	routeAsset    = "/v1_1/{cloud}/resources/{resource_type}/{type}/{public_id}"
	// routeUploadTags is a call of the Upload API.
	routeUploadTags = "/v1_1/{cloud}/{resource_type}/tags"
	// routeClouds is a call of the Provisioning API. It belongs to no environment.
	routeClouds  = "/v1_1/provisioning/clouds"
	routeUnknown = "(unknown)"
)

func matchRoute(path string) route {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if len(parts) < 2 || parts[0] != "v1_1" || parts[1] == "" {
		return route{pattern: routeUnknown}
	}
	if path == routeClouds {
		return route{pattern: routeClouds}
	}
	matched := route{pattern: routeUnknown, cloud: parts[1]}
	switch rest := parts[2:]; {
	case len(rest) > 0 && rest[0] == "triggers":
		matchTrigger(&matched, rest[1:])
	case len(rest) > 3 && rest[0] == "resources" && validResourceType(rest[1]):
		matched.pattern = routeAsset
		matched.asset = assetKey{resourceType: rest[1], deliveryType: rest[2], publicID: strings.Join(rest[3:], "/")}
	case len(rest) == 2 && rest[1] == "tags" && validResourceType(rest[0]):
		matched.pattern = routeUploadTags
		matched.asset = assetKey{resourceType: rest[0]}
	}
	return matched
}

func matchTrigger(matched *route, rest []string) {
	switch {
	case len(rest) == 0:
		matched.pattern = routeTriggers
	case rest[0] == "":
	case len(rest) == 1:
		matched.pattern, matched.id = routeTrigger, rest[0]
	case len(rest) == 2 && rest[1] == "test":
		matched.pattern, matched.id = routeTest, rest[0]
	}
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
