// SPDX-License-Identifier: Apache-2.0

package test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
)

// A tenant is a namespace with a product environment of its own. The manager works for all of them at once.
type tenant struct {
	*testing.T
	namespace string
	sim       *simulator.Simulator
	url       string
}

func newTenant(t *testing.T) *tenant {
	t.Helper()
	sim, err := simulator.New(simulator.Options{RateLimit: 1_000_000, Clock: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	t.Cleanup(func() { sim.Close(context.Background()) })
	return &tenant{T: t, namespace: cluster.NewNamespace(t), sim: sim, url: server.URL}
}

func (n *tenant) must(err error) {
	n.Helper()
	if err != nil {
		n.Fatal(err)
	}
}

// endpoint makes an endpoint, and a Secret of its name for the Admin API at prefix.
func (n *tenant) endpoint(ctx context.Context, name, prefix string) error {
	err := cluster.Client.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: n.namespace},
		StringData: map[string]string{"CLOUDINARY_URL": cloudinaryURL(simulator.DefaultAPIKey, simulator.DefaultAPISecret, prefix)},
	})
	if err != nil {
		return err
	}
	return cluster.Client.Create(ctx, &v1alpha1.NotificationEndpoint{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: n.namespace},
		Spec: v1alpha1.NotificationEndpointSpec{
			CredentialsSecretRef: v1alpha1.LocalSecretReference{Name: name}, URL: "https://hooks.example.com/" + n.namespace,
		},
	})
}

func (n *tenant) trigger(name, endpoint string) *v1alpha1.CloudinaryTrigger {
	return &v1alpha1.CloudinaryTrigger{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: n.namespace},
		Spec:       v1alpha1.CloudinaryTriggerSpec{EndpointRef: v1alpha1.EndpointReference{Name: endpoint}, EventTypes: []string{"upload"}},
	}
}

// takes is how long it takes until a new trigger is at Cloudinary. It is given up after patience.
func (n *tenant) takes(eventType string) time.Duration {
	n.Helper()
	want := len(n.sim.Triggers()) + 1
	t := n.trigger(strings.ReplaceAll(eventType, "_", "-"), "media")
	t.Spec.EventTypes = []string{eventType}
	begun := time.Now()
	n.must(cluster.Client.Create(n.Context(), t))
	testenv.Eventually(n.T, patience, func() error {
		if got := len(n.sim.Triggers()); got != want {
			return fmt.Errorf("%d triggers at Cloudinary, want %d", got, want)
		}
		return nil
	})
	return time.Since(begun)
}

// writes is how long the API server takes for as many writes, one after the other, as a new trigger and its conditions cost.
func (n *tenant) writes() time.Duration {
	n.Helper()
	begun := time.Now()
	for i := range 5 {
		n.must(cluster.Client.Create(n.Context(), n.trigger(fmt.Sprintf("unwanted-%d", i), "nowhere")))
	}
	return time.Since(begun)
}

// tenantsManager runs a manager as it is deployed, over the tenants' namespaces.
func tenantsManager(t *testing.T, env []string, tenants ...*tenant) *testenv.Confined {
	t.Helper()
	program, err := managerProgram()
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig := t.TempDir() + "/kubeconfig"
	if err := os.WriteFile(kubeconfig, cluster.Kubeconfig, 0o600); err != nil {
		t.Fatal(err)
	}
	var namespaces []string
	for _, n := range tenants {
		namespaces = append(namespaces, n.namespace)
	}
	log := &testenv.Output{}
	cmd := exec.CommandContext(t.Context(), program, "--kubeconfig="+kubeconfig, "--watch-namespaces="+strings.Join(namespaces, ","),
		"--verification-namespace="+namespaces[0], "--leader-elect=false", "--allow-insecure-api-base", "--allowed-api-bases=*", "--metrics-bind-address=0", "--health-probe-bind-address=0")
	// The limits are those of config/manager/deployment.yaml.
	cmd.Env = append(append(os.Environ(), "GOMEMLIMIT=230MiB"), env...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	confined := testenv.Confine(t, cmd.Process.Pid, 256<<20)
	t.Cleanup(func() {
		_, _ = cmd.Process.Kill(), cmd.Wait()
		if t.Failed() {
			t.Logf("log of the manager:\n%s", tail(log.String()))
		}
	})
	return confined
}

// silentHost takes connections under many names, and never answers.
type silentHost struct {
	port int
	held atomic.Int64
}

func newSilentHost(t *testing.T) *silentHost {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	address, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatalf("%v is no TCP address", l.Addr())
	}
	h := &silentHost{port: address.Port}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			h.held.Add(1)
			go func() {
				_, _ = io.Copy(io.Discard, c) // until the caller has lost patience
				h.held.Add(-1)
				_ = c.Close()
			}()
		}
	}()
	t.Cleanup(func() { _ = l.Close() })
	return h
}

