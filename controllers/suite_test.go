// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
)

var (
	api *testenv.Env
	// newManager makes a manager as the program does.
	newManager func(*rest.Config, Wiring) (ctrl.Manager, error)
)

// Wiring is what a test says of its manager.
type Wiring struct {
	Options  Options
	Registry *prometheus.Registry
	// Confined are the namespaces that the manager takes for the whole cluster.
	Confined []string
	// LeaseNamespace has the leader's lease. Empty: there is none, and no fence.
	LeaseNamespace string
}

// RunTests runs the tests of this package. internal/manager imports it, so that only a package beside it, that of main_test.go, can
// say how a manager is made.
func RunTests(m *testing.M, wire func(*rest.Config, Wiring) (ctrl.Manager, error)) int {
	newManager = wire
	if os.Getenv("TEST_LOG") != "" {
		ctrl.SetLogger(zap.New(zap.UseDevMode(true), zap.WriteTo(os.Stderr)))
	} else {
		ctrl.SetLogger(logr.Discard())
	}
	return testenv.Run(m, func(e *testenv.Env) { api = e }, testenv.WithControllerManager())
}

// patience is how long a test waits for something to become so; far more than it takes on a busy machine.
const patience = 2 * time.Minute

// fixture is a namespace, a simulated product environment, and perhaps a manager that keeps the one like the other.
type fixture struct {
	*testing.T
	namespace string
	sim       *simulator.Simulator
	url       string
	cloud     string
	secretURL string
	options   Options
	// namespaces are watched besides the fixture's own.
	namespaces    []string
	user          string // whom the manager is to the API server; empty: an administrator
	registry      *prometheus.Registry
	stop          func()
	tellsLanguage bool // people name the language of their filters
}

// newFixture makes a namespace and a simulator; start starts the manager.
func newFixture(t *testing.T, simOptions simulator.Options) *fixture {
	t.Helper()
	if simOptions.Clock == nil {
		simOptions.Clock = time.Now
	}
	if simOptions.RateLimit == 0 {
		simOptions.RateLimit = 1_000_000 // a list each second is more than a plan allows
	}
	sim, err := simulator.New(simOptions)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	f := &fixture{T: t, namespace: api.NewNamespace(t), sim: sim, url: server.URL, cloud: simulator.DefaultCloud}
	f.tellsLanguage = simOptions.FilterLanguage == simulator.FilterLanguageRequire
	f.secretURL = f.credentials(simulator.DefaultAPIKey, simulator.DefaultAPISecret)
	f.options = DefaultOptions()
	f.options.AllowInsecureAPIBase = true
	f.allow("*", f.url) // a test may have several simulators
	f.options.SyncInterval = time.Second
	f.options.MinListInterval = 50 * time.Millisecond
	f.options.SettleTime = time.Second
	f.options.ReceiverBaseURL = "https://hooks.example.com"
	f.options.VerificationNamespace = f.namespace
	return f
}

// allow lets the manager call these, and shows what they answer.
func (f *fixture) allow(bases ...string) {
	f.Helper()
	var err error
	f.options.AllowedAPIBases, err = cloudinary.ParseAPIBases(strings.Join(bases, ","))
	f.must(err)
}

func (f *fixture) credentials(key, secret string) string {
	return fmt.Sprintf("cloudinary://%s:%s@%s?upload_prefix=%s", key, secret, f.cloud, f.url)
}

// start runs a manager over the namespace until the test ends or stop is called.
func (f *fixture) start() {
	f.Helper()
	restConfig := rest.CopyConfig(api.Config)
	restConfig.Impersonate.UserName = f.user
	f.registry = prometheus.NewRegistry()
	wiring := Wiring{Options: f.options, Registry: f.registry, Confined: append([]string{f.namespace}, f.namespaces...)}
	if f.user == "" { // A user of a test has the rights that the test gives, and a lease would take more.
		wiring.LeaseNamespace = api.NewNamespace(f.T) // its own: a test may have several managers, and end its namespace
	}
	mgr, err := newManager(restConfig, wiring)
	f.must(err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(f.Context()))
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	stopped := false
	f.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			f.Errorf("manager: %v", err)
		}
	}
	f.Cleanup(f.stop)
}

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) create(objects ...client.Object) {
	f.Helper()
	for _, o := range objects {
		f.must(api.Client.Create(f.Context(), o))
	}
}

func (f *fixture) get(o client.Object) {
	f.Helper()
	f.must(api.Client.Get(f.Context(), client.ObjectKeyFromObject(o), o))
}

// change reads an object, changes it and writes it, again and again until nobody else was in between.
func change[T client.Object](f *fixture, o T, how func(T)) {
	f.Helper()
	f.eventually(func() error {
		if err := api.Client.Get(f.Context(), client.ObjectKeyFromObject(o), o); err != nil {
			return err
		}
		how(o)
		return api.Client.Update(f.Context(), o)
	})
}

func (f *fixture) delete(objects ...client.Object) {
	f.Helper()
	for _, o := range objects {
		f.must(client.IgnoreNotFound(api.Client.Delete(f.Context(), o)))
	}
}

func (f *fixture) eventually(check func() error) {
	f.Helper()
	testenv.Eventually(f.T, patience, check)
}

