// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func sample(n int, targets ...string) *Record {
	return &Record{
		Key: sha256.Sum256([]byte(fmt.Sprint(n))), KeyExpires: time.Now().Add(time.Hour).UTC(), Endpoint: Endpoint{Namespace: "shop", Name: "media"},
		ReceivedAt: time.Unix(1_700_000_000, int64(n)).UTC(), EventType: "upload", OrderKey: uint64(n), Header: []Header{{"X-Cld-Timestamp", "1"}},
		Body: []byte(fmt.Sprintf("body %d", n)), Targets: targets,
	}
}

func TestBasics(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(t.Context(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 100 {
		r := sample(n, "a", "b")
		res, err := s.Put(t.Context(), r)
		if err != nil || res.Duplicate || res.ID == 0 {
			t.Fatal(res, err)
		}
		got, err := s.Get(res.ID)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(r, got); d != "" {
			t.Fatal(d)
		}
	}
	if res, err := s.Put(t.Context(), sample(5, "a")); err != nil || !res.Duplicate {
		t.Fatal(res, err)
	}
	if err := s.Finish(t.Context(), Outcome{ID: 1, Target: "a", Kind: Delivered}, Outcome{ID: 1, Target: "b", Kind: Delivered}, Outcome{ID: 2, Target: "b", Kind: Dead, Reason: "404"}); err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", s.Stats())
	if err := s.SetState("totals", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err = Open(t.Context(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", s.Stats())
	n := 0
	for i := range s.Items {
		n++
		_ = i
	}
	if n != 198 {
		t.Fatal(n)
	}
	if res, err := s.Put(t.Context(), sample(0, "a")); err != nil || !res.Duplicate {
		t.Fatal(res, err)
	}
	if v, err := s.State("totals"); err != nil || string(v) != "x" {
		t.Fatal(v, err)
	}
	if n, err := s.Redrive(t.Context(), Endpoint{"shop", "media"}, ""); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
