// SPDX-License-Identifier: Apache-2.0

package webhookreceiver

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

// lines is a log of refusals whose clock a test sets, and what it has written.
type lines struct {
	*RefusalLog
	at      time.Time
	written []string
}

func newLines() *lines {
	l := &lines{at: now}
	log := funcr.NewJSON(func(line string) { l.written = append(l.written, line) }, funcr.Options{})
	l.RefusalLog = NewRefusalLog(log, func() time.Time { return l.at })
	return l
}

// pass lets time pass, and returns what was written in it of one reason.
func (l *lines) pass(d time.Duration, reason Reason) []string {
	before := len(l.written)
	for end := l.at.Add(d); l.at.Before(end); l.at = l.at.Add(refusalLook) {
		l.flush(refusalLineEvery)
	}
	var counts []string
	for _, line := range l.written[before:] {
		if _, count, found := strings.Cut(line, fmt.Sprintf(`"reason":%q,"count":`, reason)); found {
			count, _, _ = strings.Cut(count, ",")
			counts = append(counts, count)
		}
	}
	return counts
}

func TestRefusalsAreOneLineAMinuteAndReason(t *testing.T) {
	media := &route.Endpoint{Key: types.NamespacedName{Namespace: "shop", Name: "media"}}
	l := newLines()
	for range 1000 {
		l.Refused(media, "bad_signature")
		l.Refused(media, "stale")
		l.Refused(nil, ReasonUnknownEndpoint)
	}
	if len(l.written) != 3 || !strings.Contains(l.written[0], `"endpoint":{"name":"media","namespace":"shop"}`) || !strings.Contains(l.written[0], "signing.<API_KEY>") {
		t.Errorf("at once: %q", l.written)
	}
	if diff := cmp.Diff([]string{"999"}, l.pass(2*refusalLineEvery-refusalLook, "bad_signature")); diff != "" {
		t.Errorf("in the next minutes (-want +got):\n%s", diff)
	}
	l.Refused(media, "bad_signature")
	if diff := cmp.Diff([]string{"1"}, l.pass(refusalLineEvery, "bad_signature")); diff != "" {
		t.Errorf("after that (-want +got):\n%s", diff)
	}
	if l.pass(2*refusalLineEvery, "bad_signature"); len(l.lines) != 0 {
		t.Errorf("it keeps %d lines", len(l.lines))
	}
}

func TestStrangersCannotFillTheLog(t *testing.T) {
	l := newLines()
	for i := range 2 * maxRefusalLines {
		l.Refused(&route.Endpoint{Key: types.NamespacedName{Namespace: "shop", Name: fmt.Sprint(i)}}, "bad_signature")
	}
	if len(l.written) != maxRefusalLines {
		t.Errorf("%d lines", len(l.written))
	}
}

func TestEachReasonHasAMeaning(t *testing.T) {
	seen := map[string]Reason{}
	for _, reason := range Reasons() {
		meaning := reason.meaning()
		if other, taken := seen[meaning]; taken || meaning == "unknown" {
			t.Errorf("%s means %q, as %q does", reason, meaning, other)
		}
		seen[meaning] = reason
	}
}
