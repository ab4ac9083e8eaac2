// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestRunServesUntilItIsStopped(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, printed := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"--listen=127.0.0.1:0", "--cloud=c", "--api-key=k", "--api-secret=s/s"}, printed, io.Discard)
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	account, base, found := strings.Cut(strings.TrimSpace(line), "?upload_prefix=")
	if !found || !strings.HasSuffix(account, "CLOUDINARY_URL=cloudinary://k:s%2Fs@c") {
		t.Fatalf("printed %q", line)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/v1_1/c/triggers", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("k", "s/s")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("status %d", resp.StatusCode)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("run: %v", err)
	}
}

func TestADeliveryUnderWayIsFinished(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	cut := make(chan bool, 1)
	target := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		stop()
		// Long enough for a program that does not wait to end.
		select {
		case <-r.Context().Done():
			cut <- true
		case <-time.After(200 * time.Millisecond):
			cut <- false
		}
	}))
	defer target.Close()
	out, printed := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"--listen=127.0.0.1:0"}, printed, io.Discard) }()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	_, base, _ := strings.Cut(strings.TrimSpace(line), "?upload_prefix=")
	body := `{"event_type":"upload","notification_url":"` + target.URL + `"}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/_sim/notify", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("status %d", resp.StatusCode)
	}
	if err := <-ended; err != nil {
		t.Errorf("run: %v", err)
	}
	if <-cut {
		t.Error("the delivery was cut")
	}
}

func TestRunRefuses(t *testing.T) {
	cases := map[string]struct {
		args []string
		want string
	}{
		"an argument":        {[]string{"now"}, `unexpected argument "now"`},
		"a bad schedule":     {[]string{"--retry-schedule=9m,3m"}, "each after the one before it"},
		"an unknown word":    {[]string{"--echo=half"}, "must be one of full, openapi"},
		"an address in vain": {[]string{"--listen=127.0.0.1:x"}, "listen on 127.0.0.1:x"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := run(t.Context(), tc.args, io.Discard, io.Discard)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, want it to say %q", err, tc.want)
			}
		})
	}
	if err := run(t.Context(), []string{"--help"}, io.Discard, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("--help: %v", err)
	}
}
