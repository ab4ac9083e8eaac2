// SPDX-License-Identifier: Apache-2.0

// Package watch keeps the receiver's routes as the API server has them: endpoints, triggers, and the one Secret with
// verification keys. It reads no other Secret, writes nothing at the API server, and serves the routes of the last run until it
// has read the present ones.
package watch

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/kube"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verification"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

// Options is what a Watcher works with.
type Options struct {
	Client *kube.Client
	// Namespaces are those whose endpoints and triggers are served; none: all.
	Namespaces []string
	// SecretNamespace is where the manager keeps the verification keys.
	SecretNamespace string
	// SnapshotDir keeps the routes over a restart. It must be there.
	SnapshotDir string
	// OnTable is told of each new table, after Table has it.
	OnTable func(*route.Table)
	Now     func() time.Time
	Logger  logr.Logger
}

// Watcher keeps a table of routes.
type Watcher struct {
	Options
	table    atomic.Pointer[route.Table]
	dirty    chan struct{}
	compiled map[types.NamespacedName]compiled
	// served are the configs of the table.
	served []route.Config
	saver  *saver
	// keys are those of the Secret of keysVersion.
	keys        map[verification.Environment]verification.Keys
	keysVersion string
	// ends is when something in the table of the last run does, such as a key.
	ends time.Time

	endpoints *kube.Informer[*v1alpha1.NotificationEndpoint]
	triggers  *kube.Informer[*route.KeptTrigger]
	secrets   *kube.Informer[*corev1.Secret]
}

// compiled is an endpoint and what it was made from, so that a change of one does not make all of them anew.
type compiled struct {
	config   route.Config
	endpoint *route.Endpoint
	until    time.Time
	problems string
}

// settle is how long further changes are waited for, so that many at once make one table. Where that takes longer it is as long, so that
// objects that change all the time leave half of a processor to requests, but no longer than maxSettle: others' changes wait as well.
const (
	settle    = 50 * time.Millisecond
	maxSettle = 500 * time.Millisecond
)

// New makes a watcher. It watches nothing before Run.
func New(o Options) (*Watcher, error) {
	w := &Watcher{Options: o, dirty: make(chan struct{}, 1), compiled: map[types.NamespacedName]compiled{}, saver: newSaver(&o)}
	scope := kube.Scope{Namespaces: o.Namespaces}
	var errs [3]error
	w.endpoints, errs[0] = kube.NewInformer(o.Client, &v1alpha1.NotificationEndpoint{}, &v1alpha1.NotificationEndpointList{}, scope, route.KeepEndpoint, w.wake)
	w.triggers, errs[1] = kube.NewInformer(o.Client, &v1alpha1.CloudinaryTrigger{}, &v1alpha1.CloudinaryTriggerList{}, scope, route.KeepTrigger, w.wake)
	// The one Secret that the receiver may read.
	scope = kube.Scope{Namespaces: []string{o.SecretNamespace}, Fields: "metadata.name=" + verification.SecretName}
	w.secrets, errs[2] = kube.NewInformer(o.Client, &corev1.Secret{}, &corev1.SecretList{}, scope, kube.Whole[*corev1.Secret], w.wake)
	return w, errors.Join(errs[:]...)
}

// Endpoint and Trigger return an object as it was seen last, or nil. It must not be changed. It has what names it, and the receiver's part of
// its status; an endpoint has its spec as well.
func (w *Watcher) Endpoint(key types.NamespacedName) *v1alpha1.NotificationEndpoint {
	found, _ := w.endpoints.Get(key)
	return found
}

// Trigger is like Endpoint.
func (w *Watcher) Trigger(key types.NamespacedName) *v1alpha1.CloudinaryTrigger {
	found, ok := w.triggers.Get(key)
	if !ok {
		return nil
	}
	return &found.CloudinaryTrigger
}

// Table is the present table, nil until there is one.
func (w *Watcher) Table() *route.Table { return w.table.Load() }

// Restore serves the routes that were saved last, if there are any. It may be called before Run, once no other process has the folder.
func (w *Watcher) Restore() {
	if err := route.RemoveLeftovers(w.SnapshotDir); err != nil {
		w.Logger.Error(err, "a file with verification keys is left behind")
	}
	configs, err := route.LoadSnapshot(w.SnapshotDir)
	if err != nil {
		w.Logger.Error(err, "the routes of the last run are not served")
		return
	}
	if configs == nil {
		return
	}
	w.served = configs
	w.saver.saved(configs)
	w.ends = w.serve(configs)
	w.Logger.Info("serving the routes of the last run until the API server has answered", "endpoints", len(configs))
}

