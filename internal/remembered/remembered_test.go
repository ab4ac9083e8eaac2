// SPDX-License-Identifier: Apache-2.0

package remembered

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

func fullRecord() plan.Record {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	return plan.Record{
		SentHash: strings.Repeat("a", 64), SentAt: at, ConfirmedHash: strings.Repeat("b", 64), Echoed: []string{"additive", "authScheme", "filter", "payloadTemplate"},
		OverdueAt: at,
		Repair:    plan.Repair{ReadHash: strings.Repeat("c", 64), Updates: 1000, Replacements: 2, Total: 3, LastAt: at},
	}
}

func TestWhatIsRememberedIsRecalled(t *testing.T) {
	full := fullRecord()
	same := fullRecord()
	same.ConfirmedHash = same.SentHash
	for name, rec := range map[string]plan.Record{
		"everything": full, "what was confirmed as sent": same, "nothing": {}, "what was echoed": {Echoed: []string{"filter"}},
	} {
		line := Encode(&rec)
		var back plan.Record
		Decode(line, &back)
		if diff := cmp.Diff(rec, back); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if len(line) > 1024 || strings.ContainsAny(line, " \n{\"") {
			t.Errorf("%s: %q is not one short line", name, line)
		}
	}
	if line := Encode(&plan.Record{EventType: "upload", ID: "1"}); line != "" {
		t.Errorf("nothing is remembered as %q", line)
	}
}

// Somebody may have edited the line, or a later version has written it. A trigger must then be as one that was just adopted, and the
// pass must not fail.
func TestWhatCannotBeReadIsNotRemembered(t *testing.T) {
	encode := base64.RawURLEncoding.EncodeToString
	rec := fullRecord()
	line := Encode(&rec)
	for name, garbled := range map[string]string{
		"empty":                   "",
		"no base64":               "{}",
		"no JSON":                 encode([]byte("remember me")),
		"cut off":                 line[:len(line)-5],
		"of another version":      encode([]byte(`{"v":2,"s":"abc"}`)),
		"without a version":       encode([]byte(`{"s":"abc"}`)),
		"null":                    encode([]byte(`null`)),
		"a list":                  encode([]byte(`[1]`)),
		"a hash that is too long": encode([]byte(`{"v":1,"s":"` + strings.Repeat("x", 65) + `"}`)),
		"a count below zero":      encode([]byte(`{"v":1,"s":"abc","r":{"h":"x","u":-1,"t":1}}`)),
		"a count beyond all":      encode([]byte(`{"v":1,"s":"abc","r":{"h":"x","n":1000000,"t":1}}`)),
		"a repair of nothing":     encode([]byte(`{"v":1,"s":"abc","r":{"t":1}}`)),
		"a time before all":       encode([]byte(`{"v":1,"s":"abc","t":-1}`)),
		"overdue before all":      encode([]byte(`{"v":1,"s":"abc","o":-1}`)),
		"too many echoed fields":  encode([]byte(`{"v":1,"e":["a","b","c","d","e","f","g","h","i"]}`)),
	} {
		var got plan.Record
		Decode(garbled, &got)
		if diff := cmp.Diff(plan.Record{}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func FuzzDecode(f *testing.F) {
	rec := fullRecord()
	f.Add(Encode(&rec))
	f.Add("{}")
	f.Fuzz(func(t *testing.T, line string) {
		var once, twice plan.Record
		Decode(line, &once)
		Decode(Encode(&once), &twice)
		if diff := cmp.Diff(once, twice); diff != "" {
			t.Errorf("it is not recalled as it was remembered (-want +got):\n%s", diff)
		}
	})
}
