// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

// cluster is the API server of the kubeconfig's context, and the default namespace.
type cluster struct {
	client.Client
	rest      *rest.Config
	namespace string
}

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("register the core kinds: %w", err)
	}
	if err := appsv1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("register the kinds of apps: %w", err)
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("register the operator's kinds: %w", err)
	}
	return scheme, nil
}

// connect reads the kubeconfig. It makes no call.
func (c *cli) connect() (*cluster, error) {
	namespace, err := c.namespace()
	if err != nil {
		return nil, err
	}
	config, err := c.flags.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig: %w", err)
	}
	config.QPS, config.Burst = 50, 300 // as kubectl's
	config.UserAgent = "kubectl-cloudinary/" + c.Version
	config.WarningHandler = rest.NewWarningWriter(c.Streams.ErrOut, rest.WarningWriterOptions{Deduplicate: true})
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	cl, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	return &cluster{Client: cl, rest: config, namespace: namespace}, nil
}

// namespace is that of --namespace, or of the kubeconfig's context.
func (c *cli) namespace() (string, error) {
	namespace, _, err := c.flags.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return "", fmt.Errorf("read the kubeconfig: %w", err)
	}
	return namespace, nil
}

// explained adds advice to errors that have none.
func explained(err error) error {
	if meta.IsNoMatchError(err) {
		return fmt.Errorf("the cluster does not know the operator's kinds; install its CRDs first: %w", err)
	}
	return err
}

// list reads objects of a namespace, or of all namespaces if it is empty.
func (cl *cluster) list(ctx context.Context, namespace string, into client.ObjectList) error {
	if err := cl.List(ctx, into, client.InNamespace(namespace)); err != nil {
		return explained(err)
	}
	return nil
}

func (cl *cluster) endpoints(ctx context.Context, namespace string) ([]v1alpha1.NotificationEndpoint, error) {
	var list v1alpha1.NotificationEndpointList
	err := cl.list(ctx, namespace, &list)
	return list.Items, err
}

func (cl *cluster) triggers(ctx context.Context, namespace string) ([]v1alpha1.CloudinaryTrigger, error) {
	var list v1alpha1.CloudinaryTriggerList
	err := cl.list(ctx, namespace, &list)
	return list.Items, err
}

func (cl *cluster) endpoint(ctx context.Context, name string) (*v1alpha1.NotificationEndpoint, error) {
	ep := &v1alpha1.NotificationEndpoint{}
	if err := cl.read(ctx, shortEndpoint, name, ep); err != nil {
		return nil, err
	}
	return ep, nil
}

// read reads an object of the default namespace. A missing object is most often in another
// namespace, and the error says so.
func (cl *cluster) read(ctx context.Context, kind, name string, into client.Object) error {
	err := cl.Get(ctx, client.ObjectKey{Namespace: cl.namespace, Name: name}, into)
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("there is no %s/%s in namespace %s; if it is in another one, name that with --namespace ('kubectl get %s --all-namespaces' lists all)",
			kind, name, cl.namespace, kind)
	}
	return explained(err)
}

func (cl *cluster) secret(ctx context.Context, namespace, name string) (*corev1.Secret, error) {
	s := &corev1.Secret{}
	if err := cl.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, s); err != nil {
		return nil, err
	}
	return s, nil
}
