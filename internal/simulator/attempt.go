// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"time"
)

const (
	maxKeptAnswer = 512
	maxReadAnswer = 64 << 10
)

// attempt is one request and what came of it.
type attempt struct {
	Attempt
	at time.Time
}

// newClient speaks as Cloudinary does: no redirects are followed, no compression is asked for. Connections are kept for a moment
// only, so that a receiver that was restarted is not met with a dead one.
func newClient(concurrency int) *http.Client {
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DisableCompression:  true,
			MaxIdleConnsPerHost: concurrency,
			IdleConnTimeout:     time.Second,
		},
	}
}

// post makes one attempt. An answer counts from its status on: a body that does not end is no failure.
func (c *courier) post(ctx context.Context, d *delivery, at time.Time) attempt {
	header := maps.Clone(d.header)
	header.Set("Content-Type", "application/json")
	header.Set("User-Agent", "Cloudinary")
	made := attempt{at: at, Attempt: Attempt{Number: len(d.attempts) + 1, At: instant(at), Headers: map[string]string{}}}
	for name := range header {
		made.Headers[name] = header.Get(name)
	}
	made.Status, made.Answer, made.Error = c.exchange(ctx, d, header)
	made.Duration = c.clock().Sub(at).Round(time.Microsecond).String()
	return made
}

func (c *courier) exchange(ctx context.Context, d *delivery, header http.Header) (status int, answered, failed string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url, bytes.NewReader(d.body))
	if err != nil {
		return 0, "", withoutURL(err).Error()
	}
	req.Header = header
	forward(req, c.options.Forwards)
	resp, err := c.client.Do(req)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return 0, "", fmt.Sprintf("no answer within %s", c.options.Timeout)
	case err != nil:
		return 0, "", withoutURL(err).Error()
	}
	defer func() { _ = resp.Body.Close() }()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxKeptAnswer))
	_, _ = io.CopyN(io.Discard, resp.Body, maxReadAnswer)
	return resp.StatusCode, string(body), ""
}

// withoutURL takes away the URL, which stands beside the error anyway.
func withoutURL(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}

func instant(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z") }
