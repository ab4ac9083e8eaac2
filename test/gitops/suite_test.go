// SPDX-License-Identifier: Apache-2.0

package gitops

import (
	"context"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/controllers"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/manager"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
)

var (
	cluster *testenv.Env

	update = flag.Bool("update", false, "write what the operator writes, and what is generated from it, into config/argocd")
)

// patience is how long a test waits for something to become so; far more than it takes on a busy machine.
const patience = 2 * time.Minute

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	// With the controllers that a deleted namespace, and the way in which Argo CD deletes, take.
	os.Exit(testenv.Run(m, func(e *testenv.Env) { cluster = e }, testenv.WithControllerManager()))
}

// stage is a simulated product environment, and a manager for some namespaces that keeps the one like the other.
type stage struct {
	*testing.T
	namespaces []string
	sim        *simulator.Simulator
	url        string
	options    controllers.Options
}

// newStage makes a simulator and, unless names are given, one namespace; start starts the manager.
func newStage(t *testing.T, simulated simulator.Options, namespaces ...string) *stage {
	t.Helper()
	if len(namespaces) == 0 {
		namespaces = []string{cluster.NewNamespace(t)}
	}
	sim, err := simulator.New(simulated)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	s := &stage{T: t, namespaces: namespaces, sim: sim, url: server.URL, options: controllers.DefaultOptions()}
	s.options.AllowInsecureAPIBase, s.options.AllowedAPIBases = true, cloudinary.OneAPIBase(s.url)
	s.options.SyncInterval = time.Second
	s.options.MinListInterval = 50 * time.Millisecond
	s.options.SettleTime = time.Second
	s.options.ReceiverBaseURL = "https://hooks.example.com"
	s.options.VerificationNamespace = namespaces[0]
	return s
}

// start runs a manager until the test ends or the function that it returns is called.
func (s *stage) start() (stop func()) {
	s.Helper()
	mgr, err := manager.New(cluster.Config, manager.Options{
		Options: s.options, Registry: prometheus.NewRegistry(), Confined: s.namespaces,
		Lease: manager.PatientLease(cluster.NewNamespace(s.T)), // its own: a test may end one of the stage's
	})
	s.must(err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.Context()))
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			s.Errorf("manager: %v", err)
		}
	}
	s.Cleanup(stop)
	return stop
}

func (s *stage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *stage) eventually(check func() error) {
	s.Helper()
	testenv.Eventually(s.T, patience, check)
}

func (s *stage) create(objects ...client.Object) {
	s.Helper()
	for _, o := range objects {
		s.must(cluster.Client.Create(s.Context(), o))
	}
}

func (s *stage) delete(o client.Object) {
	s.Helper()
	s.must(cluster.Client.Delete(s.Context(), o))
}

// cloudinaryURL are credentials of the simulator.
func (s *stage) cloudinaryURL(secret string) string {
	return fmt.Sprintf("cloudinary://%s:%s@%s?upload_prefix=%s", simulator.DefaultAPIKey, secret, simulator.DefaultCloud, s.url)
}

func (s *stage) secret() *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "cloudinary", Namespace: s.namespaces[0]},
		Data:       map[string][]byte{"CLOUDINARY_URL": []byte(s.cloudinaryURL(simulator.DefaultAPISecret))},
	}
}

// endpoint is one at an address that is nobody's.
func (s *stage) endpoint() *v1alpha1.NotificationEndpoint {
	return &v1alpha1.NotificationEndpoint{
		ObjectMeta: metav1.ObjectMeta{Name: "media", Namespace: s.namespaces[0]},
		Spec: v1alpha1.NotificationEndpointSpec{
			CredentialsSecretRef: v1alpha1.LocalSecretReference{Name: "cloudinary"}, URL: hook,
		},
	}
}

const hook = "https://hooks.example.com/cloudinary"

func (s *stage) trigger(name string) *v1alpha1.CloudinaryTrigger {
	return &v1alpha1.CloudinaryTrigger{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: s.namespaces[0]},
		Spec: v1alpha1.CloudinaryTriggerSpec{
			EndpointRef: v1alpha1.EndpointReference{Name: "media"}, EventTypes: []string{"upload"},
		},
	}
}

func conditionsOf(o client.Object) []metav1.Condition {
	switch o := o.(type) {
	case *v1alpha1.CloudinaryTrigger:
		return o.Status.Conditions
	case *v1alpha1.NotificationEndpoint:
		return o.Status.Conditions
	default:
		return nil
	}
}

// becomes waits until a condition of the object has a status and a reason for the present generation.
func (s *stage) becomes(o client.Object, conditionType string, status metav1.ConditionStatus, reason string) {
	s.Helper()
	s.eventually(func() error {
		if err := cluster.Client.Get(s.Context(), client.ObjectKeyFromObject(o), o); err != nil {
			return err
		}
		c := meta.FindStatusCondition(conditionsOf(o), conditionType)
		if c == nil || c.Status != status || c.Reason != reason || c.ObservedGeneration != o.GetGeneration() {
			return fmt.Errorf("%s: want %s=%s/%s at generation %d, have %+v", o.GetName(), conditionType, status, reason, o.GetGeneration(), conditionsOf(o))
		}
		return nil
	})
}

func (s *stage) ready(o client.Object) {
	s.Helper()
	s.becomes(o, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
}

// places are "event type url" of all triggers at the simulator, sorted.
func (s *stage) places() []string {
	var places []string
	for _, t := range s.sim.Triggers() {
		places = append(places, t.EventType+" "+t.URI)
	}
	slices.Sort(places)
	return places
}

// calls counts the calls of a method that the simulator was sent.
func (s *stage) calls(method string) int {
	n := 0
	for _, c := range s.sim.Calls().Calls {
		if c.Method == method {
			n += c.Count
		}
	}
	return n
}
