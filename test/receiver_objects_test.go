// SPDX-License-Identifier: Apache-2.0

package test

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

// tenant is another namespace that the same receiver serves. Its author may write objects there, as the role edit lets him, and nothing else: he
// has neither a Secret nor a product environment.
func (s *receiverSetting) tenant() *receiverSetting {
	s.Helper()
	other := *s
	other.namespace = cluster.NewNamespace(s.T)
	s.flags = append(s.flags, "--watch-namespaces="+s.namespace+","+other.namespace)
	s.must(cluster.Client.Create(s.Context(), &v1alpha1.NotificationEndpoint{
		ObjectMeta: metav1.ObjectMeta{Name: "media", Namespace: other.namespace},
		Spec: v1alpha1.NotificationEndpointSpec{
			CredentialsSecretRef: v1alpha1.LocalSecretReference{Name: "none"}, Receiver: &v1alpha1.ReceiverSpec{BaseURL: "https://hooks.example.com"},
		},
	}))
	return &other
}

// costly makes a trigger. Unlike must, it may be called by any goroutine.
func (s *receiverSetting) costly(name, template string, eventTypes ...string) *v1alpha1.CloudinaryTrigger {
	s.Helper()
	tr := &v1alpha1.CloudinaryTrigger{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: s.namespace},
		Spec: v1alpha1.CloudinaryTriggerSpec{
			EndpointRef: v1alpha1.EndpointReference{Name: "media"}, EventTypes: eventTypes, PayloadTemplate: &runtime.RawExtension{Raw: []byte(template)},
		},
	}
	if err := cluster.Client.Create(s.Context(), tr); err != nil {
		s.Error(err)
	}
	return tr
}

// gone removes what a test has made that is large: the tests share a control plane.
func (s *receiverSetting) gone() {
	s.Helper()
	s.must(cluster.Client.DeleteAllOf(s.Context(), &v1alpha1.CloudinaryTrigger{}, client.InNamespace(s.namespace)))
}

// inParallel does something n times, as fast as the API server can take it.
func inParallel(n int, do func(i int)) {
	const workers = 8
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for i := w; i < n; i += workers {
				do(i)
			}
		})
	}
	all.Wait()
}

