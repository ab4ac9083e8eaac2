// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

const longDeadLetters = `List, look at, redrive and discard dead letters: notifications that a target refused, or did not accept within spec.receiver.retry.maxAge.

They are in the receiver's store. The plugin reaches it by a port-forward to the receiver's Pod, for which you need the right to
create pods/portforward in the operator's namespace. Anyone with that right can see the dead letters of every namespace. To redrive all
dead letters of an endpoint, you only need the right to annotate the endpoint.`

const exampleDeadLetters = `  # List the dead letters of all endpoints of a namespace
  kubectl cloudinary deadletters list -n shop

  # Show one of them, with its headers and body
  kubectl cloudinary deadletters show 42

  # Deliver all dead letters of an endpoint again
  kubectl cloudinary deadletters redrive media -n shop

  # Deliver one of them again, to one target
  kubectl cloudinary deadletters redrive --id 42 --target catalog

  # Discard one for good
  kubectl cloudinary deadletters discard --id 42`

func (c *cli) deadLettersCommand() *cobra.Command {
	var o deadLetterOptions
	cmd := &cobra.Command{
		Use: "deadletters", Aliases: []string{"deadletter", "dl"}, Short: "List, show, redrive and discard dead letters",
		Long: longDeadLetters, Example: exampleDeadLetters, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, sub := range []*cobra.Command{c.listDeadLettersCommand(&o), c.showDeadLetterCommand(&o), c.redriveCommand(&o), c.discardCommand(&o)} {
		c.addReceiver(sub, &o.receiver)
		cmd.AddCommand(sub)
	}
	return cmd
}

type deadLetterOptions struct {
	receiver receiverOptions
	all      bool
	target   string
	limit    int
	ids      []string
	every    bool
	yes      bool
	raw      bool
	output   output
	shown    output // of one dead letter
}

func (c *cli) listDeadLettersCommand(o *deadLetterOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list [ENDPOINT]", Short: "List dead letters", Args: atMostOne("ENDPOINT"), ValidArgsFunction: c.completeNames(endpointNames),
		Example: "  kubectl cloudinary deadletters list media -n shop --target catalog",
		RunE:    func(cmd *cobra.Command, args []string) error { return c.listDeadLetters(cmd.Context(), first(args), o) },
	}
	cmd.Flags().BoolVarP(&o.all, "all-namespaces", "A", false, "All namespaces instead of one.")
	cmd.Flags().StringVar(&o.target, "target", "", "Those of one target.")
	cmd.Flags().IntVar(&o.limit, "limit", maxAdminPage, "How many at most.")
	c.completeTargets(cmd)
	addOutput(cmd, &o.output, outputWide, outputJSON, outputYAML)
	return cmd
}

func (c *cli) showDeadLetterCommand(o *deadLetterOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use: "show ID", Short: "Show a dead letter with headers and body", Args: exactlyOne("ID"), ValidArgsFunction: cobra.NoFileCompletions,
		Example: "  kubectl cloudinary deadletters show 42\n\n  # The body, byte for byte\n  kubectl cloudinary deadletters show 42 --raw > body.json",
		RunE:    func(cmd *cobra.Command, args []string) error { return c.showDeadLetter(cmd.Context(), args[0], o) },
	}
	cmd.Flags().BoolVar(&o.raw, "raw", false, "Print the body alone, byte for byte.")
	addOutput(cmd, &o.shown, outputJSON, outputYAML)
	return cmd
}

func (c *cli) redriveCommand(o *deadLetterOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use: "redrive [ENDPOINT]", Short: "Deliver dead letters again", Args: atMostOne("ENDPOINT"), ValidArgsFunction: c.completeNames(endpointNames),
		Long: "Deliver dead letters again. With neither --id nor --target the endpoint is annotated with " + v1alpha1.AnnotationRedrive +
			", and the receiver redrives all of its dead letters.",
		Example: "  kubectl cloudinary deadletters redrive media -n shop\n\n  kubectl cloudinary deadletters redrive --id 42 --id 43",
		RunE:    func(cmd *cobra.Command, args []string) error { return c.redrive(cmd.Context(), first(args), o) },
	}
	cmd.Flags().StringSliceVar(&o.ids, "id", nil, "Those with these ids.")
	cmd.Flags().StringVar(&o.target, "target", "", "For one target.")
	c.completeTargets(cmd)
	return cmd
}

