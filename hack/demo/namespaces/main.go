// SPDX-License-Identifier: Apache-2.0

// Command namespaces empties the namespaces that somebody deletes, which is what people miss first in a cluster without
// kube-controller-manager: that takes minutes to build, and the demo needs nothing else of it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"
)

const interval = time.Second

func main() {
	kubeconfig := flag.String("kubeconfig", "", "an administrator's kubeconfig")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *kubeconfig)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "namespaces:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, kubeconfig string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	config.QPS = -1 // It asks for each kind of object.
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	kinds, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return err
	}
	e := &emptier{client: client, kinds: kinds}
	for ctx.Err() == nil {
		if err := e.emptyDeleted(ctx); err != nil && ctx.Err() == nil {
			fmt.Fprintln(os.Stderr, "namespaces:", err) // The next turn tries again.
		}
		select {
		case <-ctx.Done():
		case <-time.After(interval):
		}
	}
	return nil
}

type emptier struct {
	client dynamic.Interface
	kinds  discovery.DiscoveryInterface
}

// namespaces is the cluster's namespaces, which are in none themselves.
func (e *emptier) namespaces() dynamic.NamespaceableResourceInterface {
	return e.client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"})
}

func (e *emptier) emptyDeleted(ctx context.Context) error {
	all, err := e.namespaces().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	var failed []error
	for i := range all.Items {
		if all.Items[i].GetDeletionTimestamp() != nil {
			failed = append(failed, e.empty(ctx, &all.Items[i]))
		}
	}
	return errors.Join(failed...)
}

// empty deletes what is in the namespace, and lets the namespace go once nothing is left: what has finalizers stays for longer.
func (e *emptier) empty(ctx context.Context, namespace *unstructured.Unstructured) error {
	// A kind that is not known of may have objects in it, so an error ends this turn.
	kinds, err := discovery.ServerPreferredNamespacedResources(e.kinds)
	if err != nil {
		return fmt.Errorf("ask which kinds there are: %w", err)
	}
	left := 0
	for _, list := range kinds {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return err
		}
		for _, kind := range list.APIResources {
			if !slices.Contains(kind.Verbs, "delete") || !slices.Contains(kind.Verbs, "list") {
				continue
			}
			found, err := e.deleteAll(ctx, e.client.Resource(version.WithResource(kind.Name)).Namespace(namespace.GetName()))
			if err != nil {
				return fmt.Errorf("empty namespace %s of %s: %w", namespace.GetName(), kind.Name, err)
			}
			left += found
		}
	}
	if left > 0 {
		return nil
	}
	unstructured.RemoveNestedField(namespace.Object, "spec", "finalizers")
	_, err = e.namespaces().Update(ctx, namespace, metav1.UpdateOptions{}, "finalize")
	return ignoreGone(err)
}

// deleteAll returns how many objects there were.
func (e *emptier) deleteAll(ctx context.Context, objects dynamic.ResourceInterface) (int, error) {
	all, err := objects.List(ctx, metav1.ListOptions{})
	if err != nil {
		return 0, ignoreGone(err)
	}
	for i := range all.Items {
		if all.Items[i].GetDeletionTimestamp() != nil {
			continue
		}
		if err := ignoreGone(objects.Delete(ctx, all.Items[i].GetName(), metav1.DeleteOptions{})); err != nil {
			return 0, err
		}
	}
	return len(all.Items), nil
}

// ignoreGone lets pass what has gone meanwhile, or was written by somebody else: the next turn sees it.
func ignoreGone(err error) error {
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}
