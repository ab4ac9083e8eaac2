// SPDX-License-Identifier: Apache-2.0

package test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
)

// teams are namespaces in front of one product environment, with a manager and a receiver for all of them.
type teams struct {
	*receiverSetting
	apiBase string
}

func newTeams(t *testing.T, o simulator.Options, others ...string) *teams {
	t.Helper()
	s := newReceiverSetting(t)
	o.RateLimit, o.Clock = 1_000_000, time.Now // a list each second is more than a plan allows
	sim, err := simulator.New(o)
	s.must(err)
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	t.Cleanup(func() { sim.Close(context.Background()) })
	watched := "--watch-namespaces=" + s.namespace
	for _, other := range others {
		watched += "," + other
	}
	s.ready(s.start(watched))
	s.manager(server.URL, watched)
	return &teams{s, server.URL}
}

// team gives a namespace a Secret and an endpoint by it, both of one name.
func (s *teams) team(namespace, name string, secret map[string]string) *v1alpha1.NotificationEndpoint {
	s.Helper()
	s.must(cluster.Client.Create(s.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}, StringData: secret}))
	ep := &v1alpha1.NotificationEndpoint{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec:       v1alpha1.NotificationEndpointSpec{CredentialsSecretRef: v1alpha1.LocalSecretReference{Name: name}, Receiver: &v1alpha1.ReceiverSpec{Path: v1alpha1.ReceiverPathPlain}},
	}
	s.must(cluster.Client.Create(s.Context(), ep))
	return ep
}

// name makes API keys the only ones that count for an endpoint.
func (s *teams) name(ep *v1alpha1.NotificationEndpoint, apiKeys ...string) {
	s.Helper()
	s.must(cluster.Client.Get(s.Context(), client.ObjectKeyFromObject(ep), ep))
	before := ep.DeepCopy()
	ep.Spec.Receiver.Verification = &v1alpha1.Verification{APIKeys: apiKeys}
	s.must(cluster.Client.Patch(s.Context(), ep, client.MergeFrom(before)))
}

// answer reports whether an endpoint answers a notification with a status.
func (s *teams) answer(ep *v1alpha1.NotificationEndpoint, n notification, want int) error {
	s.Helper()
	s.must(cluster.Client.Get(s.Context(), client.ObjectKeyFromObject(ep), ep))
	at, err := url.Parse(ep.Status.URL)
	if err != nil || at.Path == "" {
		return errNot("%s/%s has the URL %q (%v)", ep.Namespace, ep.Name, ep.Status.URL, err)
	}
	switch a, err := s.post("http://"+s.address+at.Path, n); {
	case err != nil:
		return err
	case a.status != want:
		return errNot("%s/%s answers %v, want %d", ep.Namespace, ep.Name, a, want)
	default:
		return nil
	}
}

func (s *teams) becomes(ep *v1alpha1.NotificationEndpoint, next func() notification, want int) {
	s.Helper()
	testenv.Eventually(s.T, patience, func() error { return s.answer(ep, next(), want) })
}

// What an endpoint answers.
const (
	taken  = http.StatusOK
	forged = http.StatusUnauthorized
)

// A token may be one that can do no more than list, and beside it anybody can write what they like.
func TestATeamsKeysNeitherEvictAnothersNorSpeakForIt(t *testing.T) {
	t.Parallel()
	other := cluster.NewNamespace(t)
	s := newTeams(t, simulator.Options{OAuthTokens: []string{"may-only-list"}}, other)
	media := s.team(s.namespace, "media", map[string]string{"CLOUDINARY_URL": cloudinaryURL(simulator.DefaultAPIKey, simulator.DefaultAPISecret, s.apiBase)})
	genuine := numbered("genuine", simulator.DefaultAPISecret)
	s.becomes(media, genuine, taken)

	made := numbered("made-up", "made-up")
	planted := map[string]string{
		"cloud_name": simulator.DefaultCloud, "oauth_token": "may-only-list", "upload_prefix": s.apiBase,
		"api_key": simulator.DefaultAPIKey, "api_secret": "made-up",
	}
	for i := range 30 {
		planted[fmt.Sprintf("signing.%015d", i)] = fmt.Sprint("made-up-", i)
	}
	theirs := s.team(other, "media", planted)
	s.becomes(theirs, numbered("theirs", "made-up-0"), taken)
	for i := range 9 { // more than are tried of one endpoint
		ep := s.team(other, fmt.Sprint("more-", i), map[string]string{
			"cloud_name": simulator.DefaultCloud, "oauth_token": "may-only-list", "upload_prefix": s.apiBase,
			"api_key": fmt.Sprintf("%015d", i), "api_secret": "made-up",
		})
		s.becomes(ep, made, taken)
	}
	s.must(s.answer(media, genuine(), taken))
	s.must(s.answer(media, made(), forged))
	s.must(s.answer(theirs, genuine(), forged))
	t.Log("nor where its ids are named")
	s.name(media, simulator.DefaultAPIKey, "000000000000001")
	s.observed(media)
	s.must(s.answer(media, genuine(), taken))
	s.must(s.answer(media, made(), forged))
}

// observed waits until the manager has seen an endpoint as it is.
func (s *teams) observed(ep *v1alpha1.NotificationEndpoint) {
	s.Helper()
	testenv.Eventually(s.T, patience, func() error {
		s.must(cluster.Client.Get(s.Context(), client.ObjectKeyFromObject(ep), ep))
		if ep.Status.ObservedGeneration == nil || *ep.Status.ObservedGeneration != ep.Generation {
			return errNot("generation %d is not observed yet", ep.Generation)
		}
		return nil
	})
}

// A web application's route for signing uploads signs a parameter of any name. The name and the value together are a notification.
func TestWhatAnApplicationSignsForUploadsIsNoNotificationWithAKeyOfOnesOwn(t *testing.T) {
	t.Parallel()
	application := simulator.Credentials{APIKey: "987654321098765", APISecret: "signs-what-browsers-ask-for"}
	other := cluster.NewNamespace(t)
	s := newTeams(t, simulator.Options{AdditionalCredentials: []simulator.Credentials{application}}, other)
	own := s.team(s.namespace, "own", map[string]string{"CLOUDINARY_URL": cloudinaryURL(simulator.DefaultAPIKey, simulator.DefaultAPISecret, s.apiBase)})
	shared := s.team(other, "shared", map[string]string{"CLOUDINARY_URL": cloudinaryURL(application.APIKey, application.APISecret, s.apiBase)})
	genuine := numbered("genuine", simulator.DefaultAPISecret)
	s.becomes(own, genuine, taken)
	asked := func() notification {
		const name = `{"notification_type":"delete","resources":[{"resource_type":"image","type":"upload","asset_id":"0123","public_id":"catalog/hero"}],"x":"`
		value := `"}` + strconv.FormatInt(time.Now().Unix(), 10)
		n := notification{body: []byte(name + `="}`), timestamp: value[len(`"}`):], secret: application.APISecret}
		if signature([]byte(name+"="+value), "", application.APISecret) != signature(n.body, n.timestamp, n.secret) {
			t.Fatal("an upload is signed otherwise than this notification")
		}
		return n
	}
	s.becomes(shared, asked, taken) // whose key is the application's
	s.must(s.answer(own, asked(), forged))
	t.Log("unless the application's key is named")
	s.name(own, simulator.DefaultAPIKey, application.APIKey)
	s.becomes(own, asked, taken)
	s.name(own, simulator.DefaultAPIKey)
	s.becomes(own, asked, forged)
	s.must(s.answer(own, genuine(), taken))
}
