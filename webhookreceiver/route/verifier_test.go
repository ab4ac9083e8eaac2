// SPDX-License-Identifier: Apache-2.0

package route

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verification"
)

func TestKeysAreThoseThatCountForTheEndpoint(t *testing.T) {
	keys := map[verification.Environment]verification.Keys{
		{APIBase: "https://api.cloudinary.com", CloudName: "demo"}: {Keys: []verification.Key{
			{ID: "1", Secret: "own", Sources: []string{"shop/cloudinary"}},
			{ID: "2", Secret: "signing", Unchecked: true, Sources: []string{"shop/cloudinary"}},
			{ID: "3", Secret: "theirs", Sources: []string{"other/cloudinary"}},
			{ID: "4", Secret: "made-up", Unchecked: true, Sources: []string{"other/cloudinary"}},
			{ID: "5", Secret: "of-no-Secret"},
		}},
	}
	naming := func(apiKeys ...string) func(*v1alpha1.NotificationEndpoint) {
		return func(ep *v1alpha1.NotificationEndpoint) {
			ep.Spec.Receiver.Verification = &v1alpha1.Verification{APIKeys: apiKeys}
		}
	}
	for name, tc := range map[string]struct {
		endpoint *v1alpha1.NotificationEndpoint
		want     []string
	}{
		"of its own Secret":                {endpoint("shop", "media", nil), []string{"own", "signing"}},
		"of its own Secret, among others":  {endpoint("other", "media", nil), []string{"theirs", "made-up"}},
		"that it names":                    {endpoint("shop", "media", naming("2")), []string{"signing"}},
		"that it names of another Secret":  {endpoint("shop", "media", naming("1", "3", "4", "5")), []string{"own", "theirs"}},
		"of a Secret without any":          {endpoint("third", "media", nil), nil},
		"of another product environment's": {endpoint("shop", "media", func(ep *v1alpha1.NotificationEndpoint) { ep.Status.Environment.CloudName = "else" }), nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, k := range Configs([]*v1alpha1.NotificationEndpoint{tc.endpoint}, nil, keys)[0].Keys {
				got = append(got, k.Secret)
				if k.Sources != nil {
					t.Errorf("%s is kept with the names of others' Secrets", k)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
		})
	}
}

// What a receiver has saved that let all keys of a product environment count for each of its endpoints.
func TestASnapshotOfAFormerVersionBringsNoOthersKeys(t *testing.T) {
	dir := t.TempDir()
	const saved = `{"version":1,"endpoints":[{"key":{"Namespace":"shop","Name":"media"},"uid":"u","generation":1,"keys":[
		{"id":"1","secret":"own","sources":["other/cloudinary","shop/cloudinary"]},{"id":"2","secret":"theirs","sources":["other/cloudinary"]},
		{"id":"3","secret":"of shop-2","signing":true,"sources":["shop-2/cloudinary"]},{"id":"4","secret":"selected"}],"maxAge":1,"retryMaxAge":1}]}`
	if err := os.WriteFile(filepath.Join(dir, SnapshotName), []byte(saved), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := LoadSnapshot(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []Config{{
		Key: types.NamespacedName{Namespace: "shop", Name: "media"}, UID: "u", Generation: 1, MaxAge: 1, RetryMaxAge: 1, Paths: []string{"/v1/notifications/shop/media"},
		Keys: []verification.Key{{ID: "1", Secret: "own"}, {ID: "4", Secret: "selected"}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
}
