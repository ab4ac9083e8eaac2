// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/memory"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// caller is a manager that no event reaches, and what it calls the simulator with.
func (f *fixture) caller() (*Reconciler, cloudinary.Credentials) {
	f.Helper()
	metrics, err := NewMetrics(prometheus.NewRegistry())
	f.must(err)
	r := f.process(func(r *Reconciler) { r.Metrics = metrics })
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
	env := &memory.EnvironmentState{}
	listed := func() bool {
		ok, err := r.admin.list(t.Context(), env, creds)
		f.must(err)
		return ok
	}
	other := cloudinary.Environment{APIBase: "https://api.example.com", CloudName: "other"}
	r.directory.HasRoom(other, memory.MaxLargeLists)
	if listed() || env.Fresh != nil {
		t.Error("a list without room was kept")
	}
	f.contains(env.Backoff.Problem.Message, "larger than the manager has room for")
	r.directory.ForgetEnvironment(other)
	if !listed() || env.Fresh == nil || len(env.Fresh.Observed) != 150 {
		t.Errorf("kept once there is room: %+v, want 150 triggers", env.Fresh)
	}
}

func TestCredentialsAreAcceptedWhenTheirListIsKept(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	r, creds := f.caller()
	env := r.directory.State(creds.Environment())
	env.Lock() // as a pass of the environment has it
	done := make(chan error, 1)
	go func() {
		_, err := (&secretPass{waitingPass: waitingPass{Reconciler: r}}).tryCredentials(t.Context(), &memory.Backoff{}, creds)
		done <- err
	}()
	f.eventually(func() error {
		if f.listed() == 0 {
			return errors.New("not listed yet")
		}
		return nil
	})
	for range 50 { // what must not be is looked for a while
		if r.directory.IsAccepted(creds) {
			t.Error("the credentials are accepted, and the pass that this wakes finds no list and calls one more")
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	env.Unlock()
	f.must(<-done)
	if !r.directory.IsAccepted(creds) || env.Fresh == nil {
		t.Errorf("accepted: %t, list: %+v; want both", r.directory.IsAccepted(creds), env.Fresh)
	}
}

// What changed while nobody had credentials is seen before anything is done by those that come.
func TestCredentialsThatComeBackListFirst(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	metrics, err := NewMetrics(prometheus.NewRegistry())
	f.must(err)
	r := f.process(func(r *Reconciler) { r.Metrics, r.Options.SyncInterval = metrics, time.Hour })
	creds, err := cloudinary.ParseSecret(map[string][]byte{"CLOUDINARY_URL": []byte(f.secretURL)})
	f.must(err)
	key := plan.Key{Namespace: f.namespace, Name: "cloudinary"}
	g := &resolve.Scope{
		Environment: creds.Environment(), Secrets: []plan.Key{key},
		World: &resolve.World{Secret: r.directory.Secret, Accepted: r.directory.IsAccepted},
	}
	env := r.directory.State(creds.Environment())
	lists := func(accepted bool, want int) {
		t.Helper()
		r.directory.SetSecret(key, resolve.Secret{Credentials: creds})
		r.directory.SetAccepted(creds, accepted)
		f.must((&environmentPass{Reconciler: r, Scope: g, env: env}).observe(t.Context()))
		if got := f.calls(http.MethodGet, http.StatusOK); got != want {
			t.Errorf("%d lists, want %d", got, want)
		}
	}
	lists(true, 1)
	lists(true, 1)                  // it is not due
	env.Schedule.Next = time.Time{} // now it is
	lists(false, 1)                 // and nobody can
	lists(true, 2)                  // not an hour later
	lists(true, 2)
}
