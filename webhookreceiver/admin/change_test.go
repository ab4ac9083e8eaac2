// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
)

// media asks for a change of dead letters of shop/media.
func media(rest string) string { return `{"namespace":"shop","endpoint":"media"` + rest + `}` }

func TestDeadLettersAreRedriven(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, b := f.put(record(1, "catalog", "search"), "catalog", "search"), f.put(record(2, "catalog"), "catalog")
	elsewhere := record(3, "catalog")
	elsewhere.Endpoint.Name = "press"
	c := f.put(elsewhere, "catalog")
	f.announced = nil
	if n := f.post("/v1/deadletters/redrive", media(fmt.Sprintf(`,"target":"catalog","ids":["%d","%d","4711"]`, b, c))); n != 1 {
		t.Errorf("%d were redriven, want the one of the two that is this endpoint's", n)
	}
	f.wantItems(fmt.Sprintf("%d catalog!", a), fmt.Sprintf("%d search!", a), fmt.Sprintf("%d catalog", b), fmt.Sprintf("%d catalog!", c))
	if n := f.post("/v1/deadletters/redrive", media(`,"target":"search"`)); n != 1 {
		t.Errorf("%d were redriven for a target", n)
	}
	if n := f.post("/v1/deadletters/redrive", media("")); n != 1 {
		t.Errorf("%d were redriven, want all that were left", n)
	}
	if n := f.post("/v1/deadletters/redrive", media("")); n != 0 {
		t.Errorf("%d were redriven again", n)
	}
	want := []string{fmt.Sprintf("%d catalog", b), fmt.Sprintf("%d search", a), fmt.Sprintf("%d catalog", a)}
	if diff := gocmp.Diff(want, f.announced); diff != "" {
		t.Errorf("handed to delivery (-want +got):\n%s", diff)
	}
	if len(f.observer.attempts) > 0 {
		t.Errorf("a redrive is counted as the end of deliveries: %+v", f.observer.attempts)
	}
	if status, _ := f.ask(http.MethodGet, "/v1/deadletters/"+idText(a), ""); status != http.StatusNotFound {
		t.Errorf("what is delivered again is still shown as a dead letter: %d", status)
	}
}

func TestDeadLettersAreDiscarded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, b := f.put(record(1, "catalog", "search"), "catalog", "search"), f.put(record(2, "catalog", "search"), "catalog")
	elsewhere := record(3, "catalog")
	elsewhere.Endpoint = queue.Endpoint{Namespace: "blog", Name: "press"} // which nothing serves any more
	c := f.put(elsewhere, "catalog")
	f.announced = nil
	if n := f.post("/v1/deadletters/discard", media(fmt.Sprintf(`,"target":"search","ids":["%d"]`, a))); n != 1 {
		t.Errorf("%d were discarded", n)
	}
	if n := f.post("/v1/deadletters/discard", media("")); n != 2 {
		t.Errorf("%d were discarded, want all that were left of the endpoint", n)
	}
	f.wantItems(fmt.Sprintf("%d search", b), fmt.Sprintf("%d catalog!", c))
	if n := f.post("/v1/deadletters/discard", `{"namespace":"blog","endpoint":"press"}`); n != 1 {
		t.Errorf("%d were discarded of an endpoint that is gone", n)
	}
	if len(f.announced) > 0 {
		t.Errorf("what is discarded is to be delivered: %v", f.announced)
	}
	shop, blog := queue.Endpoint{Namespace: "shop", Name: "media"}, queue.Endpoint{Namespace: "blog", Name: "press"}
	discarded := func(id queue.ID, at queue.Endpoint, target string) delivery.Attempt {
		return delivery.Attempt{ID: id, Endpoint: at, Target: target, Outcome: delivery.OutcomeDiscarded, Message: "discarded by hand"}
	}
	want := []delivery.Attempt{discarded(a, shop, "search"), discarded(a, shop, "catalog"), discarded(b, shop, "catalog"), discarded(c, blog, "catalog")}
	if diff := gocmp.Diff(want, f.observer.attempts, cmpopts.IgnoreFields(delivery.Attempt{}, "EndedAt")); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
}

func TestRequestsThatAreNotClearChangeNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.put(record(1, "catalog"), "catalog")
	many := strings.Repeat(`"1",`, maxIDs) + `"1"`
	for name, tc := range map[string]struct {
		body   string
		status int
		want   string // in the error
	}{
		"no body":                    {body: "", want: "not as it should be"},
		"no object":                  {body: `"all"`, want: "must be a JSON object"},
		"null":                       {body: `null`, want: "namespace and endpoint are required"},
		"half an object":             {body: `{"namespace":"shop","endpoint":"media"`, want: "not as it should be"},
		"two objects":                {body: media("") + media(""), want: "something follows"},
		"no namespace":               {body: `{"endpoint":"media"}`, want: "namespace and endpoint are required"},
		"no endpoint":                {body: `{"namespace":"shop","target":"catalog"}`, want: "namespace and endpoint are required"},
		"a misspelled name":          {body: media(`,"id":["1"]`), want: `unknown field "id"`},
		"no ids among them":          {body: media(`,"ids":[]`), want: "leave it out for all"},
		"too many ids":               {body: media(`,"ids":[` + many + `]`), want: "1 to 1000"},
		"an id that is a number":     {body: media(`,"ids":[1]`), want: "ids has a number where a string is needed"},
		"an id without a list":       {body: media(`,"ids":"1"`), want: "ids has a string where a list of strings is needed"},
		"an id that is none":         {body: media(`,"ids":["one"]`), want: `"one" is not the id`},
		"a negative id":              {body: media(`,"ids":["-1"]`), want: "is not the id"},
		"more than anybody could do": {body: media(`,"target":"` + strings.Repeat("x", maxBodyBytes) + `"`), status: http.StatusRequestEntityTooLarge, want: "fewer ids"},
	} {
		for _, path := range []string{"/v1/deadletters/redrive", "/v1/deadletters/discard"} {
			status, text := f.ask(http.MethodPost, path, tc.body)
			if want := cmp.Or(tc.status, http.StatusBadRequest); status != want || !strings.Contains(strings.ReplaceAll(text, `\"`, `"`), tc.want) {
				t.Errorf("%s: %s is answered %d %s, want %d and %q", name, path, status, text, want, tc.want)
			}
		}
	}
	f.wantItems(fmt.Sprintf("%d catalog!", id))
}

func TestWhatHasNowhereToGoIsNotRedriven(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	elsewhere := record(1, "catalog")
	elsewhere.Endpoint.Name = "press"
	a, b := f.put(elsewhere, "catalog"), f.put(record(2, "former"), "former")
	for body, want := range map[string]string{
		`{"namespace":"shop","endpoint":"press"}`: "endpoint shop/press is not served",
		media(`,"target":"former"`):               "target former of endpoint shop/media is not served",
	} {
		status, text := f.ask(http.MethodPost, "/v1/deadletters/redrive", body)
		if status != http.StatusConflict || !strings.Contains(text, want) || !strings.Contains(text, "discard them") {
			t.Errorf("%s is answered %d %s, want 409 and %q", body, status, text, want)
		}
	}
	f.wantItems(fmt.Sprintf("%d catalog!", a), fmt.Sprintf("%d former!", b))

	// What has somewhere to go is redriven without the others, and the answer tells of them.
	c := f.put(record(3, "catalog", "former"), "catalog", "former")
	want := `{"count":1,"kept":2,"message":"dead letters that are kept, since endpoint shop/media does not have their targets any more (former): 2; ` +
		`bring the targets back, or discard them"}`
	status, text := f.ask(http.MethodPost, "/v1/deadletters/redrive", media(fmt.Sprintf(`,"ids":["%d","%d"]`, b, c)))
	if status != http.StatusOK || strings.TrimSpace(text) != want {
		t.Errorf("answered %d %s, want %s", status, text, want)
	}
	f.wantItems(fmt.Sprintf("%d catalog!", a), fmt.Sprintf("%d former!", b), fmt.Sprintf("%d catalog", c), fmt.Sprintf("%d former!", c))
}

func TestQueriesThatCannotBeAnsweredAreRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	paths := map[string]int{
		"?limit=0": 400, "?limit=-1": 400, "?limit=many": 400, "?continue=x.catalog": 400, "?continue=1": 400, "?continue=-1.a": 400, "?%zz": 400,
		"/one": 400, "/4711": 404, "/0": 404, "/18446744073709551616": 400, "/1/more": 404, "/redrive": 400,
	}
	for path, want := range paths {
		status, text := f.ask(http.MethodGet, "/v1/deadletters"+path, "")
		if status != want || !strings.HasPrefix(text, `{"error":"`) {
			t.Errorf("%s is answered %d %s, want %d", path, status, text, want)
		}
	}
	for _, tc := range [][2]string{{http.MethodDelete, "/v1/deadletters"}, {http.MethodGet, "/"}, {http.MethodPost, "/v1/deadletters"}} {
		if status, text := f.ask(tc[0], tc[1], ""); status != http.StatusNotFound || !strings.Contains(text, `"error"`) {
			t.Errorf("%v is answered %d %s, want 404", tc, status, text)
		}
	}
}
