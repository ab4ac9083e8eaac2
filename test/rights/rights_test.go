// SPDX-License-Identifier: Apache-2.0

package rights

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verification"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/events"
)

func TestTheProgramsMayDoWhatTheyNeedAndNoMore(t *testing.T) {
	for folder, namespace := range map[string]string{
		"default":    "shop",
		"namespaced": system, // the only one that there are rights in
	} {
		t.Run(folder, func(t *testing.T) {
			s := newStory(t, folder, namespace)
			finished := false
			defer func() {
				if !finished { // What was refused is why the story did not go on; else what each goroutine waits for.
					s.dump()
					s.refusals(manager)
					s.refusals(receiver)
				}
			}()
			s.run()
			finished = true
			s.checkRights(manager)
			s.checkRights(receiver)
		})
	}
}

// story is what happens in a cluster and at Cloudinary, from the first manifest to the last that is deleted.
type story struct {
	*cluster
	namespace string
	sim       *simulator.Simulator
	simURL    string
	catalog   *catalog
	web       *http.Client
	programs  []*program

	notifications, probes, managerMetrics, receiverMetrics, store string
}

// newKey is what the Secret is changed to.
func newKey() simulator.Credentials {
	return simulator.Credentials{APIKey: "987654321098765", APISecret: "the-second-one"}
}

func newStory(t *testing.T, folder, namespace string) *story {
	t.Helper()
	c := newCluster(t, folder)
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // the programs' certificates are signed by nobody
	t.Cleanup(transport.CloseIdleConnections)
	s := &story{
		cluster: c, namespace: namespace, web: &http.Client{Transport: transport, Timeout: 20 * time.Second}, store: t.TempDir(),
		notifications: testenv.FreeAddress(t), probes: testenv.FreeAddress(t), managerMetrics: testenv.FreeAddress(t), receiverMetrics: testenv.FreeAddress(t),
	}
	var err error
	s.sim, err = simulator.New(simulator.Options{
		RateLimit: 1_000_000, // a list each second is more than a plan allows
		Clock:     time.Now, AdditionalCredentials: []simulator.Credentials{newKey()},
		// Long enough for somebody else to write an object between a pass's look at it and its write.
		Latency:  30 * time.Millisecond,
		Delivery: simulator.DeliveryOptions{Forwards: []simulator.Forward{{From: "https://hooks.example.com", To: "http://" + s.notifications}}},
	})
	s.must(err)
	server := httptest.NewServer(s.sim)
	t.Cleanup(server.Close)
	t.Cleanup(func() { s.sim.Close(context.Background()) }) // what it did not send is not what this is about
	s.simURL = server.URL
	if namespace != system {
		s.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})
	}
	s.catalog = s.newCatalog()
	return s
}

// startBoth starts manager and receiver, and waits until they have read what they watch.
func (s *story) startBoth(env ...string) {
	s.Helper()
	s.programs = []*program{
		s.start(manager, env, "--leader-election-namespace="+system, "--allow-insecure-api-base", "--allowed-api-bases="+s.simURL, "--receiver-base-url=https://hooks.example.com",
			"--sync-interval=1s", "--min-list-interval=200ms", "--settle-time=1s", "--verification-key-grace=1h",
			"--call-timeout=3s", "--leader-election-lease-duration=4s", "--leader-election-renew-deadline=3s", "--leader-election-retry-period=500ms",
			"--metrics-bind-address="+s.managerMetrics, "--health-probe-bind-address=0"),
		s.start(receiver, env, "--namespace="+system, "--store-dir="+s.store, "--notifications-bind-address="+s.notifications,
			"--metrics-bind-address="+s.receiverMetrics, "--health-probe-bind-address="+s.probes, "--admin-bind-address=0", "--shutdown-delay=0s", "--verbose-refusals"),
	}
	s.eventually(func() error { return s.answers("http://"+s.probes+"/readyz", "", "", http.StatusOK) })
}

