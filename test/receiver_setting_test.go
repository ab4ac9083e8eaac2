// SPDX-License-Identifier: Apache-2.0

package test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verification"
)

// environment is the product environment of the endpoints, unless the manager finds it out.
var environment = verification.Environment{APIBase: "https://api.cloudinary.com", CloudName: "demo"}

// soon is what "within seconds" means.
const soon = 10 * time.Second

// receiverSetting is a namespace for a receiver alone, and a store and addresses that outlive its process.
type receiverSetting struct {
	*testing.T
	namespace  string
	kubeconfig string
	store      string
	address    string
	probes     string
	metrics    string
	flags      []string // beyond those that every receiver gets; later ones win
	client     *http.Client
}

func newReceiverSetting(t *testing.T, flags ...string) *receiverSetting {
	t.Helper()
	s := &receiverSetting{
		T: t, namespace: cluster.NewNamespace(t), kubeconfig: filepath.Join(t.TempDir(), "kubeconfig"), store: filepath.Join(t.TempDir(), "store"),
		address: testenv.FreeAddress(t), probes: testenv.FreeAddress(t), metrics: testenv.FreeAddress(t), flags: flags, client: newClient(t),
	}
	s.must(os.WriteFile(s.kubeconfig, cluster.Kubeconfig, 0o600))
	return s
}

