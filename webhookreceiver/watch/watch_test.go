// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/kube"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verification"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

const system = "cloudinary-operator-system"

var env *testenv.Env

func TestMain(m *testing.M) { os.Exit(testenv.Run(m, func(e *testenv.Env) { env = e })) }

// clock goes on only when it is told to.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

// start runs a watcher with the API server of config until the test or stop ends it.
func start(t *testing.T, config *rest.Config, dir string, now *clock) (w *Watcher, stop func()) {
	t.Helper()
	c, err := kube.New(config)
	if err != nil {
		t.Fatal(err)
	}
	w, err = New(Options{Client: c, SecretNamespace: system, SnapshotDir: dir, Now: now.Now, Logger: logr.Discard()})
	if err != nil {
		t.Fatal(err)
	}
	w.Restore()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := w.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	stop = func() { cancel(); running.Wait() }
	t.Cleanup(stop)
	return w, stop
}

func create(t *testing.T, objects ...client.Object) {
	t.Helper()
	for _, o := range objects {
		if err := env.Client.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = env.Client.Delete(context.Background(), o) })
	}
}

func namespace(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

// secretOf is the manager's Secret with one environment's keys.
func secretOf(t *testing.T, keys ...verification.Key) *corev1.Secret {
	t.Helper()
	e := verification.Environment{APIBase: "https://api.cloudinary.com", CloudName: "demo"}
	for i := range keys {
		keys[i].Sources = []string{"watch-shop/cloudinary"}
	}
	raw, err := verification.Keys{Environment: e, Keys: keys}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: system, Name: verification.SecretName},
		Data:       map[string][]byte{verification.EntryName(e): raw},
	}
}

// takes reports whether an endpoint takes what is signed with a secret.
func takes(e *route.Endpoint, secret string, now time.Time) bool {
	if e == nil || e.Policy == nil {
		return false
	}
	timestamp := strconv.FormatInt(now.Unix(), 10)
	sum := sha256.Sum256([]byte("{}" + timestamp + secret))
	_, rejection := e.Policy.Verify(notification.Signed{Body: []byte("{}"), Timestamp: timestamp, Signature: hex.EncodeToString(sum[:])}, now)
	return rejection == ""
}

func become(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 4800 {
		if is() {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Fatalf("%s: not within 2 minutes", what)
}

func TestRoutesFollowTheAPIServerAndOutliveIt(t *testing.T) {
	begin := time.Unix(1_795_000_000, 0)
	now := &clock{now: begin}
	dir := t.TempDir()
	w, stop := start(t, env.Config, dir, now)
	media := types.NamespacedName{Namespace: "watch-shop", Name: "media"}

	become(t, "an empty table once all is read", func() bool { return w.Table() != nil })
	ep := &v1alpha1.NotificationEndpoint{
		ObjectMeta: metav1.ObjectMeta{Namespace: media.Namespace, Name: media.Name},
		Spec: v1alpha1.NotificationEndpointSpec{
			CredentialsSecretRef: v1alpha1.LocalSecretReference{Name: "cloudinary"}, Receiver: &v1alpha1.ReceiverSpec{BaseURL: "https://hooks.example.com"},
		},
	}
	create(t, namespace(media.Namespace), namespace(system), ep)
	become(t, "the endpoint is served, without a key", func() bool { e := w.Table().Lookup(media); return e != nil && e.Policy == nil })

	ep.Status.Environment = &v1alpha1.EnvironmentStatus{APIBase: "https://api.cloudinary.com", CloudName: "demo"}
	if err := env.Client.Status().Update(t.Context(), ep); err != nil {
		t.Fatal(err)
	}
	secret := secretOf(t, verification.Key{ID: "1", Secret: "old"})
	// Another Secret of that namespace is none of the receiver's business.
	create(t, secret, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: system, Name: "other"}})
	become(t, "its key is there", func() bool { return takes(w.Table().Lookup(media), "old", begin) })
	if n := len(w.secrets.All()); n != 1 {
		t.Errorf("%d Secrets are kept, want the one with the keys", n)
	}

	// Both keys count until the old one ends.
	ends := begin.Add(time.Minute)
	secret.Data = secretOf(t, verification.Key{ID: "2", Secret: "new"}, verification.Key{ID: "1", Secret: "old", NotAfter: &ends}).Data
	if err := env.Client.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	become(t, "the new key is there", func() bool { return takes(w.Table().Lookup(media), "new", begin) })
	if !takes(w.Table().Lookup(media), "old", begin) {
		t.Error("the old key does not count any more")
	}

	// The API server goes away; a restart serves what was there.
	stop()
	nowhere := rest.CopyConfig(env.Config)
	nowhere.Host = "http://127.0.0.1:1"
	w, _ = start(t, nowhere, dir, now)
	if e := w.Table().Lookup(media); !takes(e, "new", begin) || !takes(e, "old", begin) {
		t.Error("the routes of the last run are not served")
	}
	now.set(ends)
	become(t, "a key has ended while the API server is away", func() bool {
		e := w.Table().Lookup(media)
		return takes(e, "new", ends) && !takes(e, "old", ends)
	})
	w, _ = start(t, nowhere, dir, now)
	if e := w.Table().Lookup(media); !takes(e, "new", ends) || takes(e, "old", ends) {
		t.Error("a key that ended while nothing ran counts, or the other does not")
	}
}