func (c *cli) discardCommand(o *deadLetterOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use: "discard ([ENDPOINT] --id ID) | (ENDPOINT --all)", Short: "Discard dead letters for good", Args: atMostOne("ENDPOINT"), ValidArgsFunction: c.completeNames(endpointNames),
		Example: "  kubectl cloudinary deadletters discard --id 42\n\n  kubectl cloudinary deadletters discard media -n shop --all --target catalog",
		RunE:    func(cmd *cobra.Command, args []string) error { return c.discard(cmd.Context(), first(args), o) },
	}
	cmd.Flags().StringSliceVar(&o.ids, "id", nil, "Those with these ids.")
	cmd.Flags().BoolVar(&o.every, "all", false, "All of the endpoint's, or of its --target.")
	cmd.Flags().StringVar(&o.target, "target", "", "For one target.")
	c.completeTargets(cmd)
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "Do not ask.")
	return cmd
}

func atMostOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) <= 1 {
			return nil
		}
		return fmt.Errorf("takes at most one %s, and got %d; see '%s --help'", what, len(args), cmd.CommandPath())
	}
}

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

func (c *cli) listDeadLetters(ctx context.Context, endpoint string, o *deadLetterOptions) error {
	if err := o.output.check(); err != nil {
		return err
	}
	if o.limit < 1 {
		return errors.New("--limit must be at least 1")
	}
	cl, err := c.connect()
	if err != nil {
		return err
	}
	f := deadLetterFilter{Namespace: cl.namespace, Endpoint: endpoint, Target: o.target}
	if o.all {
		f.Namespace = ""
	}
	items, more, err := c.fetchDeadLetters(ctx, cl, f, o)
	var unreachable *unreachableError
	if errors.As(err, &unreachable) && o.output.people() && o.receiver.url == "" {
		c.warn("%v; these are the numbers in the endpoints' status", err)
		return c.countDeadLetters(ctx, cl, f)
	}
	if err != nil {
		return err
	}
	if done, err := o.output.structured(c.Streams.Out, map[string]any{"items": items}); done {
		return err
	}
	if len(items) == 0 {
		fmt.Fprintln(c.Streams.ErrOut, "No dead letters found.")
		return nil
	}
	err = c.printDeadLetters(items, o)
	if more {
		c.warn("there are more; raise --limit, or narrow by ENDPOINT and --target")
	}
	return err
}

// printDeadLetters prints the namespace before the endpoint if it shows all namespaces.
func (c *cli) printDeadLetters(items []deadLetter, o *deadLetterOptions) error {
	t := table{header: []string{"ID", "ENDPOINT", "TARGET", "EVENT TYPE", "AGE", "REASON"}, shorten: []string{"REASON", "EVENT TYPE"}}
	if o.output.format == outputWide {
		t = table{header: []string{"ID", "ENDPOINT", "TARGET", "EVENT TYPE", "ASSET", "AGE", "BYTES", "REASON"}}
	}
	if o.all {
		t.header = slices.Insert(t.header, 1, "NAMESPACE")
	}
	for _, d := range items {
		row := map[string]string{
			"ID": d.ID, "NAMESPACE": d.Namespace, "ENDPOINT": d.Endpoint, "TARGET": d.Target, "EVENT TYPE": d.EventType, "ASSET": d.Asset,
			"AGE": age(c.Now(), d.ReceivedAt), "BYTES": strconv.FormatInt(d.Size, 10), "REASON": d.Reason,
		}
		cells := make([]string, len(t.header))
		for i, column := range t.header {
			cells[i] = row[column]
		}
		t.add(cells)
	}
	return t.print(c.Streams.Out, c.style())
}

