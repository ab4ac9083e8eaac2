// SPDX-License-Identifier: Apache-2.0

package cloudinary_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
)

// answeringWithID is a client of a server that always answers the same.
func answeringWithID(t *testing.T, status int, requestID, body string) *cloudinary.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Request-Id", requestID)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	return cloudinary.NewClient(
		cloudinary.Credentials{APIBase: server.URL, CloudName: "c", APIKey: "k", APISecret: "s"},
		cloudinary.ClientOptions{Bases: cloudinary.OneAPIBase(server.URL)},
	)
}

func TestTheIDOfACallIsKept(t *testing.T) {
	t.Parallel()
	const id = "f2b5c7a0-0c1e_4b.d:9/x+y="
	for name, test := range map[string]struct {
		status         int
		sent, body     string
		want           string
		wantFromErrors bool
	}{
		"a success":        {200, id, `{"triggers":[],"total":0}`, id, false},
		"a refusal":        {401, id, `{"error":{"message":"Invalid credentials"}}`, id, true},
		"a fault":          {502, id, `<html>`, id, true},
		"unreadable":       {200, id, `<html>`, id, true},
		"none":             {500, "", `{}`, "", true},
		"what is none":     {500, "a b\"c", `{}`, "", true},
		"one without end":  {500, strings.Repeat("a", 129), `{}`, "", true},
		"the longest one":  {500, strings.Repeat("a", 128), `{}`, strings.Repeat("a", 128), true},
		"not part of text": {400, id, `{"error":{"message":"no"}}`, id, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, meta, err := answeringWithID(t, test.status, test.sent, test.body).ListTriggers(t.Context())
			if meta.RequestID != test.want {
				t.Errorf("Meta has %q, want %q", meta.RequestID, test.want)
			}
			if got := cloudinary.RequestID(err); test.wantFromErrors && got != test.want {
				t.Errorf("the error has %q, want %q", got, test.want)
			}
			if err != nil && test.want != "" && strings.Contains(err.Error(), test.want) {
				t.Errorf("the text, which is the same each time, has the id: %v", err)
			}
		})
	}
}

func TestNoTriggerHasAMalformedID(t *testing.T) {
	t.Parallel()
	client := answeringWithID(t, http.StatusBadRequest, "", `{"error":{"message":"invalid_or_malformed_attribute"}}`)
	spec := cloudinary.TriggerSpec{URI: "https://h/", EventType: "upload"}
	for operation, call := range map[string]struct {
		do      func(context.Context) error
		isThere bool
	}{
		"a delete": {func(ctx context.Context) error { _, err := client.DeleteTrigger(ctx, "x"); return err }, false},
		"an update, which has other attributes": {func(ctx context.Context) error {
			_, err := client.UpdateTrigger(ctx, "x", spec, cloudinary.UpdateOptions{})
			return err
		}, true},
		"a create": {func(ctx context.Context) error { _, _, err := client.CreateTrigger(ctx, spec); return err }, true},
	} {
		err := call.do(t.Context())
		if cloudinary.IsNotFound(err) == call.isThere || cloudinary.IsInvalid(err) != call.isThere {
			t.Errorf("%s: not found %t, invalid %t: %v", operation, cloudinary.IsNotFound(err), cloudinary.IsInvalid(err), err)
		}
	}
	other := answeringWithID(t, http.StatusBadRequest, "", `{"error":{"message":"Trigger is locked"}}`)
	if _, err := other.DeleteTrigger(t.Context(), "x"); cloudinary.IsNotFound(err) {
		t.Errorf("a delete that is refused for another reason counts as one of nothing: %v", err)
	}
}

func TestAListShowsEachTriggerOnce(t *testing.T) {
	t.Parallel()
	client := answeringWithID(t, http.StatusOK, "", `{"triggers":[{"id":"1","uri":"https://a/"},{"id":"2"},{"id":"1","uri":"https://b/"}],"total":2}`)
	triggers, _, err := client.ListTriggers(t.Context())
	if err != nil || len(triggers) != 2 || triggers[0].URI != "https://a/" || triggers[1].ID != "2" {
		t.Errorf("%+v, %v", triggers, err)
	}
}