// newClient has connections that no other test uses.
func newClient(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

func (s *receiverSetting) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// receiverProcess is a receiver that was started.
type receiverProcess struct {
	*exec.Cmd
	s     *receiverSetting
	log   *testenv.Output
	ended chan struct{}
	err   error // how it ended, once ended is closed
}

// start starts a receiver. It is not waited for until it is ready.
func (s *receiverSetting) start(flags ...string) *receiverProcess {
	s.Helper()
	program, err := receiverProgram()
	s.must(err)
	p := &receiverProcess{s: s, log: &testenv.Output{}, ended: make(chan struct{})}
	args := []string{
		"--kubeconfig=" + s.kubeconfig, "--namespace=" + s.namespace, "--watch-namespaces=" + s.namespace, "--store-dir=" + s.store,
		"--notifications-bind-address=" + s.address, "--health-probe-bind-address=" + s.probes, "--metrics-bind-address=0",
		"--admin-bind-address=0", "--shutdown-delay=0s", "--shutdown-timeout=10s", "--verbose-refusals",
	}
	p.Cmd = exec.CommandContext(s.Context(), program, append(append(args, s.flags...), flags...)...)
	p.Stdout, p.Stderr = p.log, p.log
	s.must(p.Start())
	go func() {
		p.err = p.Wait()
		close(p.ended)
	}()
	s.Cleanup(func() {
		p.kill()
		if strings.Contains(p.log.String(), "DATA RACE") {
			s.Errorf("the receiver has a data race")
		}
		if s.Failed() {
			s.Logf("log of receiver %d:\n%s", p.Process.Pid, tail(p.log.String()))
		}
	})
	return p
}

// tail is the end of a log that may be long, without its line for each notification.
func tail(log string) string {
	const room = 12_000
	var kept strings.Builder
	for line := range strings.Lines(log) {
		if !strings.Contains(line, `"msg":"Stored"`) {
			kept.WriteString(line)
		}
	}
	log = kept.String()
	if len(log) <= room {
		return log
	}
	return "…" + log[len(log)-room:]
}

// kill is kill -9.
func (p *receiverProcess) kill() {
	_ = p.Process.Kill() // it may have ended
	<-p.ended
}

// terminate asks a receiver to end, as the kubelet does. It fails unless it does so in time, and well.
func (p *receiverProcess) terminate() {
	p.s.Helper()
	p.s.client.CloseIdleConnections() // which the receiver would wait for, for a moment
	p.s.must(p.Process.Signal(syscall.SIGTERM))
	p.endsWell()
}

// shutdownTime is what a receiver has for its end: more than the flags of the tests add up to.
const shutdownTime = 20 * time.Second

func (p *receiverProcess) endsWell() {
	p.s.Helper()
	select {
	case <-p.ended:
		if p.err != nil {
			p.s.Errorf("the receiver ended with %v, want exit code 0", p.err)
		}
	case <-time.After(shutdownTime):
		p.s.Errorf("the receiver has not ended within %s of SIGTERM", shutdownTime)
		p.kill()
	}
}

// probe is what /healthz or /readyz answer; 0 stands for no answer.
func (s *receiverSetting) probe(address, path string) int {
	res, err := s.get("http://" + address + path)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	return res.StatusCode
}

func (s *receiverSetting) get(url string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(s.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	return s.client.Do(req)
}

// ready waits until the receiver takes notifications.
func (s *receiverSetting) ready(p *receiverProcess) {
	s.Helper()
	testenv.Eventually(s.T, patience, func() error {
		select {
		case <-p.ended:
			s.Fatalf("the receiver ended instead of getting ready: %v", p.err)
		default:
		}
		if code := s.probe(s.probes, "/readyz"); code != http.StatusOK {
			return fmt.Errorf("/readyz answers %d", code)
		}
		return nil
	})
}

// startReady starts a receiver and waits until it is ready, and serves what names say.
func (s *receiverSetting) startReady(endpoints ...string) *receiverProcess {
	s.Helper()
	p := s.start()
	s.ready(p)
	for _, name := range endpoints {
		s.served(name)
	}
	return p
}

// served waits until an endpoint is served with its keys: what has no signature is refused for that.
func (s *receiverSetting) served(name string) {
	s.Helper()
	testenv.Eventually(s.T, soon, func() error {
		a, err := s.post(s.url(name), notification{body: []byte("{}")})
		if err != nil || a.status != http.StatusUnauthorized {
			return fmt.Errorf("endpoint %s answers %v, %w", name, a, err)
		}
		return nil
	})
}

func (s *receiverSetting) url(endpoint string) string {
	return "http://" + s.address + notificationPath(s.namespace, endpoint)
}

// notificationPath is an endpoint's where it is plain.
func notificationPath(namespace, name string) string {
	return "/v1/notifications/" + namespace + "/" + name
}

// endpoint makes a NotificationEndpoint as the manager leaves it.
func (s *receiverSetting) endpoint(name string, targets ...v1alpha1.DeliveryTarget) *v1alpha1.NotificationEndpoint {
	s.Helper()
	e := &v1alpha1.NotificationEndpoint{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: s.namespace},
		Spec: v1alpha1.NotificationEndpointSpec{
			CredentialsSecretRef: v1alpha1.LocalSecretReference{Name: "cloudinary"},
			Receiver:             &v1alpha1.ReceiverSpec{BaseURL: "https://hooks.example.com", DeliverTo: targets},
		},
	}
	s.must(cluster.Client.Create(s.Context(), e))
	e.Status.URL = "https://hooks.example.com" + notificationPath(s.namespace, name)
	e.Status.Environment = &v1alpha1.EnvironmentStatus{APIBase: environment.APIBase, CloudName: environment.CloudName}
	s.must(cluster.Client.Status().Update(s.Context(), e))
	return e
}

func (s *receiverSetting) readEndpoint() *v1alpha1.NotificationEndpoint {
	s.Helper()
	e := &v1alpha1.NotificationEndpoint{}
	s.must(cluster.Client.Get(s.Context(), client.ObjectKey{Namespace: s.namespace, Name: "media"}, e))
	return e
}

// key is a verification key of the test's.
func key(id, secret string) verification.Key { return verification.Key{ID: id, Secret: secret} }

// theKey is what notifications are signed with unless a test is about keys.
func theKey() verification.Key { return key("123456789012345", "shhh") }

// keys writes the verification keys as the manager does, unless they say otherwise as those of the endpoints' Secret.
func (s *receiverSetting) keys(keys ...verification.Key) {
	s.Helper()
	for i := range keys {
		if keys[i].Sources == nil {
			keys[i].Sources = []string{s.namespace + "/cloudinary"}
		}
	}
	entry, err := (&verification.Keys{Environment: environment, Keys: keys}).Encode()
	s.must(err)
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: verification.SecretName, Namespace: s.namespace},
		Data:       map[string][]byte{verification.EntryName(environment): entry},
	}
	err = cluster.Client.Create(s.Context(), secret)
	if apierrors.IsAlreadyExists(err) {
		err = cluster.Client.Update(s.Context(), secret)
	}
	s.must(err)
}

// errNot is for conditions that are waited for.
func errNot(format string, args ...any) error { return fmt.Errorf(format, args...) }