func (c *cli) fetchDeadLetters(ctx context.Context, cl *cluster, f deadLetterFilter, o *deadLetterOptions) ([]deadLetter, bool, error) {
	admin, err := c.reach(ctx, cl, o.receiver)
	if err != nil {
		return nil, false, err
	}
	defer admin.close()
	return admin.list(ctx, f, o.limit)
}

// countDeadLetters counts dead letters by the status of endpoints, without the receiver.
func (c *cli) countDeadLetters(ctx context.Context, cl *cluster, f deadLetterFilter) error {
	endpoints, err := cl.endpoints(ctx, f.Namespace)
	if err != nil {
		return err
	}
	counts := table{header: []string{"NAMESPACE", "ENDPOINT", "TARGET", "DEAD LETTERS", "LAST FAILURE"}, shorten: []string{"LAST FAILURE"}}
	for i := range endpoints {
		ep := &endpoints[i]
		if ep.Status.Receiver == nil || f.Endpoint != "" && ep.Name != f.Endpoint {
			continue
		}
		for _, t := range ep.Status.Receiver.Targets {
			if n := ptr.Deref(t.DeadLetters, 0); n > 0 && (f.Target == "" || t.Name == f.Target) {
				counts.add([]string{ep.Namespace, ep.Name, t.Name, strconv.FormatInt(n, 10), lastFailure(t, c.Now())})
			}
		}
	}
	if len(counts.rows) == 0 {
		fmt.Fprintln(c.Streams.ErrOut, "The endpoints' status counts no dead letters.")
		return nil
	}
	return counts.print(c.Streams.Out, c.style())
}

func lastFailure(t v1alpha1.TargetStatus, now time.Time) string {
	if t.LastFailure == nil {
		return ""
	}
	return fmt.Sprintf("%s ago: %s", age(now, t.LastFailure.At), t.LastFailure.Message)
}

func (c *cli) showDeadLetter(ctx context.Context, id string, o *deadLetterOptions) error {
	if err := o.shown.check(); err != nil {
		return err
	}
	var n storedNotification
	err := c.withReceiver(ctx, o, func(_ *cluster, admin *adminClient) (err error) {
		n, err = admin.show(ctx, id)
		return err
	})
	if err != nil {
		return err
	}
	out := c.Streams.Out
	if o.raw {
		_, err := out.Write(n.Body)
		return err
	}
	if done, err := o.shown.structured(out, n); done {
		return err
	}
	fmt.Fprintf(out, "ID:          %s\nEndpoint:    %s/%s\nEvent type:  %s\n", n.ID, n.Namespace, n.Endpoint, printable(n.EventType))
	if n.ReceivedAt != nil {
		fmt.Fprintf(out, "Received:    %s (%s ago)\n", n.ReceivedAt.UTC().Format(time.RFC3339), age(c.Now(), n.ReceivedAt))
	}
	fmt.Fprintln(out, "Targets:")
	for _, t := range n.Targets {
		fmt.Fprintf(out, "  %s: %s  %s\n", t.Name, t.State, printable(t.Reason))
	}
	fmt.Fprintln(out, "Headers:")
	for _, name := range slices.Sorted(maps.Keys(n.Headers)) {
		for _, value := range n.Headers[name] {
			fmt.Fprintf(out, "  %s: %s\n", printable(name), printable(value))
		}
	}
	fmt.Fprintf(out, "Body:        %d bytes\n", len(n.Body))
	fmt.Fprintf(out, "  %s\n", indented(n.Body))
	return nil
}

// indented is a body for a person to read. JSON escapes only the control characters below space.
// This also escapes the others that a terminal obeys.
func indented(body []byte) string {
	var text bytes.Buffer
	if json.Indent(&text, body, "  ", "  ") != nil {
		return printable(string(body))
	}
	return string(escaped(text.Bytes(), steersTerminal))
}

// withReceiver reaches the receiver, does something there, and closes the connection.
func (c *cli) withReceiver(ctx context.Context, o *deadLetterOptions, do func(*cluster, *adminClient) error) error {
	cl, err := c.connect()
	if err != nil {
		return err
	}
	admin, err := c.reach(ctx, cl, o.receiver)
	if err != nil {
		return err
	}
	defer admin.close()
	return do(cl, admin)
}

