// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestRecordRoundTrip(t *testing.T) {
	text := rapid.StringN(0, 20, -1)
	instant := rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.Bool().Draw(t, "zero") {
			return time.Time{}
		}
		return time.Unix(rapid.Int64Range(1, 1<<33).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds")).UTC()
	})
	rapid.Check(t, func(t *rapid.T) {
		want := &Record{
			KeyExpires: instant.Draw(t, "expires"), ReceivedAt: instant.Draw(t, "received"), EventType: text.Draw(t, "type"),
			Endpoint: Endpoint{Namespace: text.Draw(t, "namespace"), Name: text.Draw(t, "name")}, OrderKey: rapid.Uint64().Draw(t, "order"),
		}
		copy(want.Key[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "key"))
		for _, name := range rapid.SliceOfN(text, 0, 5).Draw(t, "headers") {
			want.Header = append(want.Header, Header{Name: name, Value: text.Draw(t, "value")})
		}
		want.Targets = append(want.Targets, rapid.SliceOfN(text, 0, 5).Draw(t, "targets")...)
		want.Body = append(want.Body, rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "body")...)
		b := appendRecord(nil, want)
		if len(b) > encodedLen(want) {
			t.Fatalf("%d bytes, and %d were foreseen", len(b), encodedLen(want))
		}
		got, err := decodeRecord(b)
		if err != nil || !reflect.DeepEqual(want, got) {
			t.Fatalf("%v\nwant %+v\ngot  %+v", err, want, got)
		}
		b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, err := decodeRecord(b); !errors.Is(err, errMalformed) && !errors.Is(err, errChecksum) {
			t.Fatalf("error %v for a damaged record", err)
		}
	})
}

// What is shorter than it says, or says more than is there, is an error and no panic, whatever its checksum.
func TestDecodersEndEarly(t *testing.T) {
	whole := appendRoute(nil, sample(1, "x", "y"))
	d := decoder{b: whole}
	route := d.sized()
	for n := range route {
		if _, err := decodeRoute(route[:n]); !errors.Is(err, errMalformed) {
			t.Errorf("a route cut after %d bytes gave %v", n, err)
		}
	}
	states := encodeStates([]targetState{{kind: targetDone}, {kind: targetPending}})
	for n := range states {
		if _, err := decodeStates(states[:n], 2); !errors.Is(err, errMalformed) {
			t.Errorf("a state cut after %d bytes gave %v", n, err)
		}
	}
	if _, err := decodeStates(states, 3); !errors.Is(err, errMalformed) {
		t.Errorf("a state of too few targets gave %v", err)
	}
}