func (f *fixture) secret(name string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: f.namespace},
		StringData: map[string]string{"CLOUDINARY_URL": f.secretURL},
	}
}

func (f *fixture) endpoint(name, url string) *v1alpha1.NotificationEndpoint {
	return &v1alpha1.NotificationEndpoint{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: f.namespace},
		Spec: v1alpha1.NotificationEndpointSpec{
			CredentialsSecretRef: v1alpha1.LocalSecretReference{Name: "cloudinary"}, URL: url,
		},
	}
}

func (f *fixture) trigger(name, endpoint string, eventTypes ...string) *v1alpha1.CloudinaryTrigger {
	return &v1alpha1.CloudinaryTrigger{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: f.namespace},
		Spec: v1alpha1.CloudinaryTriggerSpec{
			EndpointRef: v1alpha1.EndpointReference{Name: endpoint}, EventTypes: eventTypes,
		},
	}
}

func rawJSON(text string) *runtime.RawExtension { return &runtime.RawExtension{Raw: []byte(text)} }

type conditioned interface {
	client.Object
	*v1alpha1.CloudinaryTrigger | *v1alpha1.NotificationEndpoint
}

func conditionsOf(o any) []metav1.Condition {
	switch o := o.(type) {
	case *v1alpha1.CloudinaryTrigger:
		return o.Status.Conditions
	case *v1alpha1.NotificationEndpoint:
		return o.Status.Conditions
	default:
		return nil
	}
}

// becomes waits until a condition of the object has a status and a reason for the present generation, and returns its message.
func becomes[T conditioned](f *fixture, o T, conditionType string, status metav1.ConditionStatus, reason string) string {
	f.Helper()
	var message string
	f.eventually(func() error {
		if err := api.Client.Get(f.Context(), client.ObjectKeyFromObject(o), o); err != nil {
			return err
		}
		c := meta.FindStatusCondition(conditionsOf(o), conditionType)
		if c == nil || c.Status != status || c.Reason != reason || c.ObservedGeneration != o.GetGeneration() {
			return fmt.Errorf("%s %s: want %s=%s/%s at generation %d, have %+v", o.GetObjectKind().GroupVersionKind().Kind, o.GetName(),
				conditionType, status, reason, o.GetGeneration(), conditionsOf(o))
		}
		message = c.Message
		return nil
	})
	return message
}

func ready[T conditioned](f *fixture, o T) {
	f.Helper()
	becomes(f, o, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
}

// gone waits until an object does not exist any more.
func (f *fixture) gone(objects ...client.Object) {
	f.Helper()
	for _, o := range objects {
		f.eventually(func() error {
			err := api.Client.Get(f.Context(), client.ObjectKeyFromObject(o), o)
			if err == nil {
				return fmt.Errorf("%s %s still exists: finalizers %v, conditions %+v", o.GetNamespace(), o.GetName(), o.GetFinalizers(), conditionsOf(o))
			}
			return client.IgnoreNotFound(err)
		})
	}
}

// places are "event type url" of all triggers at the simulator, sorted.
func (f *fixture) places() []string {
	var places []string
	for _, t := range f.sim.Triggers() {
		places = append(places, t.EventType+" "+t.URI)
	}
	slices.Sort(places)
	return places
}

func (f *fixture) placesBecome(want ...string) {
	f.Helper()
	slices.Sort(want)
	f.eventually(func() error {
		if diff := cmp.Diff(want, f.places()); diff != "" {
			return fmt.Errorf("triggers at Cloudinary (-want +got):\n%s", diff)
		}
		return nil
	})
}

// admin calls the simulator's Admin API as another client of it would.
func (f *fixture) admin(method, path, body string) (int, map[string]any) {
	f.Helper()
	if f.tellsLanguage {
		body = strings.Replace(body, `"filter":{`, `"filter_language":"jsonlogic","filter":{`, 1)
	}
	req, err := http.NewRequestWithContext(f.Context(), method, f.url+"/v1_1/"+f.cloud+path, strings.NewReader(body))
	f.must(err)
	req.SetBasicAuth(simulator.DefaultAPIKey, simulator.DefaultAPISecret)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	f.must(err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	f.must(err)
	var answer map[string]any
	f.must(json.NewDecoder(bytes.NewReader(raw)).Decode(&answer))
	return resp.StatusCode, answer
}

func (f *fixture) at(eventType, url string) simulator.Trigger {
	f.Helper()
	for _, t := range f.sim.Triggers() {
		if t.EventType == eventType && t.URI == url {
			return t
		}
	}
	f.Fatalf("no %s trigger at %s", eventType, url)
	return simulator.Trigger{}
}

// writes counts the calls that changed something or tried to.
func (f *fixture) writes() int {
	n := 0
	for _, c := range f.sim.Calls().Calls {
		if c.Method != http.MethodGet {
			n += c.Count
		}
	}
	return n
}

// passes counts the passes that were made, of all units.
func (f *fixture) passes() int {
	f.Helper()
	families, err := f.registry.Gather()
	f.must(err)
	n := 0
	for _, family := range families {
		if family.GetName() != "cloudinary_manager_pass_duration_seconds" {
			continue
		}
		for _, m := range family.GetMetric() {
			n += int(m.GetHistogram().GetSampleCount())
		}
	}
	return n
}
