// SPDX-License-Identifier: Apache-2.0

package test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
)

const patience = 2 * time.Minute

// setting is a control plane, a simulated product environment and the manager's binary.
type setting struct {
	*testing.T
	env       *testenv.Env
	sim       *simulator.Simulator
	simURL    string
	binary    string
	config    string
	namespace string
}

func newSetting(t *testing.T, options simulator.Options) *setting {
	t.Helper()
	options.Clock = time.Now
	options.RateLimit = 1_000_000 // a list each second is more than a plan allows
	sim, err := simulator.New(options)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	s := &setting{T: t, env: testenv.Start(t), sim: sim, simURL: server.URL, binary: filepath.Join(t.TempDir(), "manager"), config: filepath.Join(t.TempDir(), "kubeconfig")}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", s.binary, "../cmd/manager").CombinedOutput(); err != nil {
		t.Fatalf("build the manager: %v\n%s", err, out)
	}
	s.must(os.WriteFile(s.config, s.env.Kubeconfig, 0o600))
	s.namespace = s.env.NewNamespace(t)
	s.must(s.env.Client.Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "cloudinary", Namespace: s.namespace},
		StringData: map[string]string{"CLOUDINARY_URL": fmt.Sprintf("cloudinary://%s:%s@%s?upload_prefix=%s",
			simulator.DefaultAPIKey, simulator.DefaultAPISecret, simulator.DefaultCloud, server.URL)},
	}))
	s.must(s.env.Client.Create(t.Context(), &v1alpha1.NotificationEndpoint{
		ObjectMeta: metav1.ObjectMeta{Name: "media", Namespace: s.namespace},
		Spec: v1alpha1.NotificationEndpointSpec{
			CredentialsSecretRef: v1alpha1.LocalSecretReference{Name: "cloudinary"}, URL: "https://hooks.example.com/",
		},
	}))
	return s
}

func (s *setting) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// manager is a running manager process.
type manager struct {
	*exec.Cmd
	log *testenv.Output
}

// start starts a manager. Leases are short, so that a successor does not wait long; times are otherwise those of production, as far as a
// test can wait.
func (s *setting) start() *manager {
	s.Helper()
	m := &manager{log: &testenv.Output{}}
	m.Cmd = exec.CommandContext(s.Context(), s.binary,
		"--kubeconfig="+s.config, "--allow-insecure-api-base", "--allowed-api-bases="+s.simURL, "--metrics-bind-address=0", "--health-probe-bind-address=0",
		"--leader-election-namespace="+s.namespace, "--leader-election-lease-duration=4s",
		"--leader-election-renew-deadline=3s", "--leader-election-retry-period=500ms",
		"--sync-interval=1s", "--min-list-interval=200ms", "--settle-time=2s", "--call-timeout=2s")
	m.Stdout, m.Stderr = m.log, m.log
	s.must(m.Start())
	s.Cleanup(func() {
		m.kill()
		if s.Failed() {
			s.Logf("log of manager %d:\n%s", m.Process.Pid, m.log)
		}
	})
	return m
}

func (m *manager) kill() {
	_ = m.Process.Kill()
	_ = m.Wait()
}

func (s *setting) trigger(name string, eventTypes ...string) *v1alpha1.CloudinaryTrigger {
	return &v1alpha1.CloudinaryTrigger{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: s.namespace},
		Spec:       v1alpha1.CloudinaryTriggerSpec{EndpointRef: v1alpha1.EndpointReference{Name: "media"}, EventTypes: eventTypes},
	}
}

func (s *setting) eventTypes() []string {
	var types []string
	for _, t := range s.sim.Triggers() {
		types = append(types, t.EventType)
	}
	slices.Sort(types)
	return types
}

func (s *setting) allReady(want int) {
	s.Helper()
	testenv.Eventually(s.T, patience, func() error {
		var list v1alpha1.CloudinaryTriggerList
		if err := s.env.Client.List(s.Context(), &list, client.InNamespace(s.namespace)); err != nil {
			return err
		}
		ready := 0
		for _, t := range list.Items {
			if meta.IsStatusConditionTrue(t.Status.Conditions, v1alpha1.ConditionReady) {
				ready++
			}
		}
		if ready != want {
			return fmt.Errorf("%d of %d triggers are Ready", ready, want)
		}
		return nil
	})
}

