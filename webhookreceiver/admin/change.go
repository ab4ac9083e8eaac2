// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/report"
)

// maxIDs is how many dead letters one request may name.
const maxIDs = 1000

// choice is what is asked to be changed.
type choice struct {
	Namespace string `json:"namespace"`
	Endpoint  string `json:"endpoint"`
	// Target is absent for all of them.
	Target string `json:"target"`
	// IDs are absent for all dead letters. An empty list is refused: it is more likely a mistake than a wish for all.
	IDs *[]string `json:"ids"`
}

// count is how many dead letters were changed.
type count struct {
	Count int `json:"count"`
	// Kept are those that were to be redriven and have nowhere to go, as Message says. Both are absent where there are none.
	Kept    int    `json:"kept,omitempty"`
	Message string `json:"message,omitempty"`
}

func (s *Server) redrive(w http.ResponseWriter, r *http.Request) {
	s.change(w, r, "redriven", func(ctx context.Context, which queue.Selection) (count, error) {
		done, err := s.keeper.Redrive(ctx, which)
		c := count{Count: done.Count, Kept: done.Kept}
		if done.Kept > 0 {
			c.Message = fmt.Sprintf("dead letters that are kept, since endpoint %s/%s does not have their targets any more (%s): %d; bring the targets back, or discard them",
				which.Endpoint.Namespace, which.Endpoint.Name, strings.Join(done.KeptFor, ", "), done.Kept)
		}
		return c, err
	})
}

func (s *Server) discard(w http.ResponseWriter, r *http.Request) {
	s.change(w, r, "discarded", func(ctx context.Context, which queue.Selection) (count, error) {
		n, err := s.keeper.Discard(ctx, which)
		return count{Count: n}, err
	})
}

func (s *Server) change(w http.ResponseWriter, r *http.Request, done string, apply func(context.Context, queue.Selection) (count, error)) {
	which, status, err := chosen(w, r)
	if err != nil {
		refuse(w, status, "%v", err)
		return
	}
	c, err := apply(r.Context(), which)
	switch {
	case errors.Is(err, report.ErrNotServed):
		refuse(w, http.StatusConflict, "%v; to be rid of them, discard them", err)
	case err != nil:
		refuse(w, http.StatusServiceUnavailable, "%d dead letters were %s; ask again for the others: %v", c.Count, done, err)
	default:
		answer(w, http.StatusOK, c)
	}
}

// chosen reads what a request asks for. What it does not say clearly is refused, as a misspelled name would make it be about more.
func chosen(w http.ResponseWriter, r *http.Request) (which queue.Selection, status int, err error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return which, http.StatusRequestEntityTooLarge, fmt.Errorf("the request is larger than %d bytes: name fewer ids", maxBodyBytes)
	}
	if err != nil {
		return which, http.StatusBadRequest, errors.New("the request did not arrive whole")
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	var c choice
	if err := decoder.Decode(&c); err != nil {
		return which, http.StatusBadRequest, unreadable(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return which, http.StatusBadRequest, errors.New("the request is not as it should be: something follows the JSON object")
	}
	which, err = c.selection()
	return which, http.StatusBadRequest, err
}

// unreadable says what is wrong with a request in its own words, not in Go's.
func unreadable(err error) error {
	var other *json.UnmarshalTypeError
	switch {
	case !errors.As(err, &other):
		return fmt.Errorf("the request is not as it should be: %s", strings.TrimPrefix(err.Error(), "json: "))
	case other.Field == "":
		return fmt.Errorf("the request must be a JSON object, and is a %s", other.Value)
	case other.Type.Kind() == reflect.Slice:
		return fmt.Errorf("%s has a %s where a list of strings is needed", other.Field, other.Value)
	default:
		return fmt.Errorf("%s has a %s where a string is needed", other.Field, other.Value)
	}
}

func (c *choice) selection() (queue.Selection, error) {
	which := queue.Selection{Endpoint: queue.Endpoint{Namespace: c.Namespace, Name: c.Endpoint}, Target: c.Target}
	if c.Namespace == "" || c.Endpoint == "" {
		return which, errors.New("namespace and endpoint are required")
	}
	if c.IDs == nil {
		return which, nil
	}
	if len(*c.IDs) == 0 || len(*c.IDs) > maxIDs {
		return which, fmt.Errorf("ids has %d entries, must have 1 to %d; leave it out for all", len(*c.IDs), maxIDs)
	}
	for _, text := range *c.IDs {
		id, err := idOf(text)
		if err != nil {
			return which, fmt.Errorf("ids: %w", err)
		}
		which.IDs = append(which.IDs, id)
	}
	return which, nil
}
