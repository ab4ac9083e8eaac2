// SPDX-License-Identifier: Apache-2.0

package test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
)

// admin is the address at which a receiver answers about dead letters.
type admin struct {
	s       *receiverSetting
	address string
}

// ask sends a request, and reads what it is answered into value.
func (a *admin) ask(method, path, body string, value any) error {
	req, err := http.NewRequestWithContext(a.s.Context(), method, "http://"+a.address+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("X-Cloudinary-Operator-Admin", "1")
	res, err := a.s.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return errNot("%s %s is answered %d %s, %w", method, path, res.StatusCode, text, err)
	}
	return json.Unmarshal(text, value)
}

// change redrives or discards dead letters of the endpoint, and checks how many those were.
func (a *admin) change(how, ids string, want int) {
	a.s.Helper()
	var changed struct{ Count int }
	a.s.must(a.ask(http.MethodPost, "/v1/deadletters/"+how, fmt.Sprintf(`{"namespace":%q,"endpoint":"media"%s}`, a.s.namespace, ids), &changed))
	if changed.Count != want {
		a.s.Fatalf("of %s %d dead letters were subject to %s, want %d", ids, changed.Count, how, want)
	}
}

// deadLetter is one as it is listed, as far as the tests look.
type deadLetter struct{ ID, Target, Namespace, Endpoint, EventType, Asset, Reason string }

// letters waits until there are so many dead letters.
func (a *admin) letters(want int) (items []deadLetter) {
	a.s.Helper()
	testenv.Eventually(a.s.T, patience, func() error {
		var page struct{ Items []deadLetter }
		if err := a.ask(http.MethodGet, "/v1/deadletters?namespace="+a.s.namespace, "", &page); err != nil {
			return err
		}
		if items = page.Items; len(items) != want {
			return errNot("the dead letters are %+v, want %d", items, want)
		}
		return nil
	})
	return items
}

func TestDeadLettersAreInAPersonsHands(t *testing.T) {
	t.Parallel()
	s := newReceiverSetting(t)
	a := &admin{s: s, address: testenv.FreeAddress(t)}
	s.flags = []string{"--admin-bind-address=" + a.address, "--metrics-bind-address=" + s.metrics, "--metrics-secure=false"}
	catalog := s.target()
	s.keys(theKey())
	s.endpoint("media", toCatalog())
	processes := []*receiverProcess{s.startReady("media")}
	catalog.answers(always(http.StatusBadRequest))
	sent := []notification{upload("one", 1), upload("two", 1), upload("three", 1)}
	for i, n := range sent {
		s.send("media", n)
		a.letters(i + 1)
		if i == 0 { // several that fail in a row are a target that fails
			s.condition(v1alpha1.ConditionDelivering, metav1.ConditionFalse, v1alpha1.ReasonDeadLetters)
		}
	}
	before := a.letters(3)
	first := deadLetter{
		ID: before[0].ID, Target: "catalog", Namespace: s.namespace, Endpoint: "media", EventType: "upload", Asset: `asset "aß/one"`, Reason: before[0].Reason,
	}
	if diff := cmp.Diff(first, before[0]); diff != "" || !strings.Contains(first.Reason, "400") {
		t.Errorf("the first dead letter, for the reason %q (-want +got):\n%s", first.Reason, diff)
	}

	t.Log("they are still there after a restart, and shown as they came")
	idle, err := (&net.Dialer{Timeout: soon}).DialContext(t.Context(), "tcp", a.address)
	s.must(err)
	t.Cleanup(func() { _ = idle.Close() })
	processes[0].terminate() // whoever is connected does not hold it up
	processes = append(processes, s.startReady("media"))
	if diff := cmp.Diff(before, a.letters(3)); diff != "" {
		t.Errorf("dead letters after a restart (-before +after):\n%s", diff)
	}
	var shown struct {
		Headers http.Header
		Body    []byte
	}
	s.must(a.ask(http.MethodGet, "/v1/deadletters/"+before[1].ID, "", &shown))
	if string(shown.Body) != string(sent[1].body) || signature(shown.Body, shown.Headers.Get("X-Cld-Timestamp"), theKey().Secret) != shown.Headers.Get("X-Cld-Signature") {
		t.Errorf("the second one is shown as %s with the headers %v", shown.Body, shown.Headers)
	}

	t.Log("one is redriven, and arrives")
	catalog.answers(nil)
	a.change("redrive", `,"ids":["`+before[0].ID+`"]`, 1)
	testenv.Eventually(t, patience, func() error { return s.arrived(catalog, 4) })
	if got := catalog.got()[3]; got.body != string(sent[0].body) || !got.genuine {
		t.Errorf("what was redriven is %q, genuine: %v", got.body, got.genuine)
	}

	t.Log("another is discarded, for good, whatever happens next")
	a.change("discard", `,"target":"catalog","ids":["`+before[1].ID+`"]`, 1)
	processes[1].kill()
	processes = append(processes, s.startReady("media"))
	if diff := cmp.Diff(before[2:], a.letters(1)); diff != "" {
		t.Errorf("what is left (-want +got):\n%s", diff)
	}
	a.change("discard", "", 1)
	a.letters(0)
	s.condition(v1alpha1.ConditionDelivering, metav1.ConditionTrue, v1alpha1.ReasonDelivered)
	testenv.Eventually(t, patience, func() error {
		r := s.readEndpoint().Status.Receiver
		if r == nil || len(r.Targets) != 1 || r.Targets[0].Discarded == nil || *r.Targets[0].Discarded == 0 || *r.Targets[0].DeadLetters != 0 {
			return errNot("status.receiver is %+v", r)
		}
		return nil
	})
	res, err := s.get("http://" + s.metrics + "/metrics")
	s.must(err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	s.must(err)
	want := fmt.Sprintf(`cloudinary_receiver_deliveries_total{endpoint="media",namespace=%q,outcome="discarded",target="catalog"} 1`, s.namespace)
	if !strings.Contains(string(text), want) {
		t.Errorf("the metrics do not have %s", want)
	}
	s.must(s.arrived(catalog, 4)) // nothing that was discarded
	processes[2].terminate()
	for _, p := range processes {
		if log := p.log.String(); strings.Contains(log, "of-a-call") || strings.Contains(log, "aß") {
			t.Error("a log has something of a notification in it")
		}
	}
}
