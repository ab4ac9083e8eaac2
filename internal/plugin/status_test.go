// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func condition(conditionType string, status metav1.ConditionStatus, reason, message string) metav1.Condition {
	return metav1.Condition{Type: conditionType, Status: status, Reason: reason, Message: message, LastTransitionTime: metav1.NewTime(noon)}
}

// busy fills the namespace with objects of which there is something to say.
func (f *fixture) busy() {
	f.Helper()
	ep := f.endpoint("media", "")
	ep.Spec.Receiver = &v1alpha1.ReceiverSpec{BaseURL: "https://hooks.example.com"}
	at := metav1.NewTime(noon.Add(-90 * time.Second))
	ep.Status = v1alpha1.NotificationEndpointStatus{
		Conditions: []metav1.Condition{
			condition("Ready", "True", "Ready", "Accepted and synced."),
			condition("Verifying", "True", "Verified", "well"),
			condition("Delivering", "False", "DeadLetters", "there are some"),
		},
		ObservedGeneration: new(int64(1)),
		URL:                "https://hooks.example.com/v1/notifications/" + f.namespace + "/media",
		Environment: &v1alpha1.EnvironmentStatus{
			APIBase: "https://api.cloudinary.com", CloudName: "my-cloud", URLsUsed: new(int32(12)), URLLimit: new(int32(30)), ChangesWaiting: new(int32(4)), CallShare: "250/500",
		},
		Receiver: &v1alpha1.ReceiverStatus{
			Received:         new(int64(120)),
			Rejected:         []v1alpha1.RejectionStatus{{Reason: "too_old", Count: 2, LastAt: &at}, {Reason: "not_json", Count: 1, LastAt: &at}},
			LastNotification: &v1alpha1.NotificationStatus{EventType: "upload", ReceivedAt: &at},
			Targets: []v1alpha1.TargetStatus{
				{Name: "catalog", Delivered: new(int64(117)), Retrying: new(int64(1)), DeadLetters: new(int64(2)), LastFailure: &v1alpha1.DeliveryFailure{
					At: &at, Message: "answered 400",
				}},
				{Name: "describe", Delivered: new(int64(120))},
			},
		},
	}
	f.withStatus(ep)
	f.withStatus(f.endpoint("quiet", "https://example.com/hook?token=t0ken"))

	t := f.trigger("images", "media", "upload", "delete", "rename", "move", "eager")
	t.Status = v1alpha1.CloudinaryTriggerStatus{
		Conditions:         []metav1.Condition{condition("Ready", "False", "Conflict", "event type upload: another one has them")},
		ObservedGeneration: new(int64(1)),
		LastNotification:   &v1alpha1.NotificationStatus{EventType: "upload", ReceivedAt: &at},
	}
	f.withStatus(t)
	far := f.trigger("far", "desk", "upload")
	far.Spec.EndpointRef.Namespace = "elsewhere"
	f.withStatus(far)
}

func TestStatus(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.now = noon
	f.busy()
	f.golden("status.txt", f.succeeds("status"))
	f.terminal = true
	f.golden("status-terminal.txt", f.succeeds("status"))
	f.env["NO_COLOR"] = "1"
	if out := f.succeeds("status"); strings.ContainsAny(out, "\x1b✔✗") {
		t.Errorf("in spite of NO_COLOR:\n%s", out)
	}
	f.terminal = false
	f.golden("status-endpoint.txt", f.succeeds("status", "media"))
	f.golden("status-trigger.txt", f.succeeds("status", "trigger/images"))
	f.golden("status-wide.txt", f.succeeds("status", "-o", "wide"))
	f.golden("status.json", f.succeeds("status", "-o", "json"))
	f.golden("status.yaml", f.succeeds("status", "-o", "yaml"))
}

