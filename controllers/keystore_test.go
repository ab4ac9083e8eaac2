// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verdict"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verification"
)

// process is a reconciler as one process has it, without a manager around it.
func (f *fixture) process(with ...func(*Reconciler)) *Reconciler {
	r := &Reconciler{Client: api.Client, Live: api.Client, Now: time.Now, Options: f.options}
	r.Options.CallShare = 1
	for _, set := range with {
		set(r)
	}
	r.assemble()
	return r
}

func keyOfCloud(name string) func([]verification.Key) []verification.Key {
	return func([]verification.Key) []verification.Key {
		return []verification.Key{{ID: name, Secret: "secret of " + name}}
	}
}

func TestEnvironmentsDoNotLoseEachOthersKeys(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	const processes, clouds, rounds = 2, 8, 5
	var wait sync.WaitGroup
	for p := range processes { // the passes of one process, and those of one that has just lost the lease
		r := f.process()
		for c := range clouds {
			wait.Go(func() {
				env := verification.Environment{APIBase: "https://api.example.com", CloudName: fmt.Sprintf("cloud-%d-%d", p, c)}
				for i := range rounds {
					for {
						_, err := r.keys.changeEntry(t.Context(), env, keyOfCloud(fmt.Sprint(i)))
						if err == nil {
							break
						}
						if t.Context().Err() != nil {
							t.Error(err)
							return
						}
					}
				}
			})
		}
	}
	wait.Wait()
	kept := f.keysSecret()
	f.get(kept)
	entries, errs := verification.DecodeSecret(kept.Data)
	if len(errs) > 0 || len(entries) != processes*clouds {
		t.Fatalf("%d entries of %d, errors %v", len(entries), processes*clouds, errs)
	}
	for env, keys := range entries {
		if len(keys.Keys) != 1 || keys.Keys[0].ID != fmt.Sprint(rounds-1) {
			t.Errorf("%v has %v", env, keys.Keys)
		}
	}
}

func TestAnEntryIsWrittenWhereItChangesAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	r, env := f.process(), f.verificationEnvironment()
	none := func([]verification.Key) []verification.Key { return nil }
	_, err := r.keys.changeEntry(t.Context(), env, none)
	f.must(err)
	if err := api.Client.Get(t.Context(), client.ObjectKeyFromObject(f.keysSecret()), f.keysSecret()); !apierrors.IsNotFound(err) {
		t.Errorf("a Secret without an entry was created (%v)", err)
	}
	_, err = r.keys.changeEntry(t.Context(), env, keyOfCloud("1"))
	f.must(err)
	kept := f.keysSecret()
	f.get(kept)
	before := kept.ResourceVersion
	_, err = f.process().keys.changeEntry(t.Context(), env, keyOfCloud("1"))
	f.must(err)
	if f.get(kept); kept.ResourceVersion != before {
		t.Error("an unchanged entry was written")
	}
	_, err = r.keys.changeEntry(t.Context(), env, none)
	f.must(err)
	f.get(kept)
	if diff := cmp.Diff(map[string][]byte(nil), kept.Data); diff != "" {
		t.Errorf("the entry is still there:\n%s", diff)
	}
}

type leaseLeft time.Duration

func (l leaseLeft) Remaining(time.Time) time.Duration { return time.Duration(l) }

func TestAManagerWithoutTheLeaseWritesNoKeys(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	r := f.process(func(r *Reconciler) { r.Fence = leaseLeft(minLease / 2) })
	if _, err := r.keys.changeEntry(t.Context(), f.verificationEnvironment(), keyOfCloud("1")); !errors.Is(err, errNotLeader) {
		t.Errorf("error is %v, want that it is not the leader", err)
	}
	if got := f.keys(); got != nil {
		t.Errorf("keys are %q", got)
	}
}

func TestANamespaceThatDoesNotExistIsNoHotLoop(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.options.VerificationNamespace = "there-is-none"
	_, err := f.process().keys.changeEntry(t.Context(), f.verificationEnvironment(), keyOfCloud("1"))
	if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		t.Errorf("error is %v; one that is taken for a race is tried again at once", err)
	}
}

