// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
)

// shape is a way to write the same triggers down.
type shape struct {
	name               string
	objectsPerEndpoint int
	secrets            int
}

func shapes() []shape {
	return []shape{
		{"few-objects", 1, 1},
		{"many-objects", len(notification.EventTypes()), 1},
		{"ten-secrets", 1, 10},
	}
}

func shapeNames() []string {
	var names []string
	for _, s := range shapes() {
		names = append(names, s.name)
	}
	return names
}

// world is a product environment, a namespace with the manifests for it, and a manager of its own.
type world struct {
	shape
	*cluster
	options   *options
	simulator *process
	manager   *process
	podUID    string

	simulatorURL, metricsURL, healthURL string

	triggers int
	want     map[objectKey]int64 // the generation in which each object is to be Ready
	urls     []string            // of the endpoints
}

func startWorld(ctx context.Context, c *cluster, o *options, s shape) (*world, error) {
	w := &world{shape: s, cluster: c, options: o, want: map[objectKey]int64{}, triggers: o.endpoints * len(notification.EventTypes())}
	if err := w.startSimulator(ctx); err != nil {
		return w, err
	}
	objects := []client.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.name}}}
	for i := range w.secrets {
		objects = append(objects, w.secret(i))
	}
	for _, object := range objects {
		if err := c.client.Create(ctx, object); err != nil {
			return w, err
		}
	}
	w.podUID = string(uuid.NewUUID())
	if err := w.startManager(ctx); err != nil {
		return w, err
	}
	return w, w.poll(ctx, 50*time.Millisecond, func() error { return w.managerReady(ctx) })
}

func (w *world) stop() {
	w.manager.stop()
	w.simulator.stop()
}

// poll calls check until it returns nil. After the timeout its last error is returned; that a process has ended, at once.
func (w *world) poll(ctx context.Context, every time.Duration, check func() error) error {
	deadline := time.Now().Add(w.options.timeout)
	for {
		err := check()
		if err == nil {
			return nil
		}
		if ended := errors.Join(w.simulator.failed(), w.manager.failed()); ended != nil {
			return ended
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not so within %s: %w", w.options.timeout, err)
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(every):
		}
	}
}

const cloud = "demo"

func apiKey(i int) (key, secret string) {
	return fmt.Sprintf("10000000000000%d", i), fmt.Sprintf("bench-secret-%d", i)
}

func (w *world) startSimulator(ctx context.Context) error {
	address, err := freePort(ctx)
	if err != nil {
		return err
	}
	key, secret := apiKey(0)
	args := []string{
		"--listen=" + address, "--cloud=" + cloud, "--api-key=" + key, "--api-secret=" + secret,
		"--rate-limit=1000000", // What an hour's budget of calls does is not measured here.
		"--latency=" + w.options.simulatorLatency.String(),
	}
	for i := 1; i < w.secrets; i++ {
		key, secret := apiKey(i)
		args = append(args, "--additional-credentials="+key+":"+secret)
	}
	if w.simulator, err = startProcess(ctx, w.cluster, w.name+"-simulator", nil, "cloudinary-sim", args...); err != nil {
		return err
	}
	w.simulatorURL = "http://" + address
	return w.poll(ctx, 50*time.Millisecond, func() error {
		_, err := adminCalls(ctx, w.simulatorURL)
		return err
	})
}

// startManager starts a container of the Pod, so to say: a container that was killed has the identity of the one before.
func (w *world) startManager(ctx context.Context) error {
	metrics, err := freePort(ctx)
	if err != nil {
		return err
	}
	health, err := freePort(ctx)
	if err != nil {
		return err
	}
	w.metricsURL, w.healthURL = "http://"+metrics, "http://"+health
	w.manager, err = startProcess(ctx, w.cluster, w.name+"-manager", []string{"POD_UID=" + w.podUID}, "manager",
		"--kubeconfig="+w.kubeconfig(),
		"--leader-elect", "--leader-election-namespace="+w.name,
		"--watch-namespaces="+w.name, // Each world has a manager of its own.
		"--metrics-bind-address="+metrics, "--metrics-secure=false", "--health-probe-bind-address="+health,
		"--allow-insecure-api-base", // The simulator speaks http.
		"--allowed-api-bases="+w.simulatorURL,
		"--sync-interval="+w.options.syncInterval.String(),
	)
	return err
}

func (w *world) managerReady(ctx context.Context) error {
	_, err := get(ctx, w.healthURL+"/readyz")
	return err
}

func (w *world) secret(i int) *corev1.Secret {
	key, secret := apiKey(i)
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.name, Name: secretName(i)},
		StringData: map[string]string{
			"CLOUDINARY_URL": fmt.Sprintf("cloudinary://%s:%s@%s?upload_prefix=%s", key, secret, cloud, w.simulatorURL),
		},
	}
}

func secretName(i int) string { return fmt.Sprintf("cloudinary-%d", i) }

func (w *world) endpoint(i int) *v1alpha1.NotificationEndpoint {
	return &v1alpha1.NotificationEndpoint{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.name, Name: endpointName(i)},
		Spec: v1alpha1.NotificationEndpointSpec{
			CredentialsSecretRef: v1alpha1.LocalSecretReference{Name: secretName(i % w.secrets)},
			URL:                  fmt.Sprintf("https://hooks.example.com/first/%d", i),
		},
	}
}

func endpointName(i int) string { return fmt.Sprintf("endpoint-%02d", i) }