// Whose namespace has the right labels is the manager's to know. What it found is believed; what somebody writes who may apply manifests is not.
func TestATriggerOfASelectedNamespaceCountsOnceTheManagerHasSaidSo(t *testing.T) {
	w, _ := start(t, env.Config, t.TempDir(), &clock{now: time.Unix(1_795_000_000, 0)})
	media := types.NamespacedName{Namespace: "watch-selecting", Name: "media"}
	accepted := metav1.Condition{
		Type: v1alpha1.ConditionAccepted, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonAccepted, ObservedGeneration: 1, LastTransitionTime: metav1.Unix(1, 0),
	}
	from := func(name string) *v1alpha1.CloudinaryTrigger {
		tr := &v1alpha1.CloudinaryTrigger{
			ObjectMeta: metav1.ObjectMeta{Namespace: "watch-team", Name: name},
			Spec: v1alpha1.CloudinaryTriggerSpec{
				EndpointRef: v1alpha1.EndpointReference{Namespace: media.Namespace, Name: media.Name}, EventTypes: []string{"upload"},
				PayloadTemplate: &runtime.RawExtension{Raw: []byte(`{"kind":"{{event.type}}"}`)},
			},
		}
		tr.Status.Conditions = []metav1.Condition{accepted}
		return tr
	}
	selecting := &v1alpha1.NotificationEndpoint{
		ObjectMeta: metav1.ObjectMeta{Namespace: media.Namespace, Name: media.Name},
		Spec: v1alpha1.NotificationEndpointSpec{
			CredentialsSecretRef: v1alpha1.LocalSecretReference{Name: "cloudinary"}, Receiver: &v1alpha1.ReceiverSpec{},
			AllowedTriggers: &v1alpha1.AllowedTriggers{Namespaces: v1alpha1.AllowedNamespaces{
				From: v1alpha1.NamespacesFromSelector, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"media": "yes"}},
			}},
		},
	}
	judged := from("judged")
	create(t, namespace(media.Namespace), namespace("watch-team"), selecting, from("forged"), judged)
	judged.Status.Conditions = []metav1.Condition{accepted}
	if err := env.Client.Status().Update(t.Context(), judged); err != nil {
		t.Fatal(err)
	}
	counts := func() (names []string) {
		if e := w.Table().Lookup(media); e != nil {
			for _, tr := range e.Triggers {
				names = append(names, tr.Key.Name)
			}
		}
		return names
	}
	become(t, "the trigger that was judged counts", func() bool { return slices.Contains(counts(), "judged") })
	if got := counts(); len(got) != 1 {
		t.Errorf("%v count, and one of them has written its status itself", got)
	}
	if paths := w.Table().Lookup(media).TypePaths; paths.Len() != 1 {
		t.Errorf("its bodies have their type at %v", paths)
	}

	judged.Status.Conditions[0].Status, judged.Status.Conditions[0].Reason = metav1.ConditionFalse, v1alpha1.ReasonEndpointNotAllowed
	if err := env.Client.Status().Update(t.Context(), judged); err != nil {
		t.Fatal(err)
	}
	become(t, "it counts no longer", func() bool { return len(counts()) == 0 })
}

