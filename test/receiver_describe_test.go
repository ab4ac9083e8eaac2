// SPDX-License-Identifier: Apache-2.0

package test

import (
	"context"
	"errors"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
	"github.com/cloudinary-operator/cloudinary-operator/test/described"
)

var update = flag.Bool("update", false, "write testdata/ anew")

// What people read when deliveries do not work, as both programs write it and kubectl prints it.
func TestWhatPeopleSeeOfATarget(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer int // of the Service
		reason string
		sent   int
	}{
		"dead-letters":   {http.StatusBadRequest, v1alpha1.ReasonDeadLetters, 2},
		"failing-target": {http.StatusServiceUnavailable, v1alpha1.ReasonTargetFailing, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newReceiverSetting(t)
			catalog := s.target()
			sim, url := s.simulator()
			s.shop(url)
			receiver := s.start()
			s.ready(receiver)
			s.manager(url)
			testenv.Eventually(t, patience, func() error {
				// The address and the key come from the manager. What is sent before the receiver has them is refused, and counted.
				if n, log := len(sim.Triggers()), receiver.log.String(); n != 1 || !strings.Contains(log, `"keys":1`) {
					return errNot("%d triggers are registered, and the receiver's log is\n%s", n, log)
				}
				return nil
			})
			s.uploaded(sim)
			testenv.Eventually(t, soon, func() error { return s.arrived(catalog, 1) })
			s.condition(v1alpha1.ConditionDelivering, metav1.ConditionTrue, v1alpha1.ReasonDelivered)
			catalog.answers(always(c.answer))
			for range c.sent {
				s.uploaded(sim)
			}
			s.condition(v1alpha1.ConditionDelivering, metav1.ConditionFalse, c.reason)
			s.describes(name, strings.TrimPrefix(url, "http://"))
		})
	}
}

// simulator is a simulated Cloudinary, whose notifications reach the receiver.
func (s *receiverSetting) simulator() (sim *simulator.Simulator, url string) {
	s.Helper()
	sim, err := simulator.New(simulator.Options{
		RateLimit: 1_000_000, // a list each second is more than a plan allows
		Clock:     time.Now,
		Delivery:  simulator.DeliveryOptions{Forwards: []simulator.Forward{{From: "https://hooks.example.com", To: "http://" + s.address}}},
	})
	s.must(err)
	server := httptest.NewServer(sim)
	s.Cleanup(server.Close)
	s.Cleanup(func() { sim.Close(context.Background()) }) // what it did not send is not what this is about
	return sim, server.URL
}

// uploaded has the simulator send that an image was uploaded.
func (s *receiverSetting) uploaded(sim *simulator.Simulator) {
	s.Helper()
	_, err := sim.Notify(simulator.Notification{EventType: "upload"})
	s.must(err)
}

// shop makes what a user does: a Secret, an endpoint that delivers to a Service, and a trigger.
func (s *receiverSetting) shop(simulated string) {
	s.Helper()
	s.must(cluster.Client.Create(s.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "cloudinary", Namespace: s.namespace},
		StringData: map[string]string{"CLOUDINARY_URL": cloudinaryURL(simulator.DefaultAPIKey, simulator.DefaultAPISecret, simulated)},
	}))
	s.must(cluster.Client.Create(s.Context(), &v1alpha1.NotificationEndpoint{
		ObjectMeta: metav1.ObjectMeta{Name: "media", Namespace: s.namespace},
		Spec: v1alpha1.NotificationEndpointSpec{
			CredentialsSecretRef: v1alpha1.LocalSecretReference{Name: "cloudinary"},
			Receiver:             &v1alpha1.ReceiverSpec{DeliverTo: []v1alpha1.DeliveryTarget{toCatalog()}},
		},
	}))
	s.trigger("images", "media", "upload")
}

// numbersWithin is how old the numbers of a status may be: a minute, as docs/receiver.md has it, and the time to write them.
const numbersWithin = 90 * time.Second

// describes holds kubectl describe, of the endpoint and of its trigger, to a file of testdata/.
func (s *receiverSetting) describes(situation, host string) {
	s.Helper()
	printed := func() string {
		shared := strings.NewReplacer(s.namespace, "<NAMESPACE>", host, "<HOST>")
		text := ""
		for _, object := range []string{"nep/media", "cldt/images"} {
			text += "$ kubectl describe " + object + "\n" + described.Text(shared.Replace(s.kubectl("describe", object)), whileTried()...) + "\n"
		}
		return text
	}
	path := filepath.Join("testdata", "describe-"+situation+".txt")
	if *update {
		time.Sleep(numbersWithin)
		s.must(os.MkdirAll("testdata", 0o755))
		s.must(os.WriteFile(path, []byte(printed()), 0o600))
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		s.Fatalf("%v; go test ./test -run TestWhatPeopleSeeOfATarget -update writes it", err)
	}
	testenv.Eventually(s.T, numbersWithin, func() error {
		if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(printed(), "\n")); diff != "" {
			return errNot("%s (-want +got)\n%s", path, diff)
		}
		return nil
	})
}

// whileTried are what depends on the moment while a delivery is tried again.
func whileTried() []described.Rule {
	return []described.Rule{{Name: "numbers of attempts", Pattern: `(?m)^( +Attempts: +)\d+$`, Replacement: "${1}<N>"}}
}

// kubectl is the one in the PATH, or the one that was built with the control plane.
func (s *receiverSetting) kubectl(args ...string) string {
	s.Helper()
	program, err := exec.LookPath("kubectl")
	if err != nil {
		program = filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl")
	}
	cmd := exec.CommandContext(s.Context(), program, append([]string{"--kubeconfig", s.kubeconfig, "--namespace", s.namespace}, args...)...)
	out, err := cmd.Output()
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		s.Fatalf("kubectl %v: %v\n%s", args, err, failed.Stderr)
	}
	s.must(err)
	return string(out)
}
