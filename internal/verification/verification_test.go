// SPDX-License-Identifier: Apache-2.0

package verification_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/cloudinary-operator/cloudinary-operator/internal/verification"
)

func TestEntryNamesAreValidAndTellEnvironmentsApart(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 253)
	names := map[string]verification.Environment{}
	for _, e := range []verification.Environment{
		{APIBase: "https://api.cloudinary.com", CloudName: "my-cloud"},
		{APIBase: "https://api-eu.cloudinary.com", CloudName: "my-cloud"},
		{APIBase: "https://api.cloudinary.com", CloudName: "My-Cloud"},
		{APIBase: "https://api.cloudinary.comm", CloudName: "y-cloud"},
		{APIBase: "https://" + long, CloudName: long},
		{},
	} {
		name := verification.EntryName(e)
		if problems := validation.IsConfigMapKey(name); len(problems) > 0 {
			t.Errorf("%s is no key of a Secret: %v", name, problems)
		}
		if other, taken := names[name]; taken {
			t.Errorf("%v and %v have the same name", e, other)
		}
		names[name] = e
	}
	const want = "environment-d636a94871d5fcf4e3593387233dbea5a931ff78"
	if got := verification.EntryName(verification.Environment{APIBase: "https://api.cloudinary.com", CloudName: "demo"}); got != want {
		t.Errorf("the name of an environment became %s: what a former version wrote would not be found", got)
	}
}

func TestAnEntryComesBackAsItWas(t *testing.T) {
	t.Parallel()
	end := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	sent := verification.Keys{
		Environment: verification.Environment{APIBase: "https://api.cloudinary.com", CloudName: "my-cloud"},
		Keys: []verification.Key{
			{ID: "123", Secret: `<"s&crêt">`, Sources: []string{"shop/cloudinary"}},
			{ID: "456", Secret: "s", Unchecked: true, NotAfter: &end},
		},
	}
	raw, err := sent.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := verification.Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(plain(sent)) != fmt.Sprint(plain(got)) {
		t.Errorf("sent %v, got %v", plain(sent), plain(got))
	}
	again, err := got.Encode()
	if err != nil || string(again) != string(raw) {
		t.Errorf("encoded again it is %s, was %s (%v)", again, raw, err)
	}
}

// plain shows what printing hides.
func plain(k verification.Keys) []string {
	shown := []string{k.APIBase, k.CloudName}
	for _, key := range k.Keys {
		shown = append(shown, fmt.Sprint(key.ID, key.Secret, key.NotAfter, key.Unchecked, key.Sources))
	}
	return shown
}

func TestDecodeSecretReadsWhatItCan(t *testing.T) {
	t.Parallel()
	env := verification.Environment{APIBase: "https://api.cloudinary.com", CloudName: "my-cloud"}
	name := verification.EntryName(env)
	good := `{"apiBase":"https://api.cloudinary.com","cloudName":"my-cloud","keys":[{"id":"1","secret":"hunter2","later":true}],"later":1}`
	tests := map[string]struct {
		name, entry, why string
		wrong            string
	}{
		"an entry with fields of a later version": {name, good, "a rollback must not stop the receiver", ""},
		"another environment's name":              {verification.EntryName(verification.Environment{APIBase: "a", CloudName: "b"}), good, "whichever is read last would win", "another product environment's name"},
		"no JSON":                                 {name, `hunter2`, "somebody edited it", "not the JSON"},
		"a wrong type":                            {name, `{"apiBase":"hunter2","cloudName":1}`, "somebody edited it", "not the JSON"},
		"no environment":                          {name, `{"keys":[]}`, "somebody edited it", "which product environment"},
		"an empty secret":                         {name, `{"apiBase":"a","cloudName":"b","keys":[{"id":"hunter2","secret":""}]}`, "an empty key verifies what anybody can sign", "without id or secret"},
	}
	for label, test := range tests {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			other := verification.Environment{APIBase: "https://api.cloudinary.com", CloudName: "other"}
			raw, err := verification.Keys{Environment: other, Keys: []verification.Key{{ID: "2", Secret: "s"}}}.Encode()
			if err != nil {
				t.Fatal(err)
			}
			all, errs := verification.DecodeSecret(map[string][]byte{test.name: []byte(test.entry), verification.EntryName(other): raw})
			if _, ok := all[other]; !ok {
				t.Errorf("%s: the other entry was not read", test.why)
			}
			if test.wrong == "" {
				if len(errs) > 0 || len(all) != 2 {
					t.Errorf("%s: %d entries and errors %v", test.why, len(all), errs)
				}
				return
			}
			if len(errs) != 1 || !strings.Contains(errs[0].Error(), test.wrong) || !strings.Contains(errs[0].Error(), test.name) {
				t.Fatalf("%s: errors %v, want one with %q and %q", test.why, errs, test.name, test.wrong)
			}
			if strings.Contains(errs[0].Error(), "hunter2") {
				t.Errorf("the error shows what is in the entry: %v", errs[0])
			}
		})
	}
}

func TestAKeyIsNotPrinted(t *testing.T) {
	t.Parallel()
	key := verification.Key{ID: "123", Secret: "hunter2"}
	all := verification.Keys{Environment: verification.Environment{APIBase: "a", CloudName: "b"}, Keys: []verification.Key{key}}
	printed := fmt.Sprintf("%v %+v %#v %s %q %x %d %v", key, key, key, key, key, key, &key, key.MarshalLog()) +
		fmt.Sprintf("%v %+v %#v %s %x", all, all, all, all, all)
	if strings.Contains(printed, "hunter2") || strings.Contains(printed, fmt.Sprintf("%x", "hunter2")) {
		t.Errorf("it prints as %s", printed)
	}
	if diff := cmp.Diff("key 123", key.String()); diff != "" {
		t.Error(diff)
	}
}
