// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"
)

const (
	maxBody = 4 << 20
	// workTime is less than the receiver waits for an answer (timeout of the target, 15 s), and than Cloudinary does (20 s).
	workTime = 12 * time.Second
)

// notification is what this program needs of one. Fields that are not known are left out: Cloudinary adds some now and then.
type notification struct {
	Type         string `json:"notification_type"`
	PublicID     string `json:"public_id"`
	ResourceType string `json:"resource_type"`
	DeliveryType string `json:"type"`

	age time.Duration // since it was signed
}

// errRetry means that the same notification may go well later.
var errRetry = errors.New("try again later")

// listener answers notifications: 200 once the work is done, 503 if it may go well or be verified later, and 4xx only for what never will. The receiver
// makes a dead letter of what is answered 4xx, and delivers again, for days, what is answered 5xx or not at all.
type listener struct {
	verifier verifier
	handle   func(context.Context, notification) error
	now      func() time.Time
	log      *slog.Logger
}

func (l *listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		return
	}
	if err != nil {
		http.Error(w, "not read", http.StatusServiceUnavailable)
		return
	}
	// The receiver has verified it. But anybody in the cluster can send requests here.
	age, err := l.verifier.verify(r.Header, body, l.now())
	if errors.Is(err, errSignature) {
		// What comes by the receiver is genuine, and signed with a secret that this program has not got yet, or not any more, as around a
		// rotation. That is set right some time, so it is to come again, and not to be a dead letter. A forger gains nothing by the
		// answer. Without a receiver before it, 401 is better.
		l.log.Error("not verified: is the secret that signed it in CLOUDINARY_URL, or in the Secret as signing.<API_KEY>?")
		http.Error(w, "try again later", http.StatusServiceUnavailable)
		return
	}
	if err != nil {
		l.log.Warn("refused", "reason", err.Error())
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	// A notification is a JSON object. With the same secret Cloudinary signs other things, too.
	n := notification{age: age}
	if err := json.Unmarshal(body, &n); err != nil || !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) {
		http.Error(w, "not a notification", http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), workTime)
	defer cancel()
	switch err := l.handle(ctx, n); {
	case err == nil:
		// 200 and not another 2xx: without a receiver before it, Cloudinary would send again.
		w.WriteHeader(http.StatusOK)
	case errors.Is(err, errRetry):
		l.log.Warn("to be tried again", "publicID", n.PublicID, "reason", err.Error())
		w.Header().Set("Retry-After", "10")
		http.Error(w, "try again later", http.StatusServiceUnavailable)
	default:
		l.log.Error("given up", "publicID", n.PublicID, "reason", err.Error())
		http.Error(w, "cannot be done", http.StatusUnprocessableEntity)
	}
}