func TestStatusOfAllNamespaces(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.create(f.endpoint("here", "https://example.com/here"))
	other := newFixture(t, simulator.Options{})
	other.create(other.endpoint("there", "https://example.com/there"))
	var report statusReport
	f.must(json.Unmarshal([]byte(f.succeeds("status", "-A", "-o", "json")), &report))
	var got []string
	for _, e := range report.Endpoints {
		if e.Namespace == f.namespace || e.Namespace == other.namespace {
			got = append(got, e.Name)
		}
	}
	slices.Sort(got) // which namespace comes first is chance
	if diff := cmp.Diff([]string{"here", "there"}, got); diff != "" {
		t.Errorf("endpoints (-want +got):\n%s", diff)
	}
}

func TestStatusOfOneObject(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.create(f.endpoint("same", "https://example.com/here"), f.trigger("same", "same", "upload"), f.endpoint("other", "https://example.com/there"))
	var report statusReport
	f.must(json.Unmarshal([]byte(f.succeeds("status", "endpoint/same", "-o", "json")), &report))
	if len(report.Endpoints) != 1 || len(report.Triggers) != 1 || report.Endpoints[0].Name != "same" {
		t.Errorf("got %+v, want one endpoint with its trigger", report)
	}
	f.fails([]string{"status", "same"}, "both an endpoint and a trigger", "endpoint/same or trigger/same")
	f.fails([]string{"status", "nosuch"}, "there is no endpoint and no trigger nosuch in namespace "+f.namespace, "--namespace")
	f.fails([]string{"status", "cldt/other"}, "there is no trigger other")
	f.fails([]string{"status", "secret/other"}, "endpoint/NAME or trigger/NAME")
	f.fails([]string{"status", "other", "-A"}, "--all-namespaces")
}

func TestTablesFitOnATerminal(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.terminal = true
	name := "product-images-prod1" // 20 characters
	f.busy()
	f.create(f.endpoint(name, "https://example.com/here"), f.trigger(name, name, "resource_context_changed", "resource_tags_changed", "upload"))
	for _, args := range [][]string{{"status"}, {"status", name + "-none"}, {"status", "endpoint/" + name}, {"plan", "--allow-insecure-api-base"}} {
		for line := range strings.SplitSeq(f.call(args...).out, "\n") {
			bare := escapes.ReplaceAllString(line, "")
			if strings.Contains(bare, ": ") { // a sentence, which the terminal breaks
				continue
			}
			if n := utf8.RuneCountInString(bare); n > 120 {
				t.Errorf("%v: %d columns: %s", args, n, bare)
			}
		}
	}
}

var escapes = regexp.MustCompile("\x1b\\[[0-9]*m")

func TestStatusIsPrintedAgainWhenSomethingChanges(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.create(f.endpoint("media", "https://example.com/here"))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out := &syncBuffer{}
	ended := make(chan int, 1)
	go func() {
		ended <- Run(ctx, Config{
			Streams: genericiooptions.IOStreams{In: strings.NewReader(""), Out: out, ErrOut: out}, Now: time.Now, Getenv: func(string) string { return "" },
		}, []string{"status", "--watch", "--kubeconfig", f.kubeconfig, "--namespace", f.namespace})
	}()
	says := func(times int, text string) {
		t.Helper()
		testenv.Eventually(t, patience, func() error {
			if n := strings.Count(out.String(), text); n != times {
				return fmt.Errorf("%q is there %d times, want %d:\n%s", text, n, times, out.String())
			}
			return nil
		})
	}
	says(1, "media ")
	f.create(f.trigger("uploads", "media", "upload"))
	says(1, "uploads")
	says(2, "media ")
	var trigger v1alpha1.CloudinaryTrigger
	f.must(api.Client.Get(t.Context(), client.ObjectKey{Namespace: f.namespace, Name: "uploads"}, &trigger))
	f.must(api.Client.Delete(t.Context(), &trigger))
	says(3, "media ")
	stop()
	if code := <-ended; code != 0 {
		t.Errorf("ended with %d", code)
	}
}

// syncBuffer is written by one goroutine and read by another.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestStatusOfNothing(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	r := f.call("status")
	if want := (result{err: "No endpoints and no triggers found in namespace " + f.namespace + ".\n"}); r != want {
		t.Errorf("got %+v, want %+v", r, want)
	}
}
