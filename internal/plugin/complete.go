// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
)

// completionTimeout is how long a shell waits for names.
const completionTimeout = 3 * time.Second

type completer = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

// completeNames completes the one argument of a command with the names of objects. Without an
// answer of the cluster it completes nothing.
func (c *cli) completeNames(names func(context.Context, *cluster) ([]string, error)) completer {
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return c.matching(cmd.Context(), prefix, names)
	}
}

func (c *cli) matching(ctx context.Context, prefix string, names func(context.Context, *cluster) ([]string, error)) ([]string, cobra.ShellCompDirective) {
	cl, err := c.connect()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(ctx, completionTimeout)
	defer cancel()
	all, err := names(ctx, cl)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var found []string
	for _, name := range all {
		if strings.HasPrefix(name, prefix) {
			found = append(found, name)
		}
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}

// completeFlag completes the value of a flag.
func (c *cli) completeFlag(names func(context.Context, *cluster) ([]string, error)) completer {
	return func(cmd *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
		return c.matching(cmd.Context(), prefix, names)
	}
}

// completeTargets completes --target with the targets of the named endpoint, else of all endpoints.
func (c *cli) completeTargets(cmd *cobra.Command) {
	_ = cmd.RegisterFlagCompletionFunc("target", func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) { // fails only for a flag that does not exist
		return c.matching(cmd.Context(), prefix, func(ctx context.Context, cl *cluster) ([]string, error) {
			endpoints, err := cl.endpoints(ctx, cl.namespace)
			return targetNames(endpoints, first(args)), err
		})
	})
}

// targetNames are the targets of endpoints, and former targets with dead letters or queued
// notifications.
func targetNames(endpoints []v1alpha1.NotificationEndpoint, endpoint string) []string {
	var names []string
	for i := range endpoints {
		ep := &endpoints[i]
		if endpoint != "" && ep.Name != endpoint {
			continue
		}
		if ep.Spec.Receiver != nil {
			names = append(names, namesOf("", ep.Spec.Receiver.DeliverTo, func(i int) string { return ep.Spec.Receiver.DeliverTo[i].Name })...)
		}
		if ep.Status.Receiver != nil {
			names = append(names, namesOf("", ep.Status.Receiver.Targets, func(i int) string { return ep.Status.Receiver.Targets[i].Name })...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// statusNames are the names of endpoints and triggers, with the kind before a name that both have.
func statusNames(ctx context.Context, cl *cluster) ([]string, error) {
	endpoints, err := endpointNames(ctx, cl)
	if err != nil {
		return nil, err
	}
	triggers, err := triggerNames(ctx, cl)
	var names []string
	for _, name := range endpoints {
		if slices.Contains(triggers, name) {
			names = append(names, "endpoint/"+name, "trigger/"+name)
			continue
		}
		names = append(names, name)
	}
	for _, name := range triggers {
		if !slices.Contains(endpoints, name) {
			names = append(names, name)
		}
	}
	return names, err
}

func endpointNames(ctx context.Context, cl *cluster) ([]string, error) {
	endpoints, err := cl.endpoints(ctx, cl.namespace)
	return namesOf("", endpoints, func(i int) string { return endpoints[i].Name }), err
}

func triggerNames(ctx context.Context, cl *cluster) ([]string, error) {
	triggers, err := cl.triggers(ctx, cl.namespace)
	return namesOf("", triggers, func(i int) string { return triggers[i].Name }), err
}

// allSecretNames are the Secrets that endpoints refer to, and all others that may be listed: before
// an export there is no endpoint. The content of the Secrets is not read.
func allSecretNames(ctx context.Context, cl *cluster) ([]string, error) {
	// A cluster without the operator's kinds has Secrets all the same
	names, _ := secretNames(ctx, cl)
	var secrets metav1.PartialObjectMetadataList
	secrets.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kindSecret + "List"))
	if err := cl.List(ctx, &secrets, client.InNamespace(cl.namespace), client.Limit(maxCompletions)); err != nil {
		return names, client.IgnoreNotFound(ignoreForbidden(err))
	}
	for i := range secrets.Items {
		if name := secrets.Items[i].Name; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}

func ignoreForbidden(err error) error {
	if apierrors.IsForbidden(err) {
		return nil
	}
	return err
}

// secretNames are those that an endpoint refers to.
func secretNames(ctx context.Context, cl *cluster) ([]string, error) {
	endpoints, err := cl.endpoints(ctx, cl.namespace)
	seen := map[string]bool{}
	var names []string
	for _, ep := range endpoints {
		if name := ep.Spec.CredentialsSecretRef.Name; !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names, err
}

func namesOf[T any](prefix string, items []T, name func(int) string) []string {
	names := make([]string, 0, len(items))
	for i := range items {
		names = append(names, prefix+name(i))
	}
	return names
}

// maxCompletions is the largest number of names to complete.
const maxCompletions = 500

func namespaceNames(ctx context.Context, cl *cluster) ([]string, error) {
	var list corev1.NamespaceList
	err := cl.List(ctx, &list, client.Limit(maxCompletions))
	return namesOf("", list.Items, func(i int) string { return list.Items[i].Name }), err
}

func (c *cli) completeNamespaces(root *cobra.Command) {
	// Fails only for a flag that does not exist
	_ = root.RegisterFlagCompletionFunc("namespace", c.completeFlag(namespaceNames))
}

func completeEventTypes(cmd *cobra.Command) {
	_ = cmd.RegisterFlagCompletionFunc("event-type", cobra.FixedCompletions(sampleEventTypes(), cobra.ShellCompDirectiveNoFileComp)) // as above
}

// sampleEventTypes are the event types of notifications: all is for triggers only.
func sampleEventTypes() []string {
	var types []string
	for _, t := range notification.EventTypes() {
		if t != "all" {
			types = append(types, t)
		}
	}
	return types
}