func (h *silentHost) name(i int) string {
	const each = 200
	return fmt.Sprintf("http://127.0.%d.%d:%d", 1+i/each, 1+i%each, h.port)
}

// delayLimit is how much later a change of one tenant may be at Cloudinary because of another.
const delayLimit = 2 * time.Second

// undelayed fails the test if changes take longer than alone by more than the limit. This machine may have become slower for other reasons
// meanwhile, so that a multiple of what a change takes alone is let through as well.
func undelayed(t *testing.T, alone, beside []time.Duration) {
	t.Helper()
	const slower = 4
	t.Logf("alone %v, beside the other tenant %v", alone, beside)
	if got, limit := slices.Max(beside), slower*slices.Max(alone)+delayLimit; got > limit {
		t.Errorf("a change takes %s beside the other tenant, and %s alone: more than %s", got, slices.Max(alone), limit)
	}
}

// The other tenant has 600 Secrets, each with a host of its own that takes connections and never answers.
func TestHostsThatNeverAnswerDelayNoOtherTenant(t *testing.T) {
	const silentHosts, share = 600, 16
	a, b := newTenant(t), newTenant(t)
	a.must(a.endpoint(t.Context(), "media", a.url))
	tenantsManager(t, nil, a, b)
	alone := []time.Duration{a.takes("upload"), a.takes("delete"), a.takes("rename")}[1:] // the first one waits for the start
	silent := newSilentHost(t)
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(8)
	for i := range silentHosts {
		group.Go(func() error { return b.endpoint(ctx, fmt.Sprintf("silent-%d", i), silent.name(i)) })
	}
	b.must(group.Wait())
	testenv.Eventually(t, patience, func() error {
		if n := silent.held.Load(); n < share {
			return fmt.Errorf("%d calls hang, want the tenant's share of %d", n, share)
		}
		return nil
	})
	var beside []time.Duration
	for _, eventType := range []string{"eager", "error", "info", "move", "multi", "publish"} {
		beside = append(beside, a.takes(eventType))
		if n := silent.held.Load(); n > share {
			t.Errorf("%d calls of one tenant hang, and its share is %d", n, share)
		}
	}
	undelayed(t, alone, beside)
}

