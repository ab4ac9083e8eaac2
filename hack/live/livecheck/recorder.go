// SPDX-License-Identifier: Apache-2.0

package livecheck

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
)

// recorder is a transport that counts the calls and keeps the last answer as it came, of which the client shows only the meaning.
type recorder struct {
	next   http.RoundTripper
	calls  int
	status int
	body   []byte
}

// RoundTrip makes the call.
func (r *recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	r.calls++
	r.status, r.body = 0, nil
	request, err := narrowed(request)
	if err != nil {
		return nil, err
	}
	response, err := r.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, cloudinary.DefaultMaxBody))
	_ = response.Body.Close()
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	r.status, r.body = response.StatusCode, body
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

// fieldsKey is the context's key for the members to which a request's body is narrowed.
type fieldsKey struct{}

// withOnly makes calls send nothing but the named members. The client always sends every field, as the operator must; what becomes
// of fields that are left out can only be seen by leaving them out.
func withOnly(ctx context.Context, names ...string) context.Context {
	return context.WithValue(ctx, fieldsKey{}, names)
}

func narrowed(request *http.Request) (*http.Request, error) {
	names, ok := request.Context().Value(fieldsKey{}).([]string)
	if !ok || request.Body == nil {
		return request, nil
	}
	var members map[string]json.RawMessage
	err := json.NewDecoder(request.Body).Decode(&members)
	_ = request.Body.Close()
	if err != nil {
		return nil, fmt.Errorf("narrow the request: %w", err)
	}
	maps.DeleteFunc(members, func(name string, _ json.RawMessage) bool { return !slices.Contains(names, name) })
	body, err := json.Marshal(members)
	if err != nil {
		return nil, fmt.Errorf("narrow the request: %w", err)
	}
	narrow := request.Clone(request.Context())
	narrow.Body, narrow.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	narrow.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	return narrow, nil
}