func (s *story) run() {
	s.startBoth()
	s.register()
	s.notify()
	s.change()
	s.rotate()
	s.redrive()
	s.scrape()
	s.collide()
	for _, p := range s.programs {
		s.web.CloseIdleConnections()
		p.stop()
	}
	// Clients of older API servers, and of those that do not stream lists, read by list and watch.
	s.startBoth("KUBE_FEATURE_WatchListClient=false")
	s.asked(manager, right{group: "notifications.cloudinary.dev", resource: "cloudinarytriggers", verb: "list"})
	s.clean()
}

func (s *story) eventually(check func() error) {
	s.Helper()
	testenv.Eventually(s.T, patience, func() error {
		for _, p := range s.programs {
			select {
			case <-p.ended:
				s.Fatalf("%s has ended: %v", p.command.Path, p.err)
			default:
			}
		}
		return check()
	})
}

// dump has the programs log what their goroutines do, and ends them.
func (s *story) dump() {
	for _, p := range s.programs {
		_ = p.command.Process.Signal(syscall.SIGQUIT) // it may have ended
		select {
		case <-p.ended:
		case <-time.After(10 * time.Second):
		}
	}
}

func (s *story) answers(url, token, body string, want int) error {
	if got, err := s.answer(s.web, url, token, body); err != nil || got != want {
		return fmt.Errorf("%s answers %d, %w", url, got, err)
	}
	return nil
}

// asked waits until the audit log has a request.
func (s *story) asked(account string, want right) {
	s.Helper()
	s.eventually(func() error { return s.hasAsked(account, want) })
}

func (s *story) hasAsked(account string, want right) error {
	requests, err := readAudit(s.audit, "system:serviceaccount:"+system+":"+account)
	if err != nil {
		return err
	}
	if len(unused([]right{want}, requests)) > 0 {
		return fmt.Errorf("%s has not asked for %s", account, want)
	}
	return nil
}

func (s *story) meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: s.namespace, Name: name}
}

func (s *story) credentials(of simulator.Credentials) map[string]string {
	return map[string]string{"CLOUDINARY_URL": fmt.Sprintf("cloudinary://%s:%s@%s?upload_prefix=%s",
		of.APIKey, of.APISecret, simulator.DefaultCloud, s.simURL)}
}

// register is what a user begins with.
func (s *story) register() {
	s.Helper()
	s.create(
		&v1alpha1.NotificationEndpoint{
			ObjectMeta: s.meta("media"),
			Spec: v1alpha1.NotificationEndpointSpec{
				CredentialsSecretRef: v1alpha1.LocalSecretReference{Name: "cloudinary"},
				Receiver: &v1alpha1.ReceiverSpec{DeliverTo: []v1alpha1.DeliveryTarget{
					{Name: "catalog", Service: s.catalog.target()},
					{Name: "describe", Event: &v1alpha1.EventTarget{}},
				}},
			},
		},
		&v1alpha1.CloudinaryTrigger{
			ObjectMeta: s.meta("images"),
			Spec:       v1alpha1.CloudinaryTriggerSpec{EndpointRef: v1alpha1.EndpointReference{Name: "media"}, EventTypes: []string{"upload"}},
		},
		&corev1.Secret{
			ObjectMeta: s.meta("cloudinary"),
			StringData: s.credentials(simulator.Credentials{APIKey: simulator.DefaultAPIKey, APISecret: simulator.DefaultAPISecret}),
		},
	)
	s.registered("upload")
	s.eventually(func() error { // with its keys: what has no signature is refused for that
		endpoint := &v1alpha1.NotificationEndpoint{ObjectMeta: s.meta("media")}
		if err := s.client.Get(s.Context(), client.ObjectKeyFromObject(endpoint), endpoint); err != nil {
			return err
		}
		return s.answers(strings.Replace(endpoint.Status.URL, "https://hooks.example.com", "http://"+s.notifications, 1), "", "{}", http.StatusUnauthorized)
	})
}

