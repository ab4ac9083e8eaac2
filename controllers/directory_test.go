// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

func TestLargeListsHaveRoomForSoManyAtOnce(t *testing.T) {
	t.Parallel()
	env := func(i int) cloudinary.Environment {
		return cloudinary.Environment{APIBase: "https://api.example.com", CloudName: fmt.Sprint(i)}
	}
	d := newDirectory(cloudinary.Budget{Share: 1})
	half := maxLargeLists / 2
	steps := []struct {
		why   string
		env   int
		bytes int
		want  bool
	}{
		{"the first half", 0, half, true},
		{"the second half", 1, half, true},
		{"there is no third", 2, half, false},
		{"what is not large is always kept", 3, largeList, true},
		{"the same one again takes no more than before", 0, half, true},
		{"one that grows beyond keeps what it had", 0, half + 1, false},
		{"so there is no room still", 2, largeList + 1, false},
		{"one becomes small", 1, largeList, true},
		{"and makes room", 2, half, true},
	}
	for _, s := range steps {
		if got := d.hasRoom(env(s.env), s.bytes); got != s.want {
			t.Errorf("%s: got %t, want %t", s.why, got, s.want)
		}
	}
	d.forgetEnvironment(env(0))
	if !d.hasRoom(env(1), half) {
		t.Error("an environment that is forgotten keeps its room")
	}
}

// caller is a manager that no event reaches, and what it calls the simulator with.
func (f *fixture) caller() (*Reconciler, cloudinary.Credentials) {
	f.Helper()
	metrics, err := NewMetrics(prometheus.NewRegistry())
	f.must(err)
	r := f.process()
	r.Metrics = metrics
	creds, err := cloudinary.ParseSecret(map[string][]byte{"CLOUDINARY_URL": []byte(f.secretURL)})
	f.must(err)
	return r, creds
}

func TestAListWithoutRoomIsAFailure(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	types := []string{"upload", "delete", "rename", "eager", "move"}
	for i := range 150 {
		f.exists(types[i/30], fmt.Sprintf("https://foreign.example.com/%d", i%30),
			fmt.Sprintf(`,"filter":{"==":[{"var":"a"},"%d%s"]}`, i, strings.Repeat("x", 8<<10)))
	}
	r, creds := f.caller()
	env := &environment{}
	listed := func() bool {
		ok, err := r.list(t.Context(), env, creds)
		f.must(err)
		return ok
	}
	other := cloudinary.Environment{APIBase: "https://api.example.com", CloudName: "other"}
	r.directory.large[other] = maxLargeLists
	if listed() || env.fresh != nil {
		t.Error("a list without room was kept")
	}
	f.contains(env.backoff.problem.message, "larger than the manager has room for")
	r.directory.forgetEnvironment(other)
	if !listed() || env.fresh == nil || len(env.fresh.observed) != 150 {
		t.Errorf("kept once there is room: %+v, want 150 triggers", env.fresh)
	}
}

func TestCredentialsAreAcceptedWhenTheirListIsKept(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	r, creds := f.caller()
	env := r.directory.environment(creds.Environment())
	env.mu.Lock() // as a pass of the environment has it
	done := make(chan error, 1)
	go func() {
		_, err := r.tryCredentials(t.Context(), &backoff{}, creds)
		done <- err
	}()
	f.eventually(func() error {
		if f.listed() == 0 {
			return errors.New("not listed yet")
		}
		return nil
	})
	for range 50 { // what must not be is looked for a while
		if r.directory.isAccepted(creds) {
			t.Error("the credentials are accepted, and the pass that this wakes finds no list and calls one more")
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	env.mu.Unlock()
	f.must(<-done)
	if !r.directory.isAccepted(creds) || env.fresh == nil {
		t.Errorf("accepted: %t, list: %+v; want both", r.directory.isAccepted(creds), env.fresh)
	}
}

func TestCredentialsThatNoSecretHasAreForgotten(t *testing.T) {
	t.Parallel()
	d := newDirectory(cloudinary.Budget{Share: 1})
	var unnamed []string
	d.unnamed = func(cloud string) { unnamed = append(unnamed, cloud) }
	with := func(cloud string) secretState {
		return secretState{resourceVersion: cloud, credentials: cloudinary.Credentials{APIBase: cloudinary.DefaultAPIBase, CloudName: cloud, APIKey: "1", APISecret: "s"}}
	}
	first, second := plan.Key{Namespace: "a", Name: "first"}, plan.Key{Namespace: "b", Name: "second"}
	d.setSecret(first, with("x"))
	d.setSecret(second, with("x"))
	d.setAccepted(with("x").credentials, true)
	d.setSecret(first, with("y"))
	d.setAccepted(with("y").credentials, true)
	if !d.isAccepted(with("x").credentials) || len(unnamed) > 0 {
		t.Fatalf("what another Secret has is forgotten, clouds %q", unnamed)
	}
	d.setSecret(second, with("y"))
	d.forgetSecret(second)
	if len(d.accepted) != 1 || !d.isAccepted(with("y").credentials) {
		t.Errorf("%d credentials are accepted, want those of y alone", len(d.accepted))
	}
	d.forgetSecret(first)
	if len(d.accepted) != 0 {
		t.Errorf("%d credentials are accepted, and no Secret is known", len(d.accepted))
	}
	if diff := cmp.Diff([]string{"x", "y"}, unnamed); diff != "" {
		t.Errorf("clouds that are forgotten (-want +got):\n%s", diff)
	}
}

// What changed while nobody had credentials is seen before anything is done by those that come.
func TestCredentialsThatComeBackListFirst(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	metrics, err := NewMetrics(prometheus.NewRegistry())
	f.must(err)
	r := f.process()
	r.Metrics, r.Options.SyncInterval = metrics, time.Hour
	creds, err := cloudinary.ParseSecret(map[string][]byte{"CLOUDINARY_URL": []byte(f.secretURL)})
	f.must(err)
	key := plan.Key{Namespace: f.namespace, Name: "cloudinary"}
	g := &gathered{environment: creds.Environment(), members: []plan.Key{key}}
	env := r.directory.environment(creds.Environment())
	lists := func(accepted bool, want int) {
		t.Helper()
		r.directory.setSecret(key, secretState{credentials: creds})
		r.directory.setAccepted(creds, accepted)
		f.must(r.observe(t.Context(), g, env))
		if got := f.calls(http.MethodGet, http.StatusOK); got != want {
			t.Errorf("%d lists, want %d", got, want)
		}
	}
	lists(true, 1)
	lists(true, 1)         // it is not due
	env.next = time.Time{} // now it is
	lists(false, 1)        // and nobody can
	lists(true, 2)         // not an hour later
	lists(true, 2)
}
