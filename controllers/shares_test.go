// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

func credentialsFor(base, cloudName, key string) cloudinary.Credentials {
	return cloudinary.Credentials{APIBase: base, CloudName: cloudName, APIKey: key, APISecret: "s"}
}

func TestAUnitBelongsToTheNamespacesWhoseSecretsNameIt(t *testing.T) {
	t.Parallel()
	d := newDirectory(cloudinary.Budget{Share: 1})
	shop := credentialsFor("", "shop", "1")
	for _, key := range []plan.Key{{Namespace: "b", Name: "x"}, {Namespace: "a", Name: "x"}, {Namespace: "a", Name: "y"}} {
		d.setSecret(key, secretState{credentials: shop})
	}
	d.setSecret(plan.Key{Namespace: "c", Name: "x"}, secretState{credentials: credentialsFor("", "other", "1")})
	unit := environmentUnit(shop.Environment())
	for _, s := range []struct {
		why  string
		do   func()
		want []string
	}{
		{"two have Secrets for it", func() {}, []string{"a", "b"}},
		{"one that is read again changes nothing", func() { d.setSecret(plan.Key{Namespace: "b", Name: "x"}, secretState{credentials: shop}) }, []string{"a", "b"}},
		{"one of two Secrets goes", func() { d.forgetSecret(plan.Key{Namespace: "a", Name: "x"}) }, []string{"a", "b"}},
		{"the other names another one", func() {
			d.setSecret(plan.Key{Namespace: "a", Name: "y"}, secretState{credentials: credentialsFor("", "other", "2")})
		}, []string{"b"}},
		{"the last one becomes malformed", func() { d.setSecret(plan.Key{Namespace: "b", Name: "x"}, secretState{problem: &problem{}}) }, nil},
		{"what is not there is forgotten", func() { d.forgetSecret(plan.Key{Namespace: "b", Name: "never"}) }, nil},
	} {
		s.do()
		if diff := cmp.Diff(s.want, d.tenantsOf(unit)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", s.why, diff)
		}
	}
	for _, name := range []string{"x", "y"} {
		for _, namespace := range []string{"a", "b", "c"} {
			d.forgetSecret(plan.Key{Namespace: namespace, Name: name})
		}
	}
	if n := len(d.names.secrets) + len(d.names.clouds) + len(d.names.namespaces); n > 0 {
		t.Errorf("something is kept of Secrets that are gone: %+v", d.names)
	}
	if got := d.tenantsOf(secretUnit(plan.Key{Namespace: "a", Name: "x"})); !slices.Equal(got, []string{"a"}) {
		t.Errorf("a Secret's unit belongs to %v", got)
	}
	if got := d.tenantsOf(endpointUnit(plan.Key{Namespace: "a", Name: "none"})); got != nil {
		t.Errorf("what waits for an endpoint that does not exist belongs to %v: its name is chosen by others", got)
	}
}

// The path of an API base is its author's choice, too.
func TestAUnitCallsAHostWhateverThePath(t *testing.T) {
	t.Parallel()
	d := newDirectory(cloudinary.Budget{Share: 1})
	key := plan.Key{Namespace: "a", Name: "x"}
	if got := d.hostOf(secretUnit(key)); got != "" {
		t.Errorf("a Secret that was not read calls %q", got)
	}
	for base, want := range map[string]string{"": cloudinary.DefaultAPIBase, "https://h.example.com:8443/a/b": "https://h.example.com:8443"} {
		creds := credentialsFor(base, "shop", "1")
		d.setSecret(key, secretState{credentials: creds})
		for _, u := range []Unit{secretUnit(key), environmentUnit(creds.Environment())} {
			if got := d.hostOf(u); got != want {
				t.Errorf("%s calls %q, want %q", u, got, want)
			}
		}
		d.setAccepted(creds, true)
		if got := d.hostOf(secretUnit(key)); got != "" {
			t.Errorf("a Secret that is accepted calls %q: it wakes its environment alone", got)
		}
	}
	if got := d.hostOf(endpointUnit(key)); got != "" {
		t.Errorf("the unit of an endpoint that does not exist calls %q", got)
	}
}

func TestWhatIsAcceptedOrRefusedIsSoForEachSecretThatHasIt(t *testing.T) {
	t.Parallel()
	d := newDirectory(cloudinary.Budget{Share: 1})
	equal, other := credentialsFor("", "shop", "1"), credentialsFor("", "shop", "2")
	d.setSecret(plan.Key{Namespace: "a", Name: "x"}, secretState{credentials: equal})
	d.setSecret(plan.Key{Namespace: "b", Name: "x"}, secretState{credentials: equal})
	d.setSecret(plan.Key{Namespace: "c", Name: "x"}, secretState{credentials: other})
	d.setAccepted(equal, false)
	for namespace, want := range map[string]bool{"a": true, "b": true, "c": false} {
		if s, _ := d.secret(plan.Key{Namespace: namespace, Name: "x"}); s.refused != want {
			t.Errorf("the Secret of %s is refused: %t, want %t", namespace, s.refused, want)
		}
	}
}

// Others with equal credentials wait for the outcome, and are not looked at by a timer meanwhile.
func TestWhoWaitsForATrialIsToldOfItsEnd(t *testing.T) {
	t.Parallel()
	d := newDirectory(cloudinary.Budget{Share: 1})
	creds := credentialsFor("", "shop", "1")
	unit := func(i int) Unit { return secretUnit(plan.Key{Namespace: "a", Name: fmt.Sprint(i)}) }
	if !d.beginTrial(creds, unit(0)) {
		t.Fatal("nobody tries them, and it may not")
	}
	for _, i := range []int{1, 2, 1} {
		if d.beginTrial(creds, unit(i)) {
			t.Fatal("they are tried twice at once")
		}
	}
	if diff := cmp.Diff(map[Unit]bool{unit(1): true, unit(2): true}, maps.Clone(d.endTrial(creds))); diff != "" {
		t.Errorf("to be told (-want +got):\n%s", diff)
	}
	if !d.beginTrial(creds, unit(1)) {
		t.Error("the next one may not try them")
	}
}

// A tenant may have any number of Secrets. What is done with one looks through none of the others.
func TestASecretCostsTheSameHoweverManyThereAre(t *testing.T) {
	t.Parallel()
	cost := func(n int) time.Duration {
		d := newDirectory(cloudinary.Budget{Share: 1})
		creds := func(i, round int) cloudinary.Credentials { return credentialsFor("", fmt.Sprint(i), fmt.Sprint(round)) }
		begun := time.Now()
		for round := range 2 {
			for i := range n {
				d.setSecret(plan.Key{Namespace: "a", Name: fmt.Sprint(i)}, secretState{credentials: creds(i, round)})
				d.setAccepted(creds(i, round), round == 0)
			}
		}
		return time.Since(begun) / time.Duration(n)
	}
	cost(100)
	few, many := cost(500), cost(20000)
	if many > 10*few+50*time.Microsecond {
		t.Errorf("a Secret takes %s among 20000, and %s among 500", many, few)
	}
}