// What config/rbac grants in the manager's own namespace is enough to keep the keys, and shows no
// other Secret there.
func TestTheRoleForTheKeysIsEnoughAndNoMore(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	raw, err := os.ReadFile("../config/rbac/verification_keys.yaml")
	f.must(err)
	role := &rbacv1.Role{}
	f.must(yaml.NewYAMLOrJSONDecoder(bytes.NewReader(raw), 4096).Decode(role))
	role.Namespace = f.namespace
	user := "keeper-of-" + f.namespace
	f.create(role, f.secret("cloudinary"), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role.Name, Namespace: f.namespace},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	})
	config := rest.CopyConfig(api.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: user}
	limited, err := client.New(config, client.Options{Scheme: api.Scheme})
	f.must(err)
	r := f.process(func(r *Reconciler) { r.Client, r.Live = limited, limited })
	f.eventually(func() error { // the API server's own view of roles lags
		_, err := r.keys.changeEntry(t.Context(), f.verificationEnvironment(), keyOfCloud("1"))
		return err
	})
	_, err = r.keys.changeEntry(t.Context(), f.verificationEnvironment(), keyOfCloud("2"))
	f.must(err)
	if got := f.keys(); len(got) != 1 || got[0] != "2 secret of 2" {
		t.Errorf("keys are %q", got)
	}
	if err := limited.Get(t.Context(), client.ObjectKeyFromObject(f.secret("cloudinary")), &corev1.Secret{}); !apierrors.IsForbidden(err) {
		t.Errorf("another Secret can be read (%v)", err)
	}
}

// The API server takes 1 MiB. Who fills it must not keep others from changing their keys.
func TestOneNamespaceCannotFillTheSecretOfAll(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	r := f.process()
	keysFrom := func(namespace, secret string, n int) func([]verification.Key) []verification.Key {
		return func([]verification.Key) (keys []verification.Key) {
			for i := range n {
				keys = append(keys, verification.Key{ID: fmt.Sprint(i), Secret: secret, Sources: []string{namespace + "/cloudinary"}})
			}
			return keys
		}
	}
	victim := f.verificationEnvironment()
	_, err := r.keys.changeEntry(t.Context(), victim, keysFrom("victim", "secret", 1))
	f.must(err)
	long := strings.Repeat("s", 1900)
	var w written
	for i := 0; len(w.refused) == 0; i++ {
		if i > 100 {
			t.Fatalf("%d entries of one namespace are taken", i)
		}
		w, err = r.keys.changeEntry(t.Context(), verification.Environment{APIBase: f.url, CloudName: fmt.Sprint("greedy-", i)}, keysFrom("greedy", long, 8))
		f.must(err)
	}
	k := verdict.Keys{Refused: w.refused}
	if p := k.ProblemOf(&resolve.Endpoint{Key: plan.Key{Namespace: "victim", Name: "media"}}); p != nil {
		t.Errorf("endpoints of others say %+v", p)
	}
	if p := k.ProblemOf(&resolve.Endpoint{Key: plan.Key{Namespace: "greedy", Name: "media"}}); p == nil || p.Reason != v1alpha1.ReasonVerificationKeysNotWritten || !strings.Contains(p.Message, "is full") {
		t.Errorf("endpoints say %+v", p)
	}
	_, err = r.keys.changeEntry(t.Context(), victim, keysFrom("victim", "rotated", 2))
	f.must(err)
	if diff := cmp.Diff([]string{"0 rotated", "1 rotated"}, f.keys()); diff != "" {
		t.Errorf("keys of the victim (-want +got):\n%s", diff)
	}
}

func TestAnEndpointSaysThatItsKeysCannotBeWritten(t *testing.T) {
	t.Parallel()
	f := newFixture(t, simulator.Options{})
	f.options.VerificationNamespace = "there-is-none"
	f.start()
	with, without := f.endpoint("with", ""), f.endpoint("without", hook)
	with.Spec.Receiver = &v1alpha1.ReceiverSpec{Path: v1alpha1.ReceiverPathPlain}
	f.create(f.secret("cloudinary"), with, without)
	becomes(f, with, v1alpha1.ConditionSynced, metav1.ConditionFalse, v1alpha1.ReasonVerificationKeysNotWritten)
	becomes(f, with, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonVerificationKeysNotWritten)
	ready(f, without)
}