// placeholders is a template with n of them.
func placeholders(prefix string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"%s%x":"{{event.type}}"`, prefix, i)
	}
	return "{" + b.String()[1:] + "}"
}

// peak is the most memory that the process has had, in MiB.
func (p *receiverProcess) peak() int {
	p.s.Helper()
	select {
	case <-p.ended:
		p.s.Fatalf("the receiver has ended: %v", p.err)
	default:
	}
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
	p.s.must(err)
	for line := range strings.Lines(string(raw)) {
		if value, found := strings.CutPrefix(line, "VmHWM:"); found {
			n, err := strconv.Atoi(strings.Fields(value)[0])
			p.s.must(err)
			return n >> 10
		}
	}
	p.s.Fatal("the kernel does not tell")
	return 0
}

// maxPeak is what a receiver may take of memory in these tests, in MiB; the container has 640.
const maxPeak = 400

// sees makes an endpoint and returns after how long it is served: every change that was made before it has been seen by then.
func (s *receiverSetting) sees(endpoint string) time.Duration {
	s.Helper()
	s.endpoint(endpoint)
	for begin := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		a, err := s.post(s.url(endpoint), notification{body: []byte("{}")})
		if took := time.Since(begin); (err == nil && a.status == http.StatusUnauthorized) || took > patience {
			return took
		}
	}
}

func TestADeepTemplateOfOneTeamEndsNothingOfAnothers(t *testing.T) {
	t.Parallel()
	s := newReceiverSetting(t)
	evil := s.tenant()
	s.keys(theKey())
	s.endpoint("media")
	p := s.startReady("media")
	for i, depth := range []int{1000, 4000, 9000} {
		evil.costly(fmt.Sprint("deep-", i), `{"a":`+strings.Repeat(`["{{event.type}}",`, depth)+`0`+strings.Repeat(`]`, depth)+`}`, "upload")
		took := s.sees(fmt.Sprint("after-", i))
		t.Logf("with a template %d levels deep, the next change is seen after %s; the receiver has had %d MiB", depth, took.Round(time.Millisecond), p.peak())
		s.send("media", upload("other-team", i))
	}
	if n := p.peak(); n > maxPeak {
		t.Errorf("the receiver has had %d MiB", n)
	}
	p.terminate()
	p = s.startReady("media")
	s.send("media", upload("other-team", 10))
	if n := p.peak(); n > maxPeak {
		t.Errorf("the next receiver has had %d MiB", n)
	}
}

func TestWideTemplatesOfOneTeamHoldUpNothingOfAnothers(t *testing.T) {
	t.Parallel()
	s := newReceiverSetting(t)
	evil := s.tenant()
	s.keys(theKey())
	s.endpoint("media")
	p := s.startReady("media")
	for i, n := range []int{700, 10_000, 20_000, 30_000} {
		evil.costly(fmt.Sprint("wide-", i), placeholders(fmt.Sprint(i), n), "upload")
		took := s.sees(fmt.Sprint("after-", i))
		t.Logf("with a template of %d placeholders, the next change is seen after %s; the receiver has had %d MiB", n, took.Round(time.Millisecond), p.peak())
		if took > soon {
			t.Errorf("a template of %d placeholders holds up the next change by %s", n, took)
		}
	}
	if n := p.peak(); n > maxPeak {
		t.Errorf("the receiver has had %d MiB", n)
	}
	if file, err := os.Stat(s.store + "/routes.json"); err != nil || file.Size() > 1<<20 {
		t.Errorf("the file of routes: %v, %v", file, err)
	}
}

// The team may use its own key as it likes: the largest bodies, and a template that the manager accepts.
func TestLargeBodiesForACostlyTemplateAreAnswered(t *testing.T) {
	t.Parallel()
	s := newReceiverSetting(t)
	s.keys(theKey())
	s.endpoint("media")
	p := s.startReady("media")
	s.costly("costly", placeholders("", 700), "upload")
	s.sees("after")
	body := `{` + strings.Repeat(`"":0,`, (3<<20-100)/5) + `"z":0}`
	var senders sync.WaitGroup
	for i := range 4 {
		senders.Go(func() {
			a, err := postWith(newClient(t), s, s.url("media"), signedNow(body+strings.Repeat(" ", i)))
			t.Logf("3 MiB: %v after %s, %v", a, a.took.Round(time.Millisecond), err)
			if err != nil || a.status != http.StatusOK || a.took > soon {
				t.Errorf("a large notification is answered %v after %s, %v", a, a.took, err)
			}
		})
	}
	until := make(chan struct{})
	var others sync.WaitGroup
	others.Go(func() {
		if s.bystander(until) == 0 {
			t.Error("meanwhile nothing else was taken")
		}
	})
	senders.Wait()
	close(until)
	others.Wait()
	if n := p.peak(); n > maxPeak {
		t.Errorf("the receiver has had %d MiB", n)
	}
}

// Triggers as large as the API server takes them are never in memory all at once, whether it streams them or lists them.
func TestLargeObjectsDoNotFillTheMemory(t *testing.T) {
	s := newReceiverSetting(t)
	evil := s.tenant()
	s.keys(theKey())
	s.endpoint("media")
	fat := `{"a":"` + strings.Repeat("x", 1200<<10) + `"}`
	const n = 150
	inParallel(n, func(i int) { evil.costly(fmt.Sprint("fat-", i), fat, "upload") })
	defer evil.gone()
	for _, streams := range []string{"true", "false"} {
		t.Setenv("KUBE_FEATURE_WatchListClient", streams)
		t.Setenv("GOMEMLIMIT", "691MiB")
		p := s.startReady("media")
		s.sees("after-" + streams)
		t.Logf("%d triggers of 1.2 MiB each, streamed: %s; the receiver has had %d MiB", n, streams, p.peak())
		if peak := p.peak(); peak > maxPeak {
			t.Errorf("the receiver has had %d MiB", peak)
		}
		s.send("media", upload("other-team", len(streams)))
		p.terminate()
	}
}

// A thousand triggers at the limits of what the manager accepts, that change as fast as the API server lets them.
func TestAThousandHostileTriggersHoldUpNothingOfAnotherTeams(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "691MiB")
	s := newReceiverSetting(t)
	evil := s.tenant()
	s.keys(theKey())
	s.endpoint("media")
	types := make([]string, 50)
	for i := range types {
		types[i] = fmt.Sprintf("t%02d_%s", i, strings.Repeat("x", 59))
	}
	const n, enough = 1000, 400
	triggers := make([]*v1alpha1.CloudinaryTrigger, n)
	inParallel(n, func(i int) { triggers[i] = evil.costly(fmt.Sprint("hostile-", i), placeholders("a", 700), types...) })
	defer evil.gone()
	p := s.startReady("media")

	var changes atomic.Int64
	stop, changing := make(chan struct{}), sync.WaitGroup{}
	changing.Go(func() {
		for round := 0; ; round++ {
			inParallel(n, func(i int) {
				select {
				case <-stop:
					return
				default:
				}
				triggers[i].Spec.PayloadTemplate.Raw = []byte(placeholders(string(rune('b'+round%8)), 700))
				if err := cluster.Client.Update(t.Context(), triggers[i]); err == nil {
					changes.Add(1)
				}
			})
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	var took []time.Duration
	for i, begin := 0, time.Now(); i < 7 || (changes.Load() < enough && time.Since(begin) < patience); i++ {
		took = append(took, s.sees(fmt.Sprint("after-", i)))
		s.send("media", upload("other-team", i))
	}
	close(stop)
	changing.Wait()
	slices.Sort(took)
	t.Logf("while %d triggers changed %d times, changes of another team were seen after %v; the receiver has had %d MiB", n, changes.Load(), took, p.peak())
	if changes.Load() < enough {
		t.Errorf("only %d changes were made meanwhile: that shows nothing", changes.Load())
	}
	if half := took[len(took)/2]; half > 2*time.Second { // the API server and this test share the machine
		t.Errorf("the receiver sees others' changes after %s", half)
	}
	if peak := p.peak(); peak > maxPeak {
		t.Errorf("the receiver has had %d MiB", peak)
	}
	if file, err := os.Stat(s.store + "/routes.json"); err != nil || file.Size() > 2<<20 {
		t.Errorf("the file of routes: %v, %v", file, err)
	}
}
