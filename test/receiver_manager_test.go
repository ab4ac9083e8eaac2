// SPDX-License-Identifier: Apache-2.0

package test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
)

// manager starts a manager for the namespace of the test alone, unless flags say otherwise, with a simulator in place of Cloudinary.
func (s *receiverSetting) manager(simulated string, flags ...string) {
	s.Helper()
	program, err := managerProgram()
	s.must(err)
	log := &testenv.Output{}
	args := []string{
		"--kubeconfig=" + s.kubeconfig, "--watch-namespaces=" + s.namespace, "--verification-namespace=" + s.namespace, "--leader-elect=false",
		"--allow-insecure-api-base", "--allowed-api-bases=" + simulated, "--metrics-bind-address=0", "--health-probe-bind-address=0", "--receiver-base-url=https://hooks.example.com",
		"--sync-interval=1s", "--min-list-interval=200ms", "--settle-time=1s", "--call-timeout=5s",
	}
	cmd := exec.CommandContext(s.Context(), program, append(args, flags...)...)
	cmd.Stdout, cmd.Stderr = log, log
	s.must(cmd.Start())
	s.Cleanup(func() {
		_, _ = cmd.Process.Kill(), cmd.Wait()
		if s.Failed() {
			s.Logf("log of the manager:\n%s", tail(log.String()))
		}
	})
}

func TestKeysFollowTheSecretsOfUsers(t *testing.T) {
	t.Parallel()
	s := newReceiverSetting(t)
	catalog := s.target()
	second := simulator.Credentials{APIKey: "987654321098765", APISecret: "the-second-one"}
	sim, err := simulator.New(simulator.Options{
		RateLimit: 1_000_000, // a list each second is more than a plan allows
		Clock:     time.Now, AdditionalCredentials: []simulator.Credentials{second},
		Delivery: simulator.DeliveryOptions{Forwards: []simulator.Forward{{From: "https://hooks.example.com", To: "http://" + s.address}}},
	})
	s.must(err)
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	t.Cleanup(func() { sim.Close(context.Background()) }) // what it did not send is not what this is about
	credentials := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "cloudinary", Namespace: s.namespace},
		StringData: map[string]string{"CLOUDINARY_URL": cloudinaryURL(simulator.DefaultAPIKey, simulator.DefaultAPISecret, server.URL)},
	}
	s.must(cluster.Client.Create(t.Context(), credentials))
	s.must(cluster.Client.Create(t.Context(), &v1alpha1.NotificationEndpoint{
		ObjectMeta: metav1.ObjectMeta{Name: "media", Namespace: s.namespace},
		Spec: v1alpha1.NotificationEndpointSpec{
			CredentialsSecretRef: v1alpha1.LocalSecretReference{Name: "cloudinary"},
			Receiver:             &v1alpha1.ReceiverSpec{Path: v1alpha1.ReceiverPathPlain, DeliverTo: []v1alpha1.DeliveryTarget{toCatalog()}},
		},
	}))
	s.trigger("images", "media", "upload")
	s.ready(s.start())
	s.manager(server.URL)
	testenv.Eventually(t, patience, func() error {
		return s.answers("media", upload("first", 0).signedWith(simulator.DefaultAPISecret), answer{status: http.StatusOK})
	})
	testenv.Eventually(t, patience, func() error {
		if n := len(sim.Triggers()); n != 1 {
			return errNot("%d triggers are registered", n)
		}
		return nil
	})
	_, err = sim.Notify(simulator.Notification{EventType: "upload"})
	s.must(err)
	testenv.Eventually(t, soon, func() error {
		if n := len(catalog.bodies()); n != 2 {
			return errNot("%d notifications have arrived", n)
		}
		return nil
	})

	old := s.traffic("media", "old", simulator.DefaultAPISecret)
	before := credentials.DeepCopy() // the manager has put its finalizer there meanwhile
	credentials.StringData = map[string]string{"CLOUDINARY_URL": cloudinaryURL(second.APIKey, second.APISecret, server.URL)}
	s.must(cluster.Client.Patch(t.Context(), credentials, client.MergeFrom(before)))
	s.within("the key that a user wrote counts", numbered("new", second.APISecret), answer{status: http.StatusOK})
	s.must(s.answers("media", upload("old", 0).signedWith(simulator.DefaultAPISecret), answer{status: http.StatusOK}))
	old.stop(s, "signed with the key that was replaced")
}

func cloudinaryURL(key, secret, base string) string {
	return fmt.Sprintf("cloudinary://%s:%s@%s?upload_prefix=%s", key, secret, simulator.DefaultCloud, base)
}
