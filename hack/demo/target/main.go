// SPDX-License-Identifier: Apache-2.0

// Command target is somebody's Service in the demo: it takes what the receiver forwards, verifies it again from the bytes it got, and
// shows what it has at GET /received, a line each, or as JSON where that is asked for. It keeps everything in memory, until DELETE /received.
package main

import (
	"cmp"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

func main() {
	listen := flag.String("listen", ":0", "the address to listen at")
	secret := flag.String("secret", "", "the API secret that notifications are signed with")
	address := flag.Bool("print-address", false, "print an address of this machine that is not its loopback, and exit")
	flag.Parse()
	if err := run(*listen, *secret, *address); err != nil {
		fmt.Fprintln(os.Stderr, "target:", err)
		os.Exit(1)
	}
}

func run(listen, secret string, address bool) error {
	if address {
		return printAddress()
	}
	t := &target{secret: secret}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /received", t.show)
	mux.HandleFunc("DELETE /received", t.forget)
	mux.HandleFunc("POST /", t.take)
	server := &http.Server{Addr: listen, Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	return server.ListenAndServe()
}

// printAddress finds what an EndpointSlice may hold: Kubernetes permits neither loopback nor link-local addresses there.
func printAddress() error {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return fmt.Errorf("look at the interfaces: %w", err)
	}
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			fmt.Println(n.IP)
			return nil
		}
	}
	return errors.New("this machine has no IPv4 address but its loopback, so no Service can lead to it")
}

// received is one notification as GET /received shows it.
type received struct {
	EventType      string      `json:"event_type"`
	PublicID       string      `json:"public_id,omitempty"`
	Version        json.Number `json:"version,omitempty"`
	IdempotencyKey string      `json:"idempotency_key"`
	Verified       bool        `json:"verified"`
}

func (r received) String() string {
	signature := "signature NOT verified"
	if r.Verified {
		signature = "signature verified"
	}
	// The start of the idempotency key is enough to tell one from another.
	return fmt.Sprintf("%s %s version %s, %s, key %.8s...", r.EventType, r.PublicID, cmp.Or(r.Version, "-"), signature, r.IdempotencyKey)
}

type target struct {
	secret   string
	mu       sync.Mutex
	received []received
}

const maxBody = 4 << 20

func (t *target) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	var fields struct {
		NotificationType string      `json:"notification_type"`
		PublicID         string      `json:"public_id"`
		Version          json.Number `json:"version"`
	}
	_ = json.Unmarshal(body, &fields) // what it does not say stays empty
	got := received{
		EventType: fields.NotificationType, PublicID: fields.PublicID, Version: fields.Version,
		IdempotencyKey: r.Header.Get("Idempotency-Key"), Verified: t.verified(body, r.Header),
	}
	t.mu.Lock()
	t.received = append(t.received, got)
	t.mu.Unlock()
	w.WriteHeader(http.StatusOK)
}

// verified does what the receiver did, from the bytes that came here.
func (t *target) verified(body []byte, header http.Header) bool {
	h := sha1.New()
	for _, part := range [][]byte{body, []byte(header.Get("X-Cld-Timestamp")), []byte(t.secret)} {
		_, _ = h.Write(part)
	}
	want := hex.EncodeToString(h.Sum(nil))
	return subtle.ConstantTimeCompare([]byte(want), []byte(header.Get("X-Cld-Signature"))) == 1
}

func (t *target) show(w http.ResponseWriter, r *http.Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	write := func(one received) { fmt.Fprintln(w, one) } // a client that goes away misses it
	if r.Header.Get("Accept") == "application/json" {
		encoder := json.NewEncoder(w)
		write = func(one received) { _ = encoder.Encode(one) }
	}
	for _, one := range t.received {
		write(one)
	}
}

func (t *target) forget(http.ResponseWriter, *http.Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.received = nil
}
