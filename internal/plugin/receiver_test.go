// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/admin"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/report"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

type nobody struct{}

func (nobody) AttemptEnded(delivery.Attempt) {}

// realListener is the receiver's admin listener over a store with three dead letters of two
// targets.
func (f *fixture) realListener() (*queue.Store, string) {
	f.Helper()
	store, err := queue.Open(f.Context(), queue.Options{Dir: f.TempDir()})
	f.must(err)
	f.Cleanup(func() { f.must(store.Close()) })
	recorder, err := report.NewRecorder(report.RecorderOptions{Store: store, Now: time.Now, Logger: logr.Discard()})
	f.must(err)
	recorder.Sync(route.NewTable([]*route.Endpoint{{
		Key: types.NamespacedName{Namespace: f.namespace, Name: "media"}, UID: "media",
		Targets: []route.Target{{Name: "catalog", Service: &route.Service{}}, {Name: "search", Service: &route.Service{}}},
	}}))
	options := report.DefaultWriterOptions()
	options.Recorder, options.Queue, options.Observer, options.Logger = recorder, store, nobody{}, logr.Discard()
	for n, targets := range [][]string{{"catalog", "search"}, {"catalog"}} {
		put, err := store.Put(f.Context(), &queue.Record{
			Key: sha256.Sum256(fmt.Append(nil, n)), Endpoint: queue.Endpoint{Namespace: f.namespace, Name: "media"}, EventType: "upload",
			ReceivedAt: noon.Add(-time.Hour), Targets: targets, Header: []queue.Header{{Name: "X-Cld-Timestamp", Value: "1772362800"}},
			Body: fmt.Appendf(nil, `{"notification_type":"upload","resource_type":"image","public_id":"shoe %d"}`, n),
		})
		f.must(err)
		for _, target := range targets {
			f.must(store.Finish(f.Context(), queue.Outcome{ID: put.ID, Target: target, Kind: queue.Dead, Reason: "the Service answered 400"}))
		}
	}
	server := httptest.NewServer(admin.NewServer(store, report.NewWriter(options)).Handler())
	f.Cleanup(server.Close)
	return store, server.URL
}

func dead(store *queue.Store) []string {
	letters := []string{}
	for i := range store.Items {
		if i.Dead {
			letters = append(letters, fmt.Sprintf("%d %s", i.ID, i.Target))
		}
	}
	return letters
}

func TestTheReceiversOwnListener(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.now = noon
	store, url := f.realListener()
	call := func(args ...string) string {
		t.Helper()
		return f.succeeds(append(append([]string{"deadletters"}, args...), "--receiver-admin-url", url)...)
	}
	var listed struct{ Items []deadLetter }
	f.must(json.Unmarshal([]byte(call("list", "media", "-o", "json")), &listed))
	if len(listed.Items) != 3 || listed.Items[0].Reason != "the Service answered 400" || !strings.Contains(listed.Items[0].Asset, "shoe 0") {
		t.Fatalf("listed %+v", listed.Items)
	}
	first, second := listed.Items[0].ID, listed.Items[2].ID
	if got, want := call("show", first, "--raw"), `{"notification_type":"upload","resource_type":"image","public_id":"shoe 0"}`; got != want {
		t.Errorf("body %q, want %q", got, want)
	}
	if shown := call("show", first); !strings.Contains(shown, "catalog: DeadLettered  the Service answered 400") || !strings.Contains(shown, "X-Cld-Timestamp: 1772362800") {
		t.Errorf("shown:\n%s", shown)
	}
	call("redrive", "--id", first, "--target", "search")
	if diff := cmp.Diff([]string{first + " catalog", second + " catalog"}, dead(store)); diff != "" {
		t.Errorf("dead letters after the redrive (-want +got):\n%s", diff)
	}
	call("discard", "--id", first, "--yes")
	if diff := cmp.Diff([]string{second + " catalog"}, dead(store)); diff != "" {
		t.Errorf("dead letters after one was discarded (-want +got):\n%s", diff)
	}
	call("redrive", "media", "--target", "catalog")
	if diff := cmp.Diff([]string{}, dead(store)); diff != "" {
		t.Errorf("dead letters after all were redriven (-want +got):\n%s", diff)
	}
}
