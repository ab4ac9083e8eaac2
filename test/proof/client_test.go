// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/statusapply"
)

// cache is what one process has seen of the API server: all changes up to a position in its log.
type cache struct {
	server   *apiServer
	objects  map[name]client.Object
	position int
	onChange func(before, after client.Object)
}

// newCache has seen the log up to a position, as the first list of a watch.
func newCache(server *apiServer, position int) *cache {
	c := &cache{server: server, objects: map[name]client.Object{}}
	c.see(position)
	return c
}

func (c *cache) see(position int) {
	for c.position < min(position, len(c.server.log)) {
		change := c.server.watched[c.position]
		c.position++
		if change.after == nil {
			delete(c.objects, nameOf(change.before))
		} else {
			c.objects[nameOf(change.after)] = change.after
		}
		if c.onChange != nil {
			c.onChange(change.before, change.after)
		}
	}
}

func (c *cache) names(kind string) []name {
	var names []name
	for n := range c.objects {
		if n.kind == kind {
			names = append(names, n)
		}
	}
	slices.SortFunc(names, name.compare)
	return names
}

// cachedClient is a manager's client: it reads from the process's cache and writes to the API
// server. What it does not know panics: the embedded interface is nil.
type cachedClient struct {
	client.Client
	p *process
}

func (c cachedClient) wait(disabled bool) {
	if c.p.run.ownWrites && !disabled {
		c.p.cache.see(c.p.lastWrite)
	}
}

// Get reads from the cache.
func (c cachedClient) Get(_ context.Context, key client.ObjectKey, into client.Object, opts ...client.GetOption) error {
	c.p.alive()
	c.wait((&client.GetOptions{}).ApplyOptions(opts).DisableReadYourWritesConsistency)
	n := nameOf(into)
	n.namespace, n.name = key.Namespace, key.Name
	o, ok := c.p.cache.objects[n]
	if !ok {
		return apierrors.NewNotFound(n.resource(), n.name)
	}
	return read(o, into)
}

// List reads from the cache. The items share with it, as those do that the manager asks for.
func (c cachedClient) List(_ context.Context, list client.ObjectList, opts ...client.ListOption) error {
	c.p.alive()
	options := (&client.ListOptions{}).ApplyOptions(opts)
	c.wait(options.DisableReadYourWritesConsistency)
	switch list := list.(type) {
	case *v1alpha1.CloudinaryTriggerList:
		c.p.read = map[name]*v1alpha1.CloudinaryTrigger{}
		for _, n := range c.p.cache.names(kindTrigger) {
			if t, ok := c.p.cache.objects[n].(*v1alpha1.CloudinaryTrigger); ok {
				c.p.read[n] = t
				list.Items = append(list.Items, *t)
			}
		}
		c.p.reached(after(readCache))
	case *v1alpha1.NotificationEndpointList:
		for _, n := range c.p.cache.names(kindEndpoint) {
			if ep, ok := c.p.cache.objects[n].(*v1alpha1.NotificationEndpoint); ok {
				list.Items = append(list.Items, *ep)
			}
		}
	default:
		return fmt.Errorf("a list of %T was asked for", list)
	}
	return nil
}

// Patch changes finalizers, and nothing else.
func (c cachedClient) Patch(ctx context.Context, o client.Object, patch client.Patch, _ ...client.PatchOption) error {
	raw, err := patch.Data(o)
	if err != nil {
		return err
	}
	var body struct {
		Metadata struct {
			ResourceVersion string   `json:"resourceVersion"`
			Finalizers      []string `json:"finalizers"`
		} `json:"metadata"`
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&body); err != nil {
		return fmt.Errorf("the simulation knows no such patch: %s: %w", raw, err)
	}
	n, op := nameOf(o), removesFinalizer(nameOf(o).kind)
	if slices.Contains(body.Metadata.Finalizers, v1alpha1.Finalizer) {
		op = addsFinalizer(n.kind)
	}
	err = c.p.write(ctx, op, n, func() (client.Object, error) {
		after, err := c.p.run.api.setFinalizers(n, body.Metadata.ResourceVersion, body.Metadata.Finalizers)
		if err != nil {
			return nil, err
		}
		return after, read(after, o)
	})
	if err != nil && op == addsFinalizer(n.kind) {
		c.p.unheld[n] = true
	}
	return err
}