// registered waits until Cloudinary has the event types, and the trigger is Ready.
func (s *story) registered(eventTypes ...string) {
	s.Helper()
	s.eventually(func() error {
		var got []string
		for _, t := range s.sim.Triggers() {
			got = append(got, t.EventType)
		}
		slices.Sort(got)
		var t v1alpha1.CloudinaryTrigger
		err := s.client.Get(s.Context(), client.ObjectKey{Namespace: s.namespace, Name: "images"}, &t)
		ready := t.Status.ObservedGeneration != nil && *t.Status.ObservedGeneration == t.Generation && meta.IsStatusConditionTrue(t.Status.Conditions, v1alpha1.ConditionReady)
		if err != nil || !ready || !slices.Equal(got, eventTypes) {
			return fmt.Errorf("ready %v, Cloudinary has %q, want %q: conditions %v, %w", ready, got, eventTypes, t.Status.Conditions, err)
		}
		return nil
	})
}

// notify has a notification arrive: at the Service, as an Event, and in the status of both kinds.
func (s *story) notify() {
	s.Helper()
	_, err := s.sim.Notify(simulator.Notification{EventType: "upload"})
	s.must(err)
	s.eventually(func() error { return s.catalog.has(1) })
	s.eventually(func() error { return s.hasEvent("Upload", "CloudinaryTrigger") })
	s.eventually(func() error {
		var t v1alpha1.CloudinaryTrigger
		var e v1alpha1.NotificationEndpoint
		err := errors.Join(s.client.Get(s.Context(), client.ObjectKey{Namespace: s.namespace, Name: "images"}, &t),
			s.client.Get(s.Context(), client.ObjectKey{Namespace: s.namespace, Name: "media"}, &e))
		if err != nil || t.Status.LastNotification == nil || !meta.IsStatusConditionTrue(e.Status.Conditions, v1alpha1.ConditionDelivering) {
			return fmt.Errorf("no status tells of the notification: %v, %v, %w", t.Status.LastNotification, e.Status.Conditions, err)
		}
		return nil
	})
}

func (s *story) hasEvent(reason, kind string) error {
	var list eventsv1.EventList
	if err := s.client.List(s.Context(), &list, client.InNamespace(s.namespace)); err != nil {
		return err
	}
	found := func(e eventsv1.Event) bool {
		return e.Reason == reason && e.Regarding.Kind == kind && e.ReportingController == events.ReportingController
	}
	if !slices.ContainsFunc(list.Items, found) {
		return fmt.Errorf("of %d Events none is %s on a %s", len(list.Items), reason, kind)
	}
	return nil
}

// merge changes an object as a user does.
func (s *story) merge(o client.Object, patch string) {
	s.Helper()
	s.must(s.client.Patch(s.Context(), o, client.RawPatch("application/merge-patch+json", []byte(patch))))
}

// change has another event type registered, and drift put right, of which the manager leaves an Event.
func (s *story) change() {
	s.Helper()
	s.merge(&v1alpha1.CloudinaryTrigger{ObjectMeta: s.meta("images")}, `{"spec":{"eventTypes":["delete","upload"]}}`)
	s.registered("delete", "upload")
	trigger := s.sim.Triggers()[0]
	req, err := http.NewRequestWithContext(s.Context(), http.MethodDelete,
		s.simURL+"/v1_1/"+simulator.DefaultCloud+"/triggers/"+trigger.ID, http.NoBody)
	s.must(err)
	req.SetBasicAuth(simulator.DefaultAPIKey, simulator.DefaultAPISecret)
	res, err := s.web.Do(req)
	s.must(err)
	s.must(res.Body.Close())
	s.registered("delete", "upload")
	s.asked(manager, right{group: "events.k8s.io", resource: "events", verb: "create"})
}

// rotate replaces the credentials, which the receiver is to verify with too.
func (s *story) rotate() {
	s.Helper()
	secret := &corev1.Secret{ObjectMeta: s.meta("cloudinary")}
	s.merge(secret, fmt.Sprintf(`{"stringData":{"CLOUDINARY_URL":%q}}`, s.credentials(newKey())["CLOUDINARY_URL"]))
	s.eventually(func() error {
		var keys corev1.Secret
		if err := s.client.Get(s.Context(), client.ObjectKey{Namespace: system, Name: verification.SecretName}, &keys); err != nil {
			return err
		}
		if !strings.Contains(fmt.Sprintf("%s", slices.Collect(maps.Values(keys.Data))), newKey().APIKey) {
			return errors.New("the receiver has not got the new key")
		}
		return nil
	})
	s.registered("delete", "upload")
}

