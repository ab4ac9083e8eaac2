// SPDX-License-Identifier: Apache-2.0

// Command go is a target of a NotificationEndpoint in Go, with nothing but the standard library.
//
//	SECRET_FOLDER=/etc/cloudinary PORT=8080 go run ./docs/examples/listener/go
package main

import (
	"crypto/sha1" //nolint:gosec // Cloudinary's default
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	maxAge    = 30 * 24 * time.Hour // as long as spec.receiver.retry.maxAge can be: what arrives late keeps its first timestamp
	maxFuture = 5 * time.Minute
	maxBody   = 3 << 20
)

func main() {
	l := &listener{folder: or(os.Getenv("SECRET_FOLDER"), "/etc/cloudinary"), out: os.Stdout, done: map[string]bool{}}
	server := &http.Server{
		Addr: net.JoinHostPort(os.Getenv("HOST"), or(os.Getenv("PORT"), "8080")), Handler: l,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, IdleTimeout: 2 * time.Minute,
	}
	log.Fatal(server.ListenAndServe())
}

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

type listener struct {
	folder string // of the mounted Secret
	out    io.Writer

	mu   sync.Mutex
	done map[string]bool // keys of what was handled; keep them where they outlive the process, best in the transaction of the work
}

// handle does the work. It may be called twice for one notification, after a crash in between.
func (l *listener) handle(notification map[string]any) {
	fmt.Fprintln(l.out, notification["notification_type"], notification["public_id"])
}

func (l *listener) ServeHTTP(w http.ResponseWriter, r *http.Request) { w.WriteHeader(l.take(w, r)) }

func (l *listener) take(w http.ResponseWriter, r *http.Request) int {
	switch {
	case r.Method != http.MethodPost && r.URL.Path == "/healthz":
		return http.StatusOK
	case r.Method != http.MethodPost:
		return http.StatusMethodNotAllowed
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return http.StatusRequestEntityTooLarge
	}
	if status := verify(r.Header, body, l.secrets(), time.Now()); status != http.StatusOK { //nolint:forbidigo // the one clock
		return status
	}
	var notification map[string]any
	if err := json.Unmarshal(body, &notification); err != nil || notification == nil {
		return http.StatusBadRequest
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	key := r.Header.Get("Idempotency-Key")
	if key == "" || !l.done[key] {
		l.handle(notification)
		l.done[key] = true
	}
	return http.StatusOK // only now: the work is done
}

// secrets are read anew each time: a key that is rotated arrives while the program runs.
func (l *listener) secrets() []string {
	entries, err := os.ReadDir(l.folder)
	if err != nil {
		log.Print(err)
	}
	var found []string
	for _, entry := range entries {
		name := entry.Name()
		if name != "CLOUDINARY_URL" && name != "api_secret" && !strings.HasPrefix(name, "signing.") {
			continue
		}
		content, err := os.ReadFile(filepath.Join(l.folder, name)) //nolint:gosec // a file of the folder that was mounted
		text := strings.TrimSpace(string(content))
		if u, parsed := url.Parse(text); name == "CLOUDINARY_URL" && parsed == nil && u.User != nil {
			text, _ = u.User.Password()
		}
		if err == nil && text != "" { // with an empty secret, anybody could sign
			found = append(found, text)
		}
	}
	return found
}

var (
	timestampPattern = regexp.MustCompile(`^[1-9][0-9]{9}$`)
	signaturePattern = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
)

// verify says how to answer: 200 for a genuine notification. It needs the bytes as they came, not JSON that was decoded and encoded again.
func verify(header http.Header, body []byte, secrets []string, now time.Time) int {
	timestamp, signature := header.Get("X-Cld-Timestamp"), header.Get("X-Cld-Signature")
	if !timestampPattern.MatchString(timestamp) || !signaturePattern.MatchString(signature) {
		return http.StatusBadRequest
	}
	genuine := false
	for _, secret := range secrets {
		genuine = subtle.ConstantTimeCompare([]byte(digest(string(body)+timestamp+secret, len(signature))), []byte(signature)) == 1 || genuine
	}
	if !genuine {
		return http.StatusServiceUnavailable // perhaps a key that is still on its way here: a 4xx would make a dead letter of it
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if age := now.Sub(time.Unix(seconds, 0)); err != nil || age > maxAge || age < -maxFuture {
		return http.StatusBadRequest
	}
	return http.StatusOK
}

// digest is SHA-1 or SHA-256, by the number of hex digits.
func digest(signed string, digits int) string {
	if digits == 2*sha256.Size {
		sum := sha256.Sum256([]byte(signed))
		return hex.EncodeToString(sum[:])
	}
	sum := sha1.Sum([]byte(signed)) //nolint:gosec // as above
	return hex.EncodeToString(sum[:])
}
