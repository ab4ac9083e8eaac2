// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// settings are the managed fields of a trigger beside its URL, with JSON as text that is equal for equal values.
type settings struct {
	Additive         bool
	Filter, Template string
	AuthScheme       string
}

// row is a trigger at Cloudinary without what Cloudinary makes up.
type row struct {
	EventType, URL string
	Settings       settings
}

func compareRows(a, b row) int {
	return cmp.Or(cmp.Compare(a.URL, b.URL), cmp.Compare(a.EventType, b.EventType),
		cmp.Compare(a.Settings.Filter, b.Settings.Filter))
}

// rowsBut are the triggers as they truly are, without those whose ids are given.
func (f *fixture) rowsBut(foreign map[string]simulator.Trigger) []row {
	var rows []row
	for _, t := range f.sim.Triggers() {
		if _, skip := foreign[t.ID]; skip {
			continue
		}
		rows = append(rows, row{EventType: t.EventType, URL: plan.CanonicalURL(t.URI), Settings: settings{
			Additive: *t.Additive, Filter: jsonText(t.Filter), Template: jsonText(t.PayloadTemplate), AuthScheme: t.AuthScheme,
		}})
	}
	slices.SortFunc(rows, compareRows)
	return rows
}

func jsonText(object *map[string]any) string {
	if object == nil {
		return ""
	}
	raw, err := json.Marshal(*object)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

// idsByPlace are the ids by "event type URL".
func (f *fixture) idsByPlace() map[string]string {
	ids := map[string]string{}
	for _, t := range f.sim.Triggers() {
		ids[t.EventType+" "+plan.CanonicalURL(t.URI)] += t.ID
	}
	return ids
}

// finding is what Ready says of an object: nothing where it is True, else the reason, and parts of the message.
type finding struct {
	reason string
	says   []string
}

// misjudged compares the Ready conditions of all objects of the namespace with what they should be; objects that are not
// named should be Ready.
func (f *fixture) misjudged(want map[string]finding) error {
	var triggers v1alpha1.CloudinaryTriggerList
	if err := api.Client.List(f.Context(), &triggers, client.InNamespace(f.namespace)); err != nil {
		return err
	}
	for i := range triggers.Items {
		t := &triggers.Items[i]
		if err := checkVerdict(t, t.Status.Conditions, want[t.Name]); err != nil {
			return err
		}
	}
	var endpoints v1alpha1.NotificationEndpointList
	if err := api.Client.List(f.Context(), &endpoints, client.InNamespace(f.namespace)); err != nil {
		return err
	}
	for i := range endpoints.Items {
		ep := &endpoints.Items[i]
		if err := checkVerdict(ep, ep.Status.Conditions, want[ep.Name]); err != nil {
			return err
		}
	}
	return nil
}

func checkVerdict(o client.Object, conditions []metav1.Condition, want finding) error {
	status, reason := metav1.ConditionTrue, v1alpha1.ReasonReady
	if want.reason != "" {
		status, reason = metav1.ConditionFalse, want.reason
	}
	c := meta.FindStatusCondition(conditions, v1alpha1.ConditionReady)
	if c == nil || c.Status != status || c.Reason != reason || c.ObservedGeneration != o.GetGeneration() {
		return fmt.Errorf("%s: want Ready=%s/%s at generation %d, have %+v", o.GetName(), status, reason, o.GetGeneration(), c)
	}
	for _, part := range want.says {
		if !strings.Contains(c.Message, part) {
			return fmt.Errorf("%s: the message of Ready lacks %q: %s", o.GetName(), part, c.Message)
		}
	}
	return nil
}

// become waits until Cloudinary truly has these triggers beside the foreign ones, and the objects are judged as given.
func (f *fixture) become(stage string, foreign map[string]simulator.Trigger, want []row, verdicts map[string]finding) {
	f.Helper()
	slices.SortFunc(want, compareRows)
	f.eventually(func() error {
		if diff := gocmp.Diff(want, f.rowsBut(foreign)); diff != "" {
			return fmt.Errorf("%s: triggers at Cloudinary (-want +got):\n%s", stage, diff)
		}
		if err := f.misjudged(verdicts); err != nil {
			return fmt.Errorf("%s: %w", stage, err)
		}
		return nil
	})
}

// calls counts the calls of a method, of those with the status given where it is not 0.
func (f *fixture) calls(method string, status int) int {
	n := 0
	for _, c := range f.sim.Calls().Calls {
		if c.Method == method && (status == 0 || c.Status == status) {
			n += c.Count
		}
	}
	return n
}

// lists waits until that many more lists were answered: what the first of two led to has happened when the next is.
func (f *fixture) lists(n int) {
	f.Helper()
	before := f.calls(http.MethodGet, http.StatusOK)
	f.eventually(func() error {
		if got := f.calls(http.MethodGet, http.StatusOK) - before; got < n {
			return fmt.Errorf("%d of %d lists", got, n)
		}
		return nil
	})
}

// quietens waits until nothing has been written at Cloudinary for so long that all lists show it, and some lists led to nothing more.
// On a busy machine several lists may be read before what was written is judged at all.
func (f *fixture) quietens() {
	f.Helper()
	var lists int
	var since time.Time
	writes := -1
	f.eventually(func() error {
		if now := f.writes(); now != writes {
			writes, lists, since = now, f.listed(), time.Now()
		}
		if n, quiet := f.listed()-lists, time.Since(since); n < 3 || quiet < 3*f.options.SettleTime {
			return fmt.Errorf("%d lists and %s since the last write", n, quiet)
		}
		return nil
	})
}

// meddle is a call of somebody else, who waits where the budget is used up.
func (f *fixture) meddle(method, path, body string) {
	f.Helper()
	f.eventually(func() error {
		if status, answer := f.admin(method, path, body); status >= http.StatusMultipleChoices {
			return fmt.Errorf("%s %s: %d %v", method, path, status, answer)
		}
		return nil
	})
}

// sideBySide runs cases as subtests, so many at once. They wait far more than they compute, and t.Parallel would run no more
// at once than there are processors.
func sideBySide[T any](t *testing.T, atOnce int, cases []T, name func(T) string, run func(*testing.T, T)) {
	t.Helper()
	next := make(chan T)
	var workers sync.WaitGroup
	for range atOnce {
		workers.Go(func() {
			for c := range next {
				t.Run(name(c), func(t *testing.T) { run(t, c) })
			}
		})
	}
	for _, c := range cases {
		next <- c
	}
	close(next)
	workers.Wait()
}

// hasten shortens the manager's waits to what a test can wait for.
func (f *fixture) hasten() {
	f.options.SyncInterval = 500 * time.Millisecond
	f.options.MinListInterval = 20 * time.Millisecond
	f.options.SettleTime = 400 * time.Millisecond
}

// nextSecond waits until the clock shows another second.
func (f *fixture) nextSecond() {
	f.Helper()
	begun := time.Now().Unix()
	f.eventually(func() error {
		if time.Now().Unix() == begun {
			return fmt.Errorf("still the same second")
		}
		return nil
	})
}