func (w *world) trigger(name string, endpoint int, eventTypes []string) *v1alpha1.CloudinaryTrigger {
	return &v1alpha1.CloudinaryTrigger{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.name, Name: name},
		Spec: v1alpha1.CloudinaryTriggerSpec{
			EndpointRef: v1alpha1.EndpointReference{Name: endpointName(endpoint)},
			EventTypes:  eventTypes,
		},
	}
}

// createAll creates the endpoints and triggers one after the other, as kubectl apply does.
func (w *world) createAll(ctx context.Context) error {
	types := notification.EventTypes()
	each := len(types) / w.objectsPerEndpoint
	for i := range w.options.endpoints {
		endpoint := w.endpoint(i)
		w.urls = append(w.urls, endpoint.Spec.URL)
		if err := w.create(ctx, endpoint); err != nil {
			return err
		}
		for part := range w.objectsPerEndpoint {
			name := fmt.Sprintf("trigger-%02d-%02d", i, part)
			if err := w.create(ctx, w.trigger(name, i, types[part*each:(part+1)*each])); err != nil {
				return err
			}
		}
	}
	return nil
}

// moveAll gives every endpoint another URL.
func (w *world) moveAll(ctx context.Context) error {
	for i := range w.urls {
		w.urls[i] = fmt.Sprintf("https://hooks.example.com/second/%d", i)
		patch := client.RawPatch("application/merge-patch+json", fmt.Appendf(nil, `{"spec":{"url":%q}}`, w.urls[i]))
		if err := w.patch(ctx, w.endpoint(i), patch); err != nil {
			return err
		}
	}
	return nil
}

// splitAll lets a new object have half of the event types of each object.
func (w *world) splitAll(ctx context.Context) error {
	objects, err := w.list(ctx)
	if err != nil {
		return err
	}
	for _, t := range objects {
		half := t.DeepCopy()
		half.ObjectMeta = metav1.ObjectMeta{Namespace: t.Namespace, Name: t.Name + "-half"}
		half.Spec.EventTypes = t.Spec.EventTypes[len(t.Spec.EventTypes)/2:]
		if err := w.create(ctx, half); err != nil {
			return err
		}
	}
	for _, t := range objects {
		kept := t.Spec.EventTypes[:len(t.Spec.EventTypes)/2]
		patch := client.RawPatch("application/merge-patch+json",
			fmt.Appendf(nil, `{"spec":{"eventTypes":["%s"]}}`, strings.Join(kept, `","`)))
		if err := w.patch(ctx, &t, patch); err != nil {
			return err
		}
	}
	return nil
}

// renameAll replaces each object by one of another name and the same spec.
func (w *world) renameAll(ctx context.Context) error {
	objects, err := w.list(ctx)
	if err != nil {
		return err
	}
	for _, t := range objects {
		renamed := t.DeepCopy()
		renamed.ObjectMeta = metav1.ObjectMeta{Namespace: t.Namespace, Name: "renamed-" + t.Name}
		if err := w.create(ctx, renamed); err != nil {
			return err
		}
	}
	for _, t := range objects {
		key, _, _ := keyAndConditions(&t)
		delete(w.want, key)
		if err := w.client.Delete(ctx, &t); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) list(ctx context.Context) ([]v1alpha1.CloudinaryTrigger, error) {
	var all v1alpha1.CloudinaryTriggerList
	err := w.client.List(ctx, &all, client.InNamespace(w.name))
	return all.Items, err
}

func (w *world) create(ctx context.Context, o client.Object) error {
	if err := w.client.Create(ctx, o); err != nil {
		return err
	}
	key, _, _ := keyAndConditions(o)
	w.want[key] = o.GetGeneration()
	return nil
}

func (w *world) patch(ctx context.Context, o client.Object, patch client.Patch) error {
	if err := w.client.Patch(ctx, o, patch); err != nil {
		return err
	}
	key, _, _ := keyAndConditions(o)
	w.want[key] = o.GetGeneration()
	return nil
}

// versions are the resourceVersions of everything that a manager might write to.
func (w *world) versions(ctx context.Context) (map[objectKey]string, error) {
	versions := map[objectKey]string{}
	for kind, list := range map[string]client.ObjectList{
		"CloudinaryTrigger": &v1alpha1.CloudinaryTriggerList{}, "NotificationEndpoint": &v1alpha1.NotificationEndpointList{},
		"Secret": &corev1.SecretList{},
	} {
		if err := w.client.List(ctx, list, client.InNamespace(w.name)); err != nil {
			return nil, err
		}
		if err := eachItem(list, func(o client.Object) {
			versions[objectKey{kind, o.GetNamespace(), o.GetName()}] = o.GetResourceVersion()
		}); err != nil {
			return nil, err
		}
	}
	return versions, nil
}

// asExpected reports whether Cloudinary has each URL as often as there are event types, and nothing else.
func (w *world) asExpected(ctx context.Context) error {
	byURL, err := triggersByURL(ctx, w.simulatorURL)
	if err != nil {
		return err
	}
	want := len(notification.EventTypes())
	for _, url := range w.urls {
		if byURL[url] != want {
			return fmt.Errorf("%s: Cloudinary has %d triggers to %s, want %d", w.name, byURL[url], url, want)
		}
	}
	if len(byURL) != len(w.urls) {
		return fmt.Errorf("%s: Cloudinary has %d notification URLs, want %d", w.name, len(byURL), len(w.urls))
	}
	return nil
}

// keepLogs moves a failed world's logs to where they outlive the run.
func (c *cluster) keepLogs() string {
	kept, err := os.MkdirTemp("", "bench-logs-")
	if err != nil {
		return ""
	}
	if err := copyLogs(c.folder, kept); err != nil {
		return ""
	}
	return kept
}