// Status writes status.
func (c cachedClient) Status() client.SubResourceWriter { return statusWriter{p: c.p} }

type statusWriter struct {
	client.SubResourceWriter
	p *process
}

// Apply is a server-side apply.
func (w statusWriter) Apply(ctx context.Context, o runtime.ApplyConfiguration, _ ...client.SubResourceApplyOption) error {
	raw, err := json.Marshal(o)
	if err != nil {
		return err
	}
	var a applied
	if err := json.Unmarshal(raw, &a); err != nil {
		return err
	}
	n, op := a.name(), writeEndpoint
	if n.kind == kindTrigger {
		var status v1alpha1.CloudinaryTriggerStatus
		if err := json.Unmarshal(a.Status, &status); err != nil {
			return err
		}
		op = w.p.run.statusOperation(n, status)
	}
	return w.p.write(ctx, op, n, func() (client.Object, error) {
		after, err := w.p.run.api.applyStatus(a)
		if err != nil {
			return nil, err
		}
		if part, ok := o.(*statusapply.Configuration); ok {
			part.ResourceVersion = new(after.GetResourceVersion())
		}
		return after, nil
	})
}

// write carries out a write, unless it is lost, or the process ends before the answer comes.
func (p *process) write(ctx context.Context, o operation, n name, do func() (client.Object, error)) error {
	p.alive()
	p.intends(o, n)
	err := p.begins(ctx, o)
	if err == nil {
		err = p.writes(o, do)
	}
	p.intending = p.intending && apierrors.IsConflict(err)
	p.reached(after(o))
	return err
}

func (p *process) writes(o operation, do func() (client.Object, error)) error {
	if !p.unrivaled() {
		p.run.violated("process %d writes (%s), and another one leads", p.number, o)
	}
	fate := p.run.fateOfWrite()
	if fate == endsBefore {
		p.kill("on the way to " + string(o))
	}
	if fate == lostBefore {
		return apierrors.NewServiceUnavailable("the simulated API server is not there")
	}
	after, err := do()
	if fate == endsAfter {
		p.kill("during " + string(o))
	}
	if err != nil {
		return err
	}
	if fate == lostAfter {
		return apierrors.NewTimeoutError("the simulated API server took too long", 1)
	}
	if version, err := strconv.Atoi(after.GetResourceVersion()); err == nil {
		p.lastWrite = max(p.lastWrite, version)
	}
	return nil
}

// liveReader reads what is stored.
type liveReader struct {
	client.Reader
	p *process
}

// Get reads what is stored.
func (l liveReader) Get(ctx context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	l.p.alive()
	n, o := nameOf(into), readOperation(into)
	n.namespace, n.name = key.Namespace, key.Name
	l.p.intends(o, n)
	err := l.p.begins(ctx, o)
	if err == nil {
		err = l.reads(n, into)
	}
	l.p.reached(after(o))
	return err
}

func (l liveReader) reads(n name, into client.Object) error {
	if l.p.run.fateOfWrite() == lostBefore {
		return apierrors.NewServiceUnavailable("the simulated API server is not there")
	}
	o, ok := l.p.run.api.objects[n]
	if !ok {
		return apierrors.NewNotFound(n.resource(), n.name)
	}
	return read(o, into)
}

// metadataOnly is what a watch of metadata tells of a Secret.
func metadataOnly(o client.Object) client.Object {
	secret, ok := o.(*corev1.Secret)
	if !ok {
		return o
	}
	m := &metav1.PartialObjectMetadata{ObjectMeta: secret.ObjectMeta}
	m.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	return m
}
