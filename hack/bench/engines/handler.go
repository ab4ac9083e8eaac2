// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

const secret = "secret"

// notification is what an engine is to keep.
type notification struct {
	key    [32]byte
	path   string
	header http.Header
	body   []byte
}

// bare is what everything else is measured against: a handler that reads the body and answers.
func bare(w http.ResponseWriter, r *http.Request) {
	_, _ = io.ReadAll(r.Body)
	w.WriteHeader(http.StatusOK)
}

// verifier checks the signature and the age, and stores what is right, if there is a store.
type verifier struct {
	store  engine
	bodies sync.Pool
}

func (v *verifier) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	room, _ := v.bodies.Get().(*[]byte)
	if room == nil || int64(cap(*room)) < r.ContentLength {
		b := make([]byte, max(r.ContentLength, 4096))
		room = &b
	}
	defer v.bodies.Put(room)
	body := (*room)[:r.ContentLength]
	if _, err := io.ReadFull(r.Body, body); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if !verified(r.Header, body) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if v.store != nil {
		n := &notification{path: r.URL.Path, header: r.Header, body: body}
		h := sha256.New()
		_, _ = io.WriteString(h, r.URL.Path)
		_, _ = h.Write(body)
		h.Sum(n.key[:0])
		if err := v.store.Put(n); err != nil {
			log.Print(err)
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
	}
	w.WriteHeader(http.StatusOK)
}

func verified(header http.Header, body []byte) bool {
	timestamp := header.Get("X-Cld-Timestamp")
	h := sha1.New()
	_, _ = h.Write(body)
	_, _ = io.WriteString(h, timestamp)
	_, _ = io.WriteString(h, secret)
	var sum [sha1.Size]byte
	h.Sum(sum[:0])
	signature, err := hex.DecodeString(header.Get("X-Cld-Signature"))
	if err != nil || subtle.ConstantTimeCompare(sum[:], signature) != 1 {
		return false
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	return err == nil && time.Since(time.Unix(seconds, 0)) < 2*time.Hour
}

// writeRequests writes a Lua table of 1000 signed requests with bodies of 2 KiB, each without its first line.
func writeRequests(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	timestamp := strconv.FormatInt(time.Now().Unix(), 10)
	fmt.Fprintln(w, "return {")
	for i := range 1000 {
		body := requestBody(i)
		sum := sha1.Sum([]byte(body + timestamp + secret))
		request := fmt.Sprintf("Host: localhost\r\nContent-Type: application/json\r\nUser-Agent: Cloudinary\r\nX-Cld-Timestamp: %s\r\nX-Cld-Signature: %x\r\nContent-Length: %d\r\n\r\n%s",
			timestamp, sum, len(body), body)
		quoted, err := json.Marshal(request)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s,\n", quoted)
	}
	fmt.Fprintln(w, "}")
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

func requestBody(i int) string {
	const size = 2048
	start := fmt.Sprintf(`{"notification_type":"upload","timestamp":"2024-03-20T10:12:34+00:00","request_id":"%032x","asset_id":"%032x","public_id":"sample",`+
		`"version":1710929554,"width":864,"height":576,"format":"jpg","resource_type":"image","tags":[],"bytes":120253,"type":"upload",`+
		`"notification_context":{"triggered_at":"2024-03-20T10:12:34.123456Z","triggered_by":{"source":"api","id":"123"}},"filler":"`, i, 7*i)
	return start + strings.Repeat("x", size-len(start)-2) + `"}`
}