// Run keeps the table up to date until ctx ends.
func (w *Watcher) Run(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { w.endpoints.Run(ctx) })
	running.Go(func() { w.triggers.Run(ctx) })
	running.Go(func() { w.secrets.Run(ctx) })
	for !w.endpoints.HasSynced() || !w.triggers.HasSynced() || !w.secrets.HasSynced() {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(settle):
		}
		if !w.ends.IsZero() && !w.Now().Before(w.ends) {
			w.ends = w.serve(w.served)
		}
	}
	// What is served last is saved as well.
	saving, stop := context.WithCancel(context.WithoutCancel(ctx))
	running.Go(func() { w.saver.run(saving) })
	defer stop()
	w.wake()
	w.follow(ctx)
	return nil
}

func (w *Watcher) wake() {
	select {
	case w.dirty <- struct{}{}:
	default: // it will be looked at anyway
	}
}

func (w *Watcher) follow(ctx context.Context) {
	ends := time.NewTimer(time.Hour)
	defer ends.Stop()
	pause := settle
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.dirty:
		case <-ends.C:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		begin := w.Now()
		until := w.rebuild()
		pause = min(max(settle, w.Now().Sub(begin)), maxSettle)
		wait := time.Hour
		if !until.IsZero() {
			wait = max(settle, until.Sub(w.Now()))
		}
		ends.Reset(wait)
	}
}

// rebuild makes the table anew from what was read. until is when the first thing in it ends, such as a key.
func (w *Watcher) rebuild() (until time.Time) {
	w.readKeys()
	configs := route.Configs(w.endpoints.All(), w.triggers.All(), w.keys)
	route.Remember(w.served, configs, w.Now())
	w.served = configs
	until = w.serve(configs)
	w.saver.want(configs)
	return until
}

// readKeys reads the Secret with verification keys, if it is another one than the last time.
func (w *Watcher) readKeys() {
	secret, ok := w.secrets.Get(types.NamespacedName{Namespace: w.SecretNamespace, Name: verification.SecretName})
	if !ok {
		w.keys, w.keysVersion = nil, ""
		return
	}
	if secret.ResourceVersion == w.keysVersion {
		return
	}
	keys, problems := verification.DecodeSecret(secret.Data)
	if len(problems) > 0 {
		w.Logger.Error(errors.Join(problems...), "some verification keys cannot be used", "secret", secret.Name)
	}
	w.keys, w.keysVersion = keys, secret.ResourceVersion
}

// serve puts a table of these endpoints in the place of the present one.
func (w *Watcher) serve(configs []route.Config) (until time.Time) {
	now := w.Now()
	next := make(map[types.NamespacedName]compiled, len(configs))
	endpoints := make([]*route.Endpoint, 0, len(configs))
	for i := range configs {
		c := w.compile(configs[i], now)
		next[configs[i].Key] = c
		endpoints = append(endpoints, c.endpoint)
		if !c.until.IsZero() && (until.IsZero() || c.until.Before(until)) {
			until = c.until
		}
	}
	w.compiled = next
	table := route.NewTable(endpoints)
	w.table.Store(table)
	if w.OnTable != nil {
		w.OnTable(table)
	}
	return until
}

// compile makes an endpoint, or takes the one there is if nothing has changed. What is wrong with it is logged once; the manager
// tells of it in its conditions.
func (w *Watcher) compile(config route.Config, now time.Time) compiled {
	before, known := w.compiled[config.Key]
	if known && (before.until.IsZero() || now.Before(before.until)) && reflect.DeepEqual(before.config, config) {
		return before
	}
	c := compiled{config: config}
	var problems []error
	if c.endpoint, c.until, problems = config.Compile(now); len(problems) > 0 {
		err := errors.Join(problems...)
		if c.problems = err.Error(); c.problems != before.problems {
			w.Logger.Error(err, "an endpoint is served without what cannot be used of it", "endpoint", config.Key)
		}
	}
	if !known || (before.endpoint.Policy == nil) != (c.endpoint.Policy == nil) {
		w.Logger.Info("serving an endpoint", "endpoint", config.Key, "keys", len(config.Keys), "targets", len(config.Targets))
	}
	return c
}