// Bodies that were made before an edit of the template come after it, and after a restart that falls in between.
func TestTheTemplateBeforeIsRememberedOverARestart(t *testing.T) {
	begin, dir := time.Unix(1_795_000_000, 0), t.TempDir()
	now := &clock{now: begin}
	w, stop := start(t, env.Config, dir, now)
	media := types.NamespacedName{Namespace: "watch-template", Name: "media"}
	tr := &v1alpha1.CloudinaryTrigger{
		ObjectMeta: metav1.ObjectMeta{Namespace: media.Namespace, Name: "images"},
		Spec: v1alpha1.CloudinaryTriggerSpec{
			EndpointRef: v1alpha1.EndpointReference{Name: media.Name}, EventTypes: []string{"upload", "delete"},
			PayloadTemplate: &runtime.RawExtension{Raw: []byte(`{"kind":"{{event.type}}"}`)},
		},
	}
	create(t, namespace(media.Namespace), tr, &v1alpha1.NotificationEndpoint{
		ObjectMeta: metav1.ObjectMeta{Namespace: media.Namespace, Name: media.Name},
		Spec: v1alpha1.NotificationEndpointSpec{
			CredentialsSecretRef: v1alpha1.LocalSecretReference{Name: "cloudinary"}, Receiver: &v1alpha1.ReceiverSpec{},
		},
	})
	typeOf := func(body string) string {
		e := w.Table().Lookup(media)
		if e == nil {
			return ""
		}
		return notification.EventType([]byte(body), notification.Notification{}, e.TypePaths, e.SoleTemplatedType)
	}
	const before, after = `{"kind":"upload"}`, `{"event":"delete"}`
	become(t, "its bodies tell their type", func() bool { return typeOf(before) == "upload" })
	stop()

	tr.Spec.PayloadTemplate.Raw = []byte(`{"event":"{{event.type}}"}`)
	if err := env.Client.Update(t.Context(), tr); err != nil {
		t.Fatal(err)
	}
	w, _ = start(t, env.Config, dir, now)
	become(t, "bodies of the new template tell theirs", func() bool { return typeOf(after) == "delete" })
	if got := typeOf(before); got != "upload" {
		t.Errorf("a body of the template before is of type %s", got)
	}
	now.set(begin.Add(24 * time.Hour))
	tr.Status.Conditions = []metav1.Condition{{
		Type: v1alpha1.ConditionSynced, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonSynced, ObservedGeneration: tr.Generation, LastTransitionTime: metav1.Unix(1, 0),
	}}
	if err := env.Client.Status().Update(t.Context(), tr); err != nil {
		t.Fatal(err)
	}
	become(t, "Cloudinary has the new one", func() bool {
		configs, err := route.LoadSnapshot(dir)
		return err == nil && slices.ContainsFunc(configs, func(c route.Config) bool {
			return c.Key == media && len(c.Former) == 1 && !c.Former[0].Until.IsZero()
		})
	})
	if got := typeOf(before); got != "upload" {
		t.Errorf("a body of the template before, that Cloudinary tries once more, is of type %s", got)
	}
	now.set(begin.Add(25 * time.Hour))
	w.wake()
	become(t, "and is no longer expected an hour later", func() bool { return typeOf(before) == "unknown" })
}

// A public key that is none is one thing that is wrong, and not the end of the endpoint.
func TestOnePublicKeyThatIsNoneStopsNothing(t *testing.T) {
	begin, dir := time.Unix(1_795_000_000, 0), t.TempDir()
	now := &clock{now: begin}
	ends := begin.Add(time.Minute)
	c := route.Config{
		Key: types.NamespacedName{Namespace: "shop", Name: "media"}, UID: "u", MaxAge: time.Hour,
		Keys: []verification.Key{{ID: "2", Secret: "new"}, {ID: "1", Secret: "old", NotAfter: &ends}}, PublicKeys: []string{strings.Repeat("?", 64)},
	}
	if _, err := route.SaveSnapshot(dir, []route.Config{c}); err != nil {
		t.Fatal(err)
	}
	logged := 0
	w, err := New(Options{
		Client: nowhere(t), SecretNamespace: system, SnapshotDir: dir, Now: now.Now,
		Logger: funcr.New(func(_, args string) {
			if strings.Contains(args, "public key 0") {
				logged++
			}
		}, funcr.Options{}),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Restore()
	if e := w.Table().Lookup(c.Key); e == nil || !takes(e, "new", begin) || !takes(e, "old", begin) {
		t.Error("after a restart the endpoint is not served with the keys that are left")
	}
	now.set(ends)
	w.Restore()
	if e := w.Table().Lookup(c.Key); e == nil || !takes(e, "new", ends) || takes(e, "old", ends) {
		t.Error("a key that has ended counts, or the other does not")
	}
	c.Keys = append(c.Keys, verification.Key{ID: "3", Secret: "newer"})
	if _, err := route.SaveSnapshot(dir, []route.Config{c}); err != nil {
		t.Fatal(err)
	}
	w.Restore()
	if e := w.Table().Lookup(c.Key); e == nil || !takes(e, "newer", ends) {
		t.Error("a key that was added does not count")
	}
	if logged != 1 {
		t.Errorf("it was logged %d times, want once", logged)
	}
}

// A process that is killed while it saves the routes leaves a file with keys.
func TestWhatWasNotSavedWholeIsRemoved(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{".routes.json.123", "routes.json.456.tmp", "routes.json", "FORMAT"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(`{"version":1}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w, err := New(Options{Client: nowhere(t), SecretNamespace: system, SnapshotDir: dir, Now: time.Now, Logger: logr.Discard()})
	if err != nil {
		t.Fatal(err)
	}
	w.Restore()
	entries, err := os.ReadDir(dir)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if diff := cmp.Diff([]string{"FORMAT", "routes.json"}, names); diff != "" || err != nil {
		t.Errorf("left in the folder (-want +got), error %v:\n%s", err, diff)
	}
}

// nowhere is a client of an API server that is not there.
func nowhere(t *testing.T) *kube.Client {
	t.Helper()
	c, err := kube.New(&rest.Config{Host: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