func (c *cli) redrive(ctx context.Context, endpoint string, o *deadLetterOptions) error {
	if len(o.ids) == 0 && endpoint == "" {
		return errors.New("name the ENDPOINT whose dead letters are to be delivered again, or use --id")
	}
	if len(o.ids) == 0 && o.target == "" {
		return c.annotateRedrive(ctx, endpoint)
	}
	return c.act(ctx, endpoint, "redrive", "queued for delivery", o)
}

// annotateRedrive asks the receiver by an annotation.
func (c *cli) annotateRedrive(ctx context.Context, endpoint string) error {
	cl, err := c.connect()
	if err != nil {
		return err
	}
	ep, err := cl.endpoint(ctx, endpoint)
	if err != nil {
		return err
	}
	if ep.Spec.Receiver == nil {
		return fmt.Errorf("endpoint %s has no spec.receiver, and so no dead letters", endpoint)
	}
	base := ep.DeepCopy()
	if ep.Annotations == nil {
		ep.Annotations = map[string]string{}
	}
	ep.Annotations[v1alpha1.AnnotationRedrive] = c.Now().UTC().Format(time.RFC3339Nano)
	if err := cl.Patch(ctx, ep, client.MergeFrom(base)); err != nil {
		return err
	}
	fmt.Fprintf(c.Streams.Out, "nep/%s annotated; the receiver delivers the dead letters of all its current targets again, and then copies the annotation to status.receiver.lastHandledRedrive\n", endpoint)
	return nil
}

func (c *cli) discard(ctx context.Context, endpoint string, o *deadLetterOptions) error {
	switch {
	case o.every == (len(o.ids) > 0):
		return errors.New("name the dead letters with --id, or use --all with an ENDPOINT")
	case o.every && endpoint == "":
		return errors.New("--all needs an ENDPOINT")
	}
	what := counted(len(o.ids), "dead letter")
	if o.every {
		what = "all dead letters of endpoint " + endpoint
	}
	if err := c.confirm(o.yes, "Discard "+what+"? This cannot be undone."); err != nil {
		return err
	}
	return c.act(ctx, endpoint, "discard", "discarded", o)
}

// act makes the receiver act on dead letters. It first looks up dead letters without an endpoint.
func (c *cli) act(ctx context.Context, endpoint, action, done string, o *deadLetterOptions) error {
	return c.withReceiver(ctx, o, func(cl *cluster, admin *adminClient) error {
		filters := []deadLetterFilter{{Namespace: cl.namespace, Endpoint: endpoint, Target: o.target, IDs: o.ids}}
		if endpoint == "" {
			var err error
			if filters, err = admin.endpointsOf(ctx, o.ids, o.target); err != nil {
				return err
			}
		}
		for _, f := range filters {
			n, message, err := admin.act(ctx, action, f)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.Streams.Out, "%s of endpoint %s/%s %s\n", counted(n, "dead letter"), f.Namespace, f.Endpoint, done)
			if message != "" {
				c.warn("%s", message)
			}
		}
		return nil
	})
}

// endpointsOf groups ids by their endpoint.
func (a *adminClient) endpointsOf(ctx context.Context, ids []string, target string) ([]deadLetterFilter, error) {
	var filters []deadLetterFilter
	for _, id := range ids {
		n, err := a.show(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("dead letter %s: %w (it is not looked up where the ENDPOINT is named, too)", id, err)
		}
		i := slices.IndexFunc(filters, func(f deadLetterFilter) bool { return f.Namespace == n.Namespace && f.Endpoint == n.Endpoint })
		if i < 0 {
			filters = append(filters, deadLetterFilter{Namespace: n.Namespace, Endpoint: n.Endpoint, Target: target})
			i = len(filters) - 1
		}
		filters[i].IDs = append(filters[i].IDs, id)
	}
	return filters, nil
}
