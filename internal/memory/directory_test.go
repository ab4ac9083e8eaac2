// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

func TestLargeListsHaveRoomForSoManyAtOnce(t *testing.T) {
	t.Parallel()
	env := func(i int) cloudinary.Environment {
		return cloudinary.Environment{APIBase: "https://api.example.com", CloudName: fmt.Sprint(i)}
	}
	d := NewDirectory(cloudinary.Budget{Share: 1}, 0)
	half := MaxLargeLists / 2
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
		if got := d.HasRoom(env(s.env), s.bytes); got != s.want {
			t.Errorf("%s: got %t, want %t", s.why, got, s.want)
		}
	}
	d.ForgetEnvironment(env(0))
	if !d.HasRoom(env(1), half) {
		t.Error("an environment that is forgotten keeps its room")
	}
}

func TestCredentialsThatNoSecretHasAreForgotten(t *testing.T) {
	t.Parallel()
	d := NewDirectory(cloudinary.Budget{Share: 1}, 0)
	var unnamed []string
	d.Unnamed = func(cloud string) { unnamed = append(unnamed, cloud) }
	with := func(cloud string) resolve.Secret {
		return resolve.Secret{ResourceVersion: cloud, Credentials: cloudinary.Credentials{APIBase: cloudinary.DefaultAPIBase, CloudName: cloud, APIKey: "1", APISecret: "s"}}
	}
	first, second := plan.Key{Namespace: "a", Name: "first"}, plan.Key{Namespace: "b", Name: "second"}
	d.SetSecret(first, with("x"))
	d.SetSecret(second, with("x"))
	d.SetAccepted(with("x").Credentials, true)
	d.SetSecret(first, with("y"))
	d.SetAccepted(with("y").Credentials, true)
	if !d.IsAccepted(with("x").Credentials) || len(unnamed) > 0 {
		t.Fatalf("what another Secret has is forgotten, clouds %q", unnamed)
	}
	d.SetSecret(second, with("y"))
	d.ForgetSecret(second)
	if len(d.accepted) != 1 || !d.IsAccepted(with("y").Credentials) {
		t.Errorf("%d credentials are accepted, want those of y alone", len(d.accepted))
	}
	d.ForgetSecret(first)
	if len(d.accepted) != 0 {
		t.Errorf("%d credentials are accepted, and no Secret is known", len(d.accepted))
	}
	if diff := cmp.Diff([]string{"x", "y"}, unnamed); diff != "" {
		t.Errorf("clouds that are forgotten (-want +got):\n%s", diff)
	}
}
