// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// defaultCallTimeout is the manager's.
const defaultCallTimeout = 15 * time.Second

// adminClient calls the receiver's admin listener, which is on the loopback of its Pod.
type adminClient struct {
	base  string
	http  *http.Client
	close func()
}

const (
	adminTimeout  = 30 * time.Second
	maxAdminBody  = 64 << 20
	adminHeader   = "X-Cloudinary-Operator-Admin"
	maxAdminPage  = 500
	deadLetterAPI = "/v1/deadletters"
)

func newAdminClient(base string, done func()) *adminClient {
	return &adminClient{base: strings.TrimRight(base, "/"), http: &http.Client{
		Timeout: adminTimeout,
		// The address is this machine's loopback, or the given one.
		Transport:     &http.Transport{Proxy: nil},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, close: done}
}

// deadLetter is a notification that one target did not accept.
type deadLetter struct {
	ID         string       `json:"id"`
	Target     string       `json:"target"`
	Namespace  string       `json:"namespace"`
	Endpoint   string       `json:"endpoint"`
	EventType  string       `json:"eventType"`
	Asset      string       `json:"asset,omitempty"`
	ReceivedAt *metav1.Time `json:"receivedAt,omitempty"`
	Reason     string       `json:"reason,omitempty"`
	Size       int64        `json:"size"`
}

// storedNotification is a notification with everything that the receiver has of it.
type storedNotification struct {
	ID         string              `json:"id"`
	Namespace  string              `json:"namespace"`
	Endpoint   string              `json:"endpoint"`
	EventType  string              `json:"eventType"`
	ReceivedAt *metav1.Time        `json:"receivedAt,omitempty"`
	Targets    []targetState       `json:"targets"`
	Headers    map[string][]string `json:"headers"`
	Body       []byte              `json:"body"`
}

type targetState struct {
	Name   string `json:"name"`
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
}

// deadLetterFilter selects dead letters. An empty field selects all.
type deadLetterFilter struct {
	Namespace string   `json:"namespace"`
	Endpoint  string   `json:"endpoint"`
	Target    string   `json:"target,omitempty"`
	IDs       []string `json:"ids,omitempty"`
}

// list returns at most limit dead letters, and reports whether there are more.
func (a *adminClient) list(ctx context.Context, f deadLetterFilter, limit int) ([]deadLetter, bool, error) {
	items, next := []deadLetter{}, ""
	for {
		query := url.Values{"limit": {strconv.Itoa(min(maxAdminPage, limit-len(items)))}}
		for name, value := range map[string]string{"namespace": f.Namespace, "endpoint": f.Endpoint, "target": f.Target, "continue": next} {
			if value != "" {
				query.Set(name, value)
			}
		}
		var page struct {
			Items    []deadLetter `json:"items"`
			Continue string       `json:"continue"`
		}
		if err := a.call(ctx, http.MethodGet, deadLetterAPI+"?"+query.Encode(), nil, &page); err != nil {
			return nil, false, err
		}
		items = append(items, page.Items...)
		switch {
		case page.Continue == "":
			return items, false, nil
		case len(items) >= limit:
			return items, true, nil
		case page.Continue == next:
			return nil, false, errors.New("the receiver's list does not end")
		}
		next = page.Continue
	}
}

func (a *adminClient) show(ctx context.Context, id string) (storedNotification, error) {
	var n storedNotification
	err := a.call(ctx, http.MethodGet, deadLetterAPI+"/"+url.PathEscape(id), nil, &n)
	return n, err
}

// act redrives or discards. It returns the number of dead letters, and the receiver's message about
// the others.
func (a *adminClient) act(ctx context.Context, action string, f deadLetterFilter) (n int, message string, err error) {
	var done struct {
		Count   int    `json:"count"`
		Message string `json:"message"`
	}
	err = a.call(ctx, http.MethodPost, deadLetterAPI+"/"+action, f, &done)
	return done.Count, done.Message, err
}

func (a *adminClient) call(ctx context.Context, method, path string, send, into any) error {
	var body io.Reader
	if send != nil {
		raw, err := json.Marshal(send)
		if err != nil {
			return fmt.Errorf("encode: %w", err)
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, body)
	if err != nil {
		return fmt.Errorf("the receiver's admin address cannot be called: %w", withoutURL(err))
	}
	req.Header.Set(adminHeader, "1")
	if send != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return &unreachableError{withoutURL(err)}
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAdminBody))
	if err != nil {
		return fmt.Errorf("read the receiver's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return refusal(resp.StatusCode, raw)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return errors.New("the answer does not look like the receiver's admin listener's; see --admin-bind-address")
	}
	return nil
}

// refusal is the error for an answer, with the receiver's message if there is one.
func refusal(status int, raw []byte) error {
	var said struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(raw, &said) == nil && said.Error != "" {
		return fmt.Errorf("the receiver says: %s", printable(said.Error))
	}
	return fmt.Errorf("the receiver's admin listener answers %d", status)
}

// unreachableError means that the plugin cannot reach the listener.
type unreachableError struct{ cause error }

// Error says what can be done.
func (e *unreachableError) Error() string {
	return fmt.Sprintf("the receiver's admin listener cannot be reached: %v", e.cause)
}

// Unwrap gives the cause.
func (e *unreachableError) Unwrap() error { return e.cause }
