// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"

	"github.com/cloudinary-operator/cloudinary-operator/controllers"
)

func TestWhatIsReadAndWhoLeads(t *testing.T) {
	type said struct {
		namespaces []string // with a cache each; none: one of all
		ownWrites  bool     // whether a read waits for them
		leads      bool     // with a lease and its fence
	}
	tests := map[string]struct {
		options Options
		want    said
	}{
		"a manager of a whole cluster":  {Options{}, said{ownWrites: true}},
		"one that has to lead":          {Options{Lease: &Lease{Namespace: "system", RenewDeadline: time.Second}}, said{ownWrites: true, leads: true}},
		"one of a namespace":            {Options{Options: controllers.Options{Namespaces: []string{"shop"}}}, said{namespaces: []string{"shop"}, ownWrites: true}},
		"one of two namespaces":         {Options{Options: controllers.Options{Namespaces: []string{"a", "b"}}}, said{namespaces: []string{"a", "b"}}},
		"a test's":                      {Options{Confined: []string{"shop"}}, said{namespaces: []string{"shop"}, ownWrites: true}},
		"a test's that knows of others": {Options{Options: controllers.Options{Namespaces: []string{"a"}}, Confined: []string{"a", "b"}}, said{namespaces: []string{"a"}, ownWrites: true}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, fence, err := runtimeOptions(&rest.Config{Host: "https://127.0.0.1:1"}, &test.options)
			if err != nil {
				t.Fatal(err)
			}
			is := said{
				namespaces: slices.Sorted(maps.Keys(got.Cache.DefaultNamespaces)),
				ownWrites:  *got.Client.Cache.EnableReadYourWritesConsistency,
				leads:      got.LeaderElection && got.LeaderElectionResourceLockInterface != nil,
			}
			if diff := cmp.Diff(test.want, is, cmp.AllowUnexported(said{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if hasFence := fence != nil; hasFence != test.want.leads {
				t.Errorf("with a fence: %t, want %t", hasFence, test.want.leads)
			}
			if fence != nil && fence.Remaining(time.Now()) > 0 {
				t.Error("the fence is open before the lease is held")
			}
			if got.Cache.DefaultTransform == nil || got.Cache.NewInformer == nil {
				t.Error("the cache keeps whole objects, or reads them in one list")
			}
		})
	}
}