// The other tenant has a thousand objects, and changes them all the time: filters that are refused and become others that are refused, and
// references to endpoints that do not exist, of other namespaces too.
func TestAThousandObjectsThatChangeDelayNoOtherTenant(t *testing.T) {
	const objects, writers = 1000, 4
	a, b := newTenant(t), newTenant(t)
	a.must(a.endpoint(t.Context(), "media", a.url))
	b.must(b.endpoint(t.Context(), "media", b.url))
	confined := tenantsManager(t, nil, a, b)
	alone := []time.Duration{a.takes("upload"), a.takes("delete"), a.takes("rename")}[1:]
	hostile := func(i, round int) *v1alpha1.CloudinaryTrigger {
		t := b.trigger(fmt.Sprintf("hostile-%d", i), "media")
		t.Spec.Filter = &runtime.RawExtension{Raw: fmt.Appendf(nil, `{"no-operator-%d":%d}`, round, i)}
		if i%2 == 0 {
			t.Spec.EndpointRef = v1alpha1.EndpointReference{Namespace: a.namespace, Name: fmt.Sprintf("none-%d-%d", i, round%2)}
		}
		return t
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	var changes atomic.Int64
	for w := range writers {
		running.Go(func() {
			for round := 0; ctx.Err() == nil; round++ {
				for i := w; i < objects && ctx.Err() == nil; i += writers {
					var err error
					if o := hostile(i, round); round == 0 {
						err = cluster.Client.Create(ctx, o)
					} else {
						err = cluster.Client.Patch(ctx, o, client.Merge)
					}
					if err != nil && ctx.Err() == nil {
						t.Errorf("write: %v", err)
						return
					}
					changes.Add(1)
				}
			}
		})
	}
	defer running.Wait()
	defer stop()
	testenv.Eventually(t, patience, func() error {
		if n := changes.Load(); n <= objects { // all are there, and the first are being changed
			return fmt.Errorf("%d changes so far", n)
		}
		return nil
	})
	var beside []time.Duration
	for _, eventType := range []string{"eager", "error", "info", "move"} {
		beside = append(beside, a.takes(eventType))
	}
	t.Logf("%d changes by then, %d MiB of memory", changes.Load(), confined.Check(t)>>20)
	// The writers keep the API server busy as well, with which the manager has nothing to do.
	undelayed(t, append(alone, a.writes()), beside)
}

// The other tenant fills its objects wherever the API server lets it: most have 1.2 MiB, and all together 110.
func TestFatObjectsDoNotEndTheManager(t *testing.T) {
	const objects = 120
	a, b := newTenant(t), newTenant(t)
	a.must(a.endpoint(t.Context(), "media", a.url))
	b.must(b.endpoint(t.Context(), "media", b.url))
	var finalizers []string
	prefix := strings.Repeat(strings.Repeat("x", 62)+".", 3) + "example.com/" // the API server keeps each name a second time, with who has set it
	for i := range 1500 {
		finalizers = append(finalizers, fmt.Sprintf("%s%0*d", prefix, 63, i))
	}
	long := &runtime.RawExtension{Raw: []byte(`{"a":"` + strings.Repeat("x", 1200<<10) + `"}`)}
	deep := &runtime.RawExtension{Raw: []byte(strings.Repeat(`{"a":`, 5000) + `1` + strings.Repeat(`}`, 5000))}
	var fat []*v1alpha1.CloudinaryTrigger
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(4)
	for i := range objects {
		o := b.trigger(fmt.Sprintf("fat-%d", i), "media")
		switch i % 6 {
		case 0:
			o.Spec.Filter = long
		case 1:
			o.Finalizers, o.Spec.Filter = finalizers, deep
		case 2:
			o.Labels = map[string]string{}
			for j := range 1500 {
				o.Labels[fmt.Sprintf("%s%0*d", prefix, 63, j)] = strings.Repeat("x", 63)
			}
			o.Spec.PayloadTemplate = deep
		default:
			o.Spec.PayloadTemplate = long
		}
		fat = append(fat, o)
		group.Go(func() error { return cluster.Client.Create(ctx, o) })
	}
	b.must(group.Wait())
	t.Cleanup(func() { // or the namespace would not go
		for _, o := range fat {
			o.Finalizers = nil
			_ = cluster.Client.Patch(context.Background(), o, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`)))
		}
	})
	for name, env := range map[string][]string{"streamed": nil, "in pages": {"KUBE_FEATURE_WatchListClient=false"}} {
		t.Run(name, func(t *testing.T) {
			confined := tenantsManager(t, env, a, b)
			a := &tenant{T: t, namespace: a.namespace, sim: a.sim, url: a.url}
			took := a.takes(map[string]string{"streamed": "upload", "in pages": "delete"}[name])
			testenv.Eventually(t, patience, func() error {
				confined.Check(t)
				var all v1alpha1.CloudinaryTriggerList
				if err := cluster.Client.List(t.Context(), &all, client.InNamespace(b.namespace)); err != nil {
					return err
				}
				judged := 0
				for i := range all.Items {
					switch c := meta.FindStatusCondition(all.Items[i].Status.Conditions, v1alpha1.ConditionAccepted); {
					case c == nil:
					case c.Status != metav1.ConditionFalse || !slices.Contains([]string{v1alpha1.ReasonInvalidFilter, v1alpha1.ReasonInvalidPayloadTemplate}, c.Reason):
						t.Fatalf("%s is said to be %+v", all.Items[i].Name, c)
					default:
						judged++
					}
				}
				if judged < objects/4 {
					return fmt.Errorf("%d of %d objects are judged", judged, objects)
				}
				return nil
			})
			t.Logf("%d MiB at most; another tenant's trigger is at Cloudinary after %s, the start included", confined.Check(t)>>20, took)
		})
	}
}
