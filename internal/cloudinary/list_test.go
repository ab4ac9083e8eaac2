// SPDX-License-Identifier: Apache-2.0

package cloudinary

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// endless is an answer without an end. It counts the bytes that are read.
type endless struct {
	pending bytes.Buffer
	next    func(n int) string
	n, read int
}

func (e *endless) Read(p []byte) (int, error) {
	for e.pending.Len() < len(p) {
		e.pending.WriteString(e.next(e.n))
		e.n++
	}
	e.read += len(p)
	return e.pending.Read(p)
}

// A host that anybody may name in a Secret cannot make the operator keep, or even read, more than
// Cloudinary's own could send.
func TestAListIsReadNoFurtherThanOneCanBe(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		begin string
		next  func(n int) string
		read  int // at most
	}{
		"triggers without end": {`{"triggers":[{"id":"first"}`, func(n int) string { return fmt.Sprintf(`,{"id":%d}`, n) }, 1 << 20},
		"a filter without end": {`{"triggers":[{"id":"a","filter":{"a":"`, func(int) string { return "xxxxxxxx" }, 3 * maxElement},
		"a name without end":   {`{"`, func(int) string { return "xxxxxxxx" }, 3 * maxElement},
		"nesting without end":  {`{"triggers":[{"id":"a","filter":`, func(int) string { return "[[[[" }, 3 * maxElement},
		"space without end":    {`{"triggers":[`, func(int) string { return "        " }, 3 * maxElement},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := &endless{next: c.next}
			e.pending.WriteString(c.begin)
			got, err := decodeList(e)
			if got != nil || !errors.Is(err, errTooLarge) && !errors.Is(err, errUnreadable) {
				t.Errorf("got %d triggers and %v, want none and that it is too large", len(got), err)
			}
			if e.read > c.read {
				t.Errorf("%d bytes were read, want at most %d", e.read, c.read)
			}
		})
	}
}

func TestALargeListOfCloudinarysIsRead(t *testing.T) {
	t.Parallel()
	var body strings.Builder
	body.WriteString(`{"triggers":[`)
	escaped := strings.Repeat(`\u0041`, 16<<10)
	for i := range 900 {
		if i > 0 {
			body.WriteByte(',')
		}
		large := "x"
		if i < 10 {
			large = escaped
		}
		fmt.Fprintf(&body, `{"id":"%032x","uri":"https://h.example/%d","filter":{"==":[{"var":"a"},"%s"]},"payload_template":{"a":"%s"}}`, i, i, large, large)
	}
	body.WriteString(`],"total":900}`)
	got, err := decodeList(strings.NewReader(body.String()))
	if err != nil || len(got) != 900 {
		t.Fatalf("%d triggers and %v, want 900", len(got), err)
	}
	if first := string(got[0].PayloadTemplate); !strings.Contains(first, `\u0041`) {
		t.Errorf("the first template is %.40s…, want it as it was sent", first)
	}
}

func TestWhatIsLongerThanCloudinarysIsNotKept(t *testing.T) {
	t.Parallel()
	long, larger := strings.Repeat("x", 40<<10), strings.Repeat("x", maxEmbedded)
	got, err := decodeList(strings.NewReader(`{"triggers":[{"id":"a","uri_type":"` + long + `","uri":"` + long + `","event_type":"` + long +
		`","auth_scheme":"` + long + `"},{"id":"b","uri":"https://h.example/","filter":{"a":"` + larger + `"}}]}`))
	if err != nil || len(got) != 2 || got[1].URI != "https://h.example/" {
		t.Fatalf("got %d triggers and %v, want both: one that is odd hides no other", len(got), err)
	}
	odd := got[0]
	for what, n := range map[string]struct{ got, limit int }{
		"uri_type": {len(odd.URIType), maxName}, "uri": {len(odd.URI), maxURI},
		"event_type": {len(odd.EventType), maxName}, "auth_scheme": {len(*odd.AuthScheme), maxName}, "filter": {len(got[1].Filter), 32},
	} {
		if n.got > n.limit {
			t.Errorf("%s: %d bytes are kept, want at most %d", what, n.got, n.limit)
		}
	}
	if _, err := decodeList(strings.NewReader(`{"triggers":[{"id":"` + long + `"}]}`)); !errors.Is(err, errIncompleteList) {
		t.Errorf("an id that can be none: got %v, want %v", err, errIncompleteList)
	}
}

func TestAListThatBreaksOffSaysWhy(t *testing.T) {
	t.Parallel()
	broken := errors.New("the line is cut")
	body := io.MultiReader(strings.NewReader(`{"triggers":[{"id":"a"}`), iotest.ErrReader(broken))
	if got, err := decodeList(body); got != nil || !errors.Is(err, broken) {
		t.Errorf("got %d triggers and %v, want none and %v", len(got), err, broken)
	}
}
