// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	namespace = "bench"
	apiSecret = "bench-secret"
	// bodies is how many different ones there are; each endpoint gets each of them before one comes twice.
	bodies = 1000
)

// load is what wrk sends: signed requests, no two of them the same notification.
type load struct {
	script string
}

// newLoad writes the requests, and the script that sends them, to the benchmark's folder.
func newLoad(o *options) (*load, error) {
	requests := filepath.Join(o.dir, "requests.lua")
	f, err := os.Create(requests)
	if err != nil {
		return nil, fmt.Errorf("write the load: %w", err)
	}
	w := bufio.NewWriter(f)
	now := strconv.FormatInt(time.Now().Unix(), 10)
	fmt.Fprintln(w, "return {")
	for i := range bodies {
		// The bodies are plain ASCII without control characters, so Go's quoting is Lua's.
		fmt.Fprintf(w, "%q,\n", request(body(i, o.bodyBytes), now))
	}
	fmt.Fprintln(w, "}")
	if err := errors.Join(w.Flush(), f.Close()); err != nil {
		return nil, fmt.Errorf("write the load: %w", err)
	}
	l := &load{script: filepath.Join(o.dir, "load.lua")}
	script := fmt.Sprintf(luaScript, requests, o.endpoints, o.endpoints)
	if err := os.WriteFile(l.script, []byte(script), 0o600); err != nil {
		return nil, fmt.Errorf("write the load: %w", err)
	}
	return l, nil
}

// luaScript gives each thread endpoints of its own to begin with.
const luaScript = `local requests = dofile(%q)
local threads, n, first = 0, 0, 0
function setup(thread) thread:set("number", threads); threads = threads + 1 end
function init() first = math.floor(number * %d / 2) end
function request()
  n = n + 1
  local endpoint = (first + math.floor(n / #requests)) %% %d
  return "POST /v1/notifications/` + namespace + `/e" .. endpoint .. requests[n %% #requests + 1]
end
`

// request is everything of a request after the name of the endpoint.
func request(body, timestamp string) string {
	sum := sha1.Sum([]byte(body + timestamp + apiSecret))
	return " HTTP/1.1\r\nHost: hooks.example.com\r\nUser-Agent: Cloudinary\r\nContent-Type: application/json\r\n" +
		"X-Cld-Timestamp: " + timestamp + "\r\nX-Cld-Signature: " + hex.EncodeToString(sum[:]) + "\r\n" +
		"Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

// body is an upload of today's shape, filled up to size with context.
func body(i, size int) string {
	head := fmt.Sprintf(`{"notification_type":"upload","timestamp":"2024-03-20T10:12:34+00:00","request_id":"%032x","asset_id":"%032x",`+
		`"public_id":"sample-%d","version":1710929554,"width":864,"height":576,"format":"jpg","resource_type":"image",`+
		`"created_at":"2024-03-20T10:12:34Z","tags":["a","b"],"bytes":120253,"type":"upload","etag":"0123456789abcdef0123456789abcdef",`+
		`"secure_url":"https://res.cloudinary.com/demo/image/upload/v1710929554/sample-%d.jpg","context":{"custom":{"caption":"`, i+1, i*7+1, i, i)
	tail := `"}},"signature_key":"123456789012345"}`
	return head + strings.Repeat("x", max(0, size-len(head)-len(tail))) + tail
}

// result is what one turn showed.
type result struct {
	contender       string
	connections     int
	rate            float64 // requests a second
	p50, p99        time.Duration
	idleRSS, topRSS float64 // MiB
}

var (
	rateLine    = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	latencyLine = regexp.MustCompile(`(?m)^\s+(50|99)%\s+([0-9.]+(?:us|ms|s|m))`)
	badLine     = regexp.MustCompile(`(?m)^\s*(Non-2xx.*|Socket errors:.*)$`)
)

// fire runs wrk against addr.
func (l *load) fire(ctx context.Context, addr string, connections int, duration time.Duration) (result, error) {
	threads := min(2, connections)
	cmd := exec.CommandContext(ctx, "wrk", "-t", strconv.Itoa(threads), "-c", strconv.Itoa(connections),
		"-d", fmt.Sprintf("%ds", int(duration.Seconds())), "--latency", "--timeout", "10s", "-s", l.script, "http://"+addr)
	raw, err := cmd.CombinedOutput()
	text := string(raw)
	if err != nil {
		return result{}, fmt.Errorf("wrk: %w: %s", err, text)
	}
	if bad := badLine.FindString(text); bad != "" {
		return result{}, fmt.Errorf("wrk: %s", strings.TrimSpace(bad))
	}
	rate := rateLine.FindStringSubmatch(text)
	if rate == nil {
		return result{}, fmt.Errorf("wrk: no rate in %q", text)
	}
	r := result{connections: connections}
	if r.rate, err = strconv.ParseFloat(rate[1], 64); err != nil {
		return result{}, fmt.Errorf("wrk: %w", err)
	}
	for _, m := range latencyLine.FindAllStringSubmatch(text, -1) {
		d, err := time.ParseDuration(m[2])
		if err != nil {
			return result{}, fmt.Errorf("wrk: %w", err)
		}
		if m[1] == "50" {
			r.p50 = d
		} else {
			r.p99 = d
		}
	}
	return r, nil
}
