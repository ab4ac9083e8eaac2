// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

var update = flag.Bool("update", false, "write testdata/ anew")

// What kubectl prints of the most usual situations is read as a whole, and not by its parts.
func TestWhatPeopleSee(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for _, name := range []string{
		"all is well", "the endpoint does not exist", "the Secret does not exist", "the Secret has no usable key", "the credentials are wrong",
		"the filter is no JSONLogic", "the template is no Mustache", "the endpoint does not allow the namespace",
		"the receiver has no base URL", "the Admin API is not Cloudinary's",
	} {
		t.Run(name, func(t *testing.T) { fmt.Fprintf(&text, "# %s\n%s\n", name, situation(t, name)) })
	}
	path := filepath.Join("testdata", "printed.txt")
	if *update {
		if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; go test ./controllers -run TestWhatPeopleSee -update writes it", err)
	}
	if diff := cmp.Diff(string(want), text.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// situation is what kubectl prints of the objects in it, one column a line, and of their Events.
func situation(t *testing.T, name string) string {
	t.Helper()
	f := newFixture(t, simulator.Options{})
	tc := badInputs()[name]
	secret, ep, trigger := f.secret("cloudinary"), f.endpoint("media", hook), f.trigger("images", "media", "upload", "delete")
	if tc.prepare != nil {
		tc.prepare(f, secret, ep, trigger)
	}
	f.start()
	f.createBut(tc.missing, secret, ep, trigger)
	if tc.reason == "" {
		ready(f, trigger)
		f.told(trigger, "Normal", "Written", "")
	} else {
		becomes(f, trigger, v1alpha1.ConditionReady, metav1.ConditionFalse, tc.reason)
	}
	if v1alpha1.NeedsPerson(tc.reason) {
		f.told(trigger, "Warning", tc.reason, "")
	}
	if !slices.Contains(tc.missing, "endpoint") {
		f.judged(ep)
	}
	text := f.row("notificationendpoints") + f.row("cloudinarytriggers") + f.eventLines(trigger)
	for _, found := range f.sim.Triggers() {
		text = strings.ReplaceAll(text, found.ID, "ID-"+found.EventType)
	}
	host := strings.TrimPrefix(f.url, "http://")
	return strings.NewReplacer(f.namespace, "NAMESPACE", host, "HOST", strings.Split(host, ":")[0], "HOST").Replace(text)
}

// judged waits until an endpoint reports whether it is Ready.
func (f *fixture) judged(ep *v1alpha1.NotificationEndpoint) {
	f.Helper()
	f.eventually(func() error {
		f.get(ep)
		if c := meta.FindStatusCondition(ep.Status.Conditions, v1alpha1.ConditionReady); c == nil || c.Status == metav1.ConditionUnknown {
			return fmt.Errorf("endpoint %s has the conditions %v", ep.Name, ep.Status.Conditions)
		}
		return nil
	})
}

// row asks the API server for what kubectl get -o wide prints.
func (f *fixture) row(resource string) string {
	f.Helper()
	config := rest.CopyConfig(api.Config)
	config.APIPath, config.GroupVersion = "/apis", &v1alpha1.GroupVersion
	config.NegotiatedSerializer = serializer.NewCodecFactory(api.Scheme).WithoutConversion()
	asks, err := rest.RESTClientFor(config)
	f.must(err)
	raw, err := asks.Get().Namespace(f.namespace).Resource(resource).SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").Do(f.Context()).Raw()
	f.must(err)
	var table metav1.Table
	f.must(json.Unmarshal(raw, &table))
	var b strings.Builder
	for _, row := range table.Rows {
		fmt.Fprintf(&b, "%s\n", resource)
		for i, cell := range row.Cells {
			if column := table.ColumnDefinitions[i].Name; cell != nil && column != "Age" && column != "URLs" { // these change with time
				fmt.Fprintf(&b, "  %-13s %v\n", column, cell)
			}
		}
	}
	return b.String()
}

func (f *fixture) eventLines(o client.Object) string {
	f.Helper()
	var all eventsv1.EventList
	f.must(api.Client.List(f.Context(), &all, client.InNamespace(o.GetNamespace())))
	text := ""
	for _, e := range all.Items {
		if e.Regarding.UID == o.GetUID() {
			text += fmt.Sprintf("  %s %s: %s\n", e.Type, e.Reason, e.Note)
		}
	}
	if text == "" {
		return "Events: none\n"
	}
	return "Events\n" + text
}