// redrive has a dead letter delivered again.
func (s *story) redrive() {
	s.Helper()
	s.catalog.refuse.Store(true)
	_, err := s.sim.Notify(simulator.Notification{EventType: "upload"})
	s.must(err)
	endpoint := &v1alpha1.NotificationEndpoint{ObjectMeta: s.meta("media")}
	s.eventually(func() error {
		if err := s.client.Get(s.Context(), client.ObjectKeyFromObject(endpoint), endpoint); err != nil {
			return err
		}
		c := meta.FindStatusCondition(endpoint.Status.Conditions, v1alpha1.ConditionDelivering)
		if c == nil || c.Reason != v1alpha1.ReasonDeadLetters {
			return fmt.Errorf("there is no dead letter: %v", c)
		}
		return nil
	})
	s.catalog.refuse.Store(false)
	s.merge(endpoint, `{"metadata":{"annotations":{"`+v1alpha1.AnnotationRedrive+`":"1"}}}`)
	s.eventually(func() error { return s.catalog.has(2) })
	s.eventually(func() error { return s.hasEvent(events.ReasonRedriven, "NotificationEndpoint") })
}

// scrape reads the metrics of both programs as Prometheus does.
func (s *story) scrape() {
	s.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "prometheus"}}
	s.create(account, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "prometheus"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: prefix + "metrics-reader"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: account.Namespace, Name: account.Name}},
	})
	token := s.token(account.Namespace, account.Name)
	for deployment, address := range map[string]string{manager: s.managerMetrics, receiver: s.receiverMetrics} {
		container, _ := s.container(deployment)
		url := "https://" + address + "/metrics"
		if slices.Contains(container.Args, "--metrics-secure=false") {
			url = "http://" + address + "/metrics"
		} else {
			s.must(s.answers(url, "", "", http.StatusUnauthorized))
		}
		s.eventually(func() error { return s.answers(url, token, "", http.StatusOK) })
	}
}

// collide has somebody write both objects while the manager is about to: it reads them again. Labels mean nothing to it.
func (s *story) collide() {
	s.Helper()
	const group = "notifications.cloudinary.dev"
	n := 0
	s.eventually(func() error {
		n++
		s.merge(&v1alpha1.CloudinaryTrigger{ObjectMeta: s.meta("images")}, fmt.Sprintf(`{"spec":{"additive":%t},"metadata":{"labels":{"n":"%d"}}}`, n%2 == 0, n))
		s.merge(&v1alpha1.NotificationEndpoint{ObjectMeta: s.meta("media")},
			fmt.Sprintf(`{"spec":{"receiver":{"verification":{"maxAge":"%dh"}}},"metadata":{"labels":{"n":"%d"}}}`, 2+n%2, n))
		return errors.Join(
			s.hasAsked(manager, right{group: group, resource: "cloudinarytriggers", verb: "get"}),
			s.hasAsked(manager, right{group: group, resource: "notificationendpoints", verb: "get"}))
	})
	s.registered("delete", "upload")
}

// clean deletes everything, the Secret first.
func (s *story) clean() {
	s.Helper()
	objects := []client.Object{
		&corev1.Secret{ObjectMeta: s.meta("cloudinary")}, &v1alpha1.NotificationEndpoint{ObjectMeta: s.meta("media")},
		&v1alpha1.CloudinaryTrigger{ObjectMeta: s.meta("images")},
	}
	for _, o := range objects {
		s.must(s.client.Delete(s.Context(), o))
	}
	for _, o := range objects {
		s.eventually(func() error {
			if err := s.client.Get(s.Context(), client.ObjectKeyFromObject(o), o); !apierrors.IsNotFound(err) {
				return fmt.Errorf("%T %s is still there: finalizers %q, %w", o, o.GetName(), o.GetFinalizers(), err)
			}
			return nil
		})
	}
	if left := s.sim.Triggers(); len(left) > 0 {
		s.Errorf("triggers are left at Cloudinary: %+v", left)
	}
}
