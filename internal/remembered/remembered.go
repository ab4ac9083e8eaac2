// SPDX-License-Identifier: Apache-2.0

// Package remembered writes what the operator remembers of its writes to a trigger as one line of a status, and reads it. It is pure.
package remembered

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

// version is the form of a line. Another one is not read.
const version = 1

// line is what is remembered of one trigger. In a status it is this as JSON, in base64url: nobody has to read it.
type line struct {
	Version   int      `json:"v"`
	SentHash  string   `json:"s,omitempty"`
	SentAt    int64    `json:"t,omitempty"` // microseconds, by Cloudinary's clock
	Confirmed string   `json:"c,omitempty"`
	AsSent    bool     `json:"a,omitempty"` // the confirmed hash is that which was sent
	Echoed    []string `json:"e,omitempty"`
	Repair    *mend    `json:"r,omitempty"`
	OverdueAt int64    `json:"o,omitempty"` // as SentAt
}

// mend is a difference that was written over.
type mend struct {
	ReadHash     string `json:"h"`
	Updates      int    `json:"u,omitempty"`
	Replacements int    `json:"p,omitempty"`
	Total        int    `json:"n,omitempty"`
	LastAt       int64  `json:"t"`
}

// What is remembered has bounds, so that a status has.
const (
	maxCount       = 1000
	maxHashBytes   = 64
	maxEchoed      = 8
	maxEchoedBytes = 32
)

// Encode makes the line of a record; empty: there is nothing to remember.
func Encode(rec *plan.Record) string {
	m := line{Version: version, SentHash: rec.SentHash, SentAt: micros(rec.SentAt), Echoed: rec.Echoed, OverdueAt: micros(rec.OverdueAt)}
	if rec.ConfirmedHash != "" && rec.ConfirmedHash == rec.SentHash {
		m.AsSent = true
	} else {
		m.Confirmed = rec.ConfirmedHash
	}
	if r := rec.Repair; r.ReadHash != "" {
		m.Repair = &mend{r.ReadHash, counted(r.Updates), counted(r.Replacements), counted(r.Total), micros(r.LastAt)}
	}
	if m.SentHash == "" && m.SentAt == 0 && len(m.Echoed) == 0 && m.Repair == nil && m.OverdueAt == 0 {
		return ""
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// Decode brings a record what a line says. Of one that cannot be read, or that this version would not write, nothing is taken: then the next
// list is compared with the spec as for a trigger that was just adopted.
func Decode(text string, rec *plan.Record) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) == 0 {
		return
	}
	var m line
	if json.Unmarshal(raw, &m) != nil || !m.sound() {
		return
	}
	rec.SentHash, rec.SentAt, rec.ConfirmedHash, rec.Echoed = m.SentHash, fromMicros(m.SentAt), m.Confirmed, m.Echoed
	rec.OverdueAt = fromMicros(m.OverdueAt)
	if m.AsSent {
		rec.ConfirmedHash = m.SentHash
	}
	if r := m.Repair; r != nil {
		rec.Repair = plan.Repair{ReadHash: r.ReadHash, Updates: r.Updates, Replacements: r.Replacements, Total: r.Total, LastAt: fromMicros(r.LastAt)}
	}
}

// sound reports whether it may be what this version has written.
func (m *line) sound() bool {
	if m.Version != version || len(m.SentHash) > maxHashBytes || len(m.Confirmed) > maxHashBytes || min(m.SentAt, m.OverdueAt) < 0 ||
		len(m.Echoed) > maxEchoed || slices.ContainsFunc(m.Echoed, func(field string) bool { return field == "" || len(field) > maxEchoedBytes }) {
		return false
	}
	r := m.Repair
	return r == nil || r.ReadHash != "" && len(r.ReadHash) <= maxHashBytes && r.LastAt >= 0 &&
		min(r.Updates, r.Replacements, r.Total) >= 0 && max(r.Updates, r.Replacements, r.Total) <= maxCount
}

func counted(n int) int { return max(0, min(n, maxCount)) }

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}
