// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
)

// completionTimeout bounds how long a shell waits for names.
const completionTimeout = 3 * time.Second

type completer = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

// completeNames completes the one argument of a command by the names of objects. A cluster that does not answer completes nothing.
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

func endpointNames(ctx context.Context, cl *cluster) ([]string, error) {
	endpoints, err := cl.endpoints(ctx, cl.namespace)
	return namesOf("", endpoints, func(i int) string { return endpoints[i].Name }), err
}

func triggerNames(ctx context.Context, cl *cluster) ([]string, error) {
	triggers, err := cl.triggers(ctx, cl.namespace)
	return namesOf("", triggers, func(i int) string { return triggers[i].Name }), err
}

// secretNames are those that an endpoint refers to: the names of all Secrets are nobody's business here.
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

func (c *cli) completeNamespaces(root *cobra.Command) {
	namespaces := func(ctx context.Context, cl *cluster) ([]string, error) {
		var list corev1.NamespaceList
		err := cl.List(ctx, &list, client.Limit(500))
		return namesOf("", list.Items, func(i int) string { return list.Items[i].Name }), err
	}
	_ = root.RegisterFlagCompletionFunc("namespace", func(cmd *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) { // fails only for a flag that does not exist
		return c.matching(cmd.Context(), prefix, namespaces)
	})
}

func completeEventTypes(cmd *cobra.Command) {
	_ = cmd.RegisterFlagCompletionFunc("event-type", cobra.FixedCompletions(sampleEventTypes(), cobra.ShellCompDirectiveNoFileComp)) // as above
}

// sampleEventTypes are those that an event can have: all is for triggers alone.
func sampleEventTypes() []string {
	var types []string
	for _, t := range notification.EventTypes() {
		if t != "all" {
			types = append(types, t)
		}
	}
	return types
}
