// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

func credentialsFor(base, cloudName, key string) cloudinary.Credentials {
	return cloudinary.Credentials{APIBase: base, CloudName: cloudName, APIKey: key, APISecret: "s"}
}

func TestAUnitBelongsToTheNamespacesWhoseSecretsNameIt(t *testing.T) {
	t.Parallel()
	d := NewDirectory(cloudinary.Budget{Share: 1}, 0)
	shop := credentialsFor("", "shop", "1")
	for _, key := range []plan.Key{{Namespace: "b", Name: "x"}, {Namespace: "a", Name: "x"}, {Namespace: "a", Name: "y"}} {
		d.SetSecret(key, resolve.Secret{Credentials: shop})
	}
	d.SetSecret(plan.Key{Namespace: "c", Name: "x"}, resolve.Secret{Credentials: credentialsFor("", "other", "1")})
	unit := resolve.UnitOfEnvironment(shop.Environment())
	for _, s := range []struct {
		why  string
		do   func()
		want []string
	}{
		{"two have Secrets for it", func() {}, []string{"a", "b"}},
		{"one that is read again changes nothing", func() { d.SetSecret(plan.Key{Namespace: "b", Name: "x"}, resolve.Secret{Credentials: shop}) }, []string{"a", "b"}},
		{"one of two Secrets goes", func() { d.ForgetSecret(plan.Key{Namespace: "a", Name: "x"}) }, []string{"a", "b"}},
		{"the other names another one", func() {
			d.SetSecret(plan.Key{Namespace: "a", Name: "y"}, resolve.Secret{Credentials: credentialsFor("", "other", "2")})
		}, []string{"b"}},
		{"the last one becomes malformed", func() { d.SetSecret(plan.Key{Namespace: "b", Name: "x"}, resolve.Secret{Problem: &resolve.Problem{}}) }, nil},
		{"what is not there is forgotten", func() { d.ForgetSecret(plan.Key{Namespace: "b", Name: "never"}) }, nil},
	} {
		s.do()
		if diff := cmp.Diff(s.want, d.TenantsOf(unit)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", s.why, diff)
		}
	}
	for _, name := range []string{"x", "y"} {
		for _, namespace := range []string{"a", "b", "c"} {
			d.ForgetSecret(plan.Key{Namespace: namespace, Name: name})
		}
	}
	if n := len(d.names.secrets) + len(d.names.clouds) + len(d.names.namespaces); n > 0 {
		t.Errorf("something is kept of Secrets that are gone: %+v", d.names)
	}
	if got := d.TenantsOf(resolve.UnitOfSecret(plan.Key{Namespace: "a", Name: "x"})); !slices.Equal(got, []string{"a"}) {
		t.Errorf("a Secret's unit belongs to %v", got)
	}
	if got := d.TenantsOf(resolve.UnitOfEndpoint(plan.Key{Namespace: "a", Name: "none"})); got != nil {
		t.Errorf("what waits for an endpoint that does not exist belongs to %v: its name is chosen by others", got)
	}
}

// The path of an API base is its author's choice, too.
func TestAUnitCallsAHostWhateverThePath(t *testing.T) {
	t.Parallel()
	d := NewDirectory(cloudinary.Budget{Share: 1}, 0)
	key := plan.Key{Namespace: "a", Name: "x"}
	if got := d.HostOf(resolve.UnitOfSecret(key)); got != "" {
		t.Errorf("a Secret that was not read calls %q", got)
	}
	for base, want := range map[string]string{"": cloudinary.DefaultAPIBase, "https://h.example.com:8443/a/b": "https://h.example.com:8443"} {
		creds := credentialsFor(base, "shop", "1")
		d.SetSecret(key, resolve.Secret{Credentials: creds})
		for _, u := range []resolve.Unit{resolve.UnitOfSecret(key), resolve.UnitOfEnvironment(creds.Environment())} {
			if got := d.HostOf(u); got != want {
				t.Errorf("%s calls %q, want %q", u, got, want)
			}
		}
		d.SetAccepted(creds, true)
		if got := d.HostOf(resolve.UnitOfSecret(key)); got != "" {
			t.Errorf("a Secret that is accepted calls %q: it wakes its environment alone", got)
		}
	}
	if got := d.HostOf(resolve.UnitOfEndpoint(key)); got != "" {
		t.Errorf("the unit of an endpoint that does not exist calls %q", got)
	}
}

func TestWhatIsAcceptedOrRefusedIsSoForEachSecretThatHasIt(t *testing.T) {
	t.Parallel()
	d := NewDirectory(cloudinary.Budget{Share: 1}, 0)
	equal, other := credentialsFor("", "shop", "1"), credentialsFor("", "shop", "2")
	d.SetSecret(plan.Key{Namespace: "a", Name: "x"}, resolve.Secret{Credentials: equal})
	d.SetSecret(plan.Key{Namespace: "b", Name: "x"}, resolve.Secret{Credentials: equal})
	d.SetSecret(plan.Key{Namespace: "c", Name: "x"}, resolve.Secret{Credentials: other})
	d.SetAccepted(equal, false)
	for namespace, want := range map[string]bool{"a": true, "b": true, "c": false} {
		if s, _ := d.Secret(plan.Key{Namespace: namespace, Name: "x"}); s.Refused != want {
			t.Errorf("the Secret of %s is refused: %t, want %t", namespace, s.Refused, want)
		}
	}
}

// Others with equal credentials wait for the outcome, and are not looked at by a timer meanwhile.
func TestWhoWaitsForATrialIsToldOfItsEnd(t *testing.T) {
	t.Parallel()
	d := NewDirectory(cloudinary.Budget{Share: 1}, 0)
	creds := credentialsFor("", "shop", "1")
	unit := func(i int) resolve.Unit { return resolve.UnitOfSecret(plan.Key{Namespace: "a", Name: fmt.Sprint(i)}) }
	if !d.BeginTrial(creds, unit(0)) {
		t.Fatal("nobody tries them, and it may not")
	}
	for _, i := range []int{1, 2, 1} {
		if d.BeginTrial(creds, unit(i)) {
			t.Fatal("they are tried twice at once")
		}
	}
	if diff := cmp.Diff(map[resolve.Unit]bool{unit(1): true, unit(2): true}, maps.Clone(d.EndTrial(creds))); diff != "" {
		t.Errorf("to be told (-want +got):\n%s", diff)
	}
	if !d.BeginTrial(creds, unit(1)) {
		t.Error("the next one may not try them")
	}
}

// A tenant may have any number of Secrets. What is done with one looks through none of the others.
func TestASecretCostsTheSameHoweverManyThereAre(t *testing.T) {
	t.Parallel()
	cost := func(n int) time.Duration {
		d := NewDirectory(cloudinary.Budget{Share: 1}, 0)
		creds := func(i, round int) cloudinary.Credentials { return credentialsFor("", fmt.Sprint(i), fmt.Sprint(round)) }
		begun := time.Now()
		for round := range 2 {
			for i := range n {
				d.SetSecret(plan.Key{Namespace: "a", Name: fmt.Sprint(i)}, resolve.Secret{Credentials: creds(i, round)})
				d.SetAccepted(creds(i, round), round == 0)
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
