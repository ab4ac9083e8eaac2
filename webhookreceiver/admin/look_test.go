// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
)

func TestDeadLettersAreListed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first := f.put(record(1, "catalog", "search"), "catalog")
	f.put(record(2, "catalog")) // not given up
	second := f.put(record(3, "catalog", "search"), "search", "catalog")
	odd := record(4, "catalog")
	odd.Endpoint, odd.EventType, odd.Body = queue.Endpoint{Namespace: "blog", Name: "press"}, "unknown", []byte(`"a template's"`)
	third := f.put(odd, "catalog")
	letterOf := func(id queue.ID, n int, target string) letter {
		return letter{
			ID: idText(id), Target: target, Namespace: "shop", Endpoint: "media", EventType: "upload", Asset: fmt.Sprintf("image %q", fmt.Sprintf("shoe %d", n)),
			ReceivedAt: "2026-01-02T02:04:05Z", Reason: "the Service answered 400",
		}
	}
	one, two, three := letterOf(first, 1, "catalog"), letterOf(second, 3, "catalog"), letterOf(second, 3, "search")
	other := letter{
		ID: idText(third), Target: "catalog", Namespace: "blog", Endpoint: "press", EventType: "unknown",
		ReceivedAt: "2026-01-02T02:04:05Z", Reason: "the Service answered 400",
	}
	for query, want := range map[string][]letter{
		"": {one, two, three, other}, "?namespace=shop": {one, two, three}, "?endpoint=press": {other}, "?target=search": {three},
		"?namespace=shop&endpoint=media&target=catalog": {one, two}, "?namespace=blog&endpoint=media": {}, "?limit=9000": {one, two, three, other},
		"?limit=4": {one, two, three, other},
	} {
		p := get[page](f, "/v1/deadletters"+query)
		for i := range p.Items {
			if p.Items[i].Size <= 0 {
				t.Errorf("%q: the size is %d", query, p.Items[i].Size)
			}
			p.Items[i].Size = 0
		}
		if diff := cmp.Diff(page{Items: want}, p); diff != "" {
			t.Errorf("%q (-want +got):\n%s", query, diff)
		}
	}
}

func TestAListGoesFromPageToPage(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var want []string
	for n := range 7 {
		id := f.put(record(n, "search", "catalog"), "catalog", "search")
		want = append(want, fmt.Sprintf("%d search", id), fmt.Sprintf("%d catalog", id))
	}
	for _, limit := range []int{1, 3, 7, 13, 14, 15} {
		var got []string
		pages := 0
		for next := ""; ; pages++ {
			p := get[page](f, fmt.Sprintf("/v1/deadletters?limit=%d&continue=%s", limit, next))
			for _, i := range p.Items {
				got = append(got, i.ID+" "+i.Target)
			}
			if next = p.Continue; next == "" {
				break
			}
			if len(p.Items) != limit {
				t.Fatalf("a page of %d that is not the last has %d", limit, len(p.Items))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" || pages != (len(want)-1)/limit {
			t.Errorf("pages of %d, and %d were continued (-want +got):\n%s", limit, pages, diff)
		}
	}
	p := get[page](f, "/v1/deadletters?limit=3")
	f.post("/v1/deadletters/discard", `{"namespace":"shop","endpoint":"media","ids":["`+p.Items[2].ID+`"]}`)
	if rest := get[page](f, "/v1/deadletters?continue="+p.Continue); len(rest.Items) != 10 {
		t.Errorf("%d follow a letter that was discarded meanwhile, want 10", len(rest.Items))
	}
}

func TestAPageReadsNoMoreThanItMay(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for n := range 4 {
		r := record(n, "catalog")
		r.Body = append(r.Body, strings.Repeat(" ", maxPageBytes/3)...)
		f.put(r, "catalog")
	}
	f.put(record(5, "catalog"), "catalog")
	var got []string
	for _, i := range get[page](f, "/v1/deadletters").Items {
		got = append(got, i.Asset)
	}
	if diff := cmp.Diff([]string{`image "shoe 0"`, `image "shoe 1"`, "", "", `image "shoe 5"`}, got); diff != "" {
		t.Errorf("assets (-want +got):\n%s", diff)
	}
}

func TestADeadLetterIsShownWhole(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := record(1, "catalog", "search", "audit")
	id := f.put(r, "search")
	f.must(f.queue.Finish(t.Context(), queue.Outcome{ID: id, Target: "audit", Kind: queue.Delivered}))
	want := whole{
		ID: idText(id), Namespace: "shop", Endpoint: "media", EventType: "upload", ReceivedAt: "2026-01-02T02:04:05Z",
		Targets: []standing{{Name: "catalog", State: "Pending"}, {Name: "search", State: "DeadLettered", Reason: "the Service answered 400"}, {Name: "audit", State: "Done"}},
		Headers: map[string][]string{"X-Cld-Timestamp": {"1767322800"}, "X-Cld-Signature": {"a", "b"}}, Body: r.Body,
	}
	if diff := cmp.Diff(want, get[whole](f, "/v1/deadletters/"+idText(id))); diff != "" {
		t.Errorf("the dead letter (-want +got):\n%s", diff)
	}
	r = record(2, "catalog")
	r.Header, r.Body = nil, nil
	path := "/v1/deadletters/" + idText(f.put(r, "catalog"))
	if _, text := f.ask(http.MethodGet, path, ""); !strings.Contains(text, `"headers":{},"body":""`) {
		t.Errorf("one without header and body is %s", text)
	}
}

// damaged is a queue of which nothing can be read any more.
type damaged struct{ *queue.Store }

func (damaged) Get(id queue.ID) (*queue.Record, error) {
	return nil, fmt.Errorf("notification %d: %w", id, queue.ErrDamaged)
}

func TestADamagedLetterIsNeverShown(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.put(record(1, "catalog"), "catalog")
	f.server.queue = damaged{f.queue}
	status, text := f.ask(http.MethodGet, "/v1/deadletters/"+idText(id), "")
	if status != http.StatusInternalServerError || !strings.Contains(text, "damaged on disk") || strings.Contains(text, "body") {
		t.Errorf("answered %d %s", status, text)
	}
	if p := get[page](f, "/v1/deadletters"); len(p.Items) != 1 || p.Items[0].Asset != "" || p.Items[0].Reason == "" {
		t.Errorf("listed as %+v", p)
	}
	if n := f.post("/v1/deadletters/discard", `{"namespace":"shop","endpoint":"media"}`); n != 1 {
		t.Errorf("%d were discarded", n)
	}
}
