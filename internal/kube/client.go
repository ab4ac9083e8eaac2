// SPDX-License-Identifier: Apache-2.0

// Package kube is a client for the few kinds that the receiver needs: client-go's REST client and informers, with a scheme of
// those kinds alone. controller-runtime's client would do the same, and bring every kind of Kubernetes along, which is most of what a
// small program weighs.
//
// It decides nothing: an error is the API server's, with what was asked for.
package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/cloudinary-operator/cloudinary-operator/internal/statusapply"
)

// Object is a Kubernetes object.
type Object interface {
	metav1.Object
	runtime.Object
}

// Client reads and writes at the API server.
type Client struct {
	scheme  *runtime.Scheme
	codec   runtime.ParameterCodec
	clients map[schema.GroupVersion]rest.Interface
}

// New makes a client. Nothing is asked of the API server yet.
func New(config *rest.Config) (*Client, error) {
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	c := &Client{scheme: scheme, codec: runtime.NewParameterCodec(scheme), clients: map[schema.GroupVersion]rest.Interface{}}
	hc, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	codecs := serializer.NewCodecFactory(scheme).WithoutConversion()
	for _, k := range kinds() {
		if c.clients[k.gv] != nil {
			continue
		}
		if c.clients[k.gv], err = newREST(config, hc, k.gv, codecs); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func newREST(config *rest.Config, hc *http.Client, gv schema.GroupVersion, codecs runtime.NegotiatedSerializer) (rest.Interface, error) {
	own := rest.CopyConfig(config)
	own.GroupVersion, own.NegotiatedSerializer = &gv, codecs
	own.APIPath = "/apis"
	if gv.Group == "" {
		own.APIPath = "/api"
	}
	c, err := rest.RESTClientForConfigAndClient(own, hc)
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	return c, nil
}

// of finds what the client knows of an object's kind. That it is not among kinds is a bug.
func (c *Client) of(object runtime.Object) (kind, rest.Interface, error) {
	gvks, _, err := c.scheme.ObjectKinds(object)
	if err != nil {
		return kind{}, nil, fmt.Errorf("%T is not known to the client: %w", object, err)
	}
	return c.ofKind(gvks[0])
}

func (c *Client) ofKind(gvk schema.GroupVersionKind) (kind, rest.Interface, error) {
	for _, k := range kinds() {
		if k.gv == gvk.GroupVersion() && (k.kind == gvk.Kind || k.kind+"List" == gvk.Kind) {
			return k, c.clients[k.gv], nil
		}
	}
	return kind{}, nil, fmt.Errorf("%s is not known to the client", gvk)
}

// Get reads an object.
func (c *Client) Get(ctx context.Context, key types.NamespacedName, into Object) error {
	k, client, err := c.of(into)
	if err != nil {
		return err
	}
	err = client.Get().NamespaceIfScoped(key.Namespace, k.namespaced).Resource(k.resource).Name(key.Name).Do(ctx).Into(into)
	return wrap(err, "get %s %s", k.resource, key)
}

// List reads the objects of a namespace, or of all if it is empty, that a label selector fits.
func (c *Client) List(ctx context.Context, namespace, labels string, into runtime.Object) error {
	k, client, err := c.of(into)
	if err != nil {
		return err
	}
	err = client.Get().NamespaceIfScoped(namespace, k.namespaced && namespace != "").Resource(k.resource).
		VersionedParams(&metav1.ListOptions{LabelSelector: labels}, c.codec).Do(ctx).Into(into)
	return wrap(err, "list %s", k.resource)
}

// Create writes an object that is not there yet, and fills it with what the API server made of it.
func (c *Client) Create(ctx context.Context, object Object) error {
	k, client, err := c.of(object)
	if err != nil {
		return err
	}
	err = client.Post().NamespaceIfScoped(object.GetNamespace(), k.namespaced).Resource(k.resource).Body(object).Do(ctx).Into(object)
	return wrap(err, "create %s", k.resource)
}

// ApplyStatus writes part of an object's status by server-side apply. Fields of other managers are taken over.
func (c *Client) ApplyStatus(ctx context.Context, part *statusapply.Configuration, fieldManager string) error {
	k, client, err := c.ofKind(part.GroupVersionKind())
	if err != nil {
		return err
	}
	key := types.NamespacedName{Namespace: part.Namespace, Name: part.Name}
	raw, err := json.Marshal(part)
	if err != nil {
		return fmt.Errorf("encode the status of %s %s: %w", k.resource, key, err)
	}
	force := true
	err = client.Patch(types.ApplyPatchType).NamespaceIfScoped(key.Namespace, k.namespaced).Resource(k.resource).Name(key.Name).
		SubResource("status").VersionedParams(&metav1.PatchOptions{FieldManager: fieldManager, Force: &force}, c.codec).
		Body(raw).Do(ctx).Error()
	return wrap(err, "write the status of %s %s", k.resource, key)
}

func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}