// eventTypes that every server knows; one object each.
func someEventTypes() []string {
	return strings.Fields("access_control_changed create_folder delete delete_folder eager error explode generate_archive info moderation " +
		"move multi publish rename report resource_context_changed resource_metadata_changed resource_tags_changed sprite upload")
}

func TestKilledManagerContinuesWhereItWas(t *testing.T) {
	t.Parallel()
	s := newSetting(t, simulator.Options{Latency: 40 * time.Millisecond})
	types := someEventTypes()
	for _, eventType := range types {
		s.must(s.env.Client.Create(t.Context(), s.trigger(strings.ReplaceAll(eventType, "_", "-"), eventType)))
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 4 {
		m := s.start()
		enough := min(len(s.sim.Triggers())+1+random.IntN(5), len(types))
		testenv.Eventually(t, patience, func() error {
			if n := len(s.sim.Triggers()); n < enough {
				return fmt.Errorf("%d triggers, to be killed at %d", n, enough)
			}
			return nil
		})
		m.kill() // between a write and whatever follows it
	}
	s.start()
	s.allReady(len(types))
	if diff := cmp.Diff(types, s.eventTypes()); diff != "" {
		t.Errorf("event types at Cloudinary (-want +got):\n%s", diff)
	}
	s.idsAreRecorded()
}

// idsAreRecorded checks that each trigger at Cloudinary stands in exactly one status, as created.
func (s *setting) idsAreRecorded() {
	s.Helper()
	var list v1alpha1.CloudinaryTriggerList
	s.must(s.env.Client.List(s.Context(), &list, client.InNamespace(s.namespace)))
	recorded := map[string]int{}
	for _, t := range list.Items {
		for _, reg := range t.Status.Registrations {
			for _, r := range reg.Triggers {
				recorded[r.ID]++
				if r.Origin != v1alpha1.OriginCreated {
					s.Errorf("%s %s: origin %s, want Created", t.Name, r.EventType, r.Origin)
				}
			}
		}
	}
	for _, t := range s.sim.Triggers() {
		if recorded[t.ID] != 1 {
			s.Errorf("trigger %s (%s) is recorded %d times", t.ID, t.EventType, recorded[t.ID])
		}
		delete(recorded, t.ID)
	}
	if len(recorded) > 0 {
		s.Errorf("recorded, but not there: %v", recorded)
	}
}

func TestFrozenLeaderWritesNothingAfterItsSuccessor(t *testing.T) {
	t.Parallel()
	s := newSetting(t, simulator.Options{Latency: 100 * time.Millisecond})
	first := s.start()
	s.must(s.env.Client.Create(t.Context(), s.trigger("first", "upload")))
	s.allReady(1)

	t.Log("the leader is frozen in the middle of a pass with many writes")
	types := slices.DeleteFunc(someEventTypes(), func(e string) bool { return e == "upload" })
	s.must(s.env.Client.Create(t.Context(), s.trigger("many", types...)))
	testenv.Eventually(t, patience, func() error {
		if n := len(s.sim.Triggers()); n < 3 {
			return fmt.Errorf("%d triggers", n)
		}
		return nil
	})
	s.must(first.Process.Signal(syscall.SIGSTOP))

	s.start()
	s.allReady(2)
	calls := s.writes()
	s.must(first.Process.Signal(syscall.SIGCONT))
	testenv.Eventually(t, patience, func() error {
		if !strings.Contains(first.log.String(), "leader election lost") {
			return fmt.Errorf("the first manager has not noticed yet")
		}
		return nil
	})
	if extra := s.writes() - calls; extra > 1 {
		t.Errorf("the frozen manager made %d writes after its successor took over, at most one may have been under way", extra)
	}
	s.idsAreRecorded()
}

func (s *setting) writes() int {
	n := 0
	for _, c := range s.sim.Calls().Calls {
		if c.Method != http.MethodGet {
			n += c.Count
		}
	}
	return n
}
