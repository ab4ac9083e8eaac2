// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/check"
)

const exampleStatus = `  # Endpoints and triggers of the current namespace
  kubectl cloudinary status

  # One endpoint with its triggers, targets and conditions
  kubectl cloudinary status media -n shop

  # A trigger whose endpoint has the same name, printed again whenever something changes, until Ctrl-C
  kubectl cloudinary status trigger/media -n shop --watch

  # Those of all namespaces, with URLs and messages
  kubectl cloudinary status -A -o wide

  # For a script
  kubectl cloudinary status -n shop -o json`

const longStatus = `Show endpoints, each with its triggers, in one table: whether they are ready, and how deliveries go. Below the table are the problems, and what
to do. -o wide adds how much of the product environment's URL limit is used, how many changes wait for Admin API calls, all counters,
URLs and messages. Everything is read from the objects' status; nothing is called but the API server.

With NAME, the endpoint or trigger of this name is shown alone, with its conditions and its targets. If both have the name, use
endpoint/NAME or trigger/NAME.`

type statusOptions struct {
	all    bool
	watch  bool
	name   string
	output output
}

func (c *cli) statusCommand() *cobra.Command {
	var o statusOptions
	cmd := &cobra.Command{
		Use: "status [NAME]", Short: "Show endpoints, triggers, limits and deliveries in one table", Long: longStatus, Example: exampleStatus,
		Args: atMostOne("NAME"), ValidArgsFunction: c.completeNames(statusNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name = first(args)
			return c.status(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVarP(&o.all, "all-namespaces", "A", false, "All namespaces instead of one.")
	cmd.Flags().BoolVarP(&o.watch, "watch", "w", false, "Print again whenever something changes, until Ctrl-C.")
	addOutput(cmd, &o.output, outputWide, outputJSON, outputYAML)
	return cmd
}

// statusReport is what status prints as JSON.
type statusReport struct {
	Endpoints []endpointStatus `json:"endpoints"`
	Triggers  []triggerStatus  `json:"triggers"`

	named string // the kind of the one object that was asked for
}

type endpointStatus struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Ready     string `json:"ready,omitempty"`
	Reason    string `json:"reason,omitempty"`
	Message   string `json:"message,omitempty"`
	Notes     string `json:"notes,omitempty"` // part of the message

	Environment *v1alpha1.EnvironmentStatus `json:"environment,omitempty"`
	URL         string                      `json:"url,omitempty"`

	Verifying  string `json:"verifying,omitempty"`
	Delivering string `json:"delivering,omitempty"`
	// Problems are the messages of Verifying and Delivering if they are not True.
	Problems []string `json:"problems,omitempty"`

	Received    *int64       `json:"received,omitempty"`
	Rejected    *int64       `json:"rejected,omitempty"`
	Delivered   *int64       `json:"delivered,omitempty"`
	Retrying    *int64       `json:"retrying,omitempty"`
	DeadLetters *int64       `json:"deadLetters,omitempty"`
	Last        *metav1.Time `json:"lastReceivedAt,omitempty"`

	conditions []metav1.Condition
	targets    []v1alpha1.TargetStatus
}

type triggerStatus struct {
	Namespace  string       `json:"namespace"`
	Name       string       `json:"name"`
	Endpoint   string       `json:"endpoint"`
	EventTypes []string     `json:"eventTypes"`
	Ready      string       `json:"ready,omitempty"`
	Reason     string       `json:"reason,omitempty"`
	Message    string       `json:"message,omitempty"`
	Notes      string       `json:"notes,omitempty"` // part of the message
	LastFired  *metav1.Time `json:"lastFiredAt,omitempty"`

	conditions []metav1.Condition
}

func (c *cli) status(ctx context.Context, o statusOptions) error {
	if err := o.output.check(); err != nil {
		return err
	}
	if o.all && o.name != "" {
		return errors.New("NAME and --all-namespaces cannot be used together; name the namespace with --namespace")
	}
	cl, err := c.connect()
	if err != nil {
		return err
	}
	if o.watch {
		return c.watchStatus(ctx, cl, o)
	}
	view, err := cl.readStatus(ctx, o)
	if err != nil {
		return err
	}
	return c.showStatus(view.report, cl, o)
}

// showStatus prints a report once.
func (c *cli) showStatus(report statusReport, cl *cluster, o statusOptions) error {
	if done, err := o.output.structured(c.Streams.Out, report); done {
		return err
	}
	if len(report.Endpoints)+len(report.Triggers) == 0 {
		where := "in namespace " + cl.namespace
		if o.all {
			where = "in any namespace"
		}
		fmt.Fprintf(c.Streams.ErrOut, "No endpoints and no triggers found %s.\n", where)
		return nil
	}
	return c.printStatus(report, o)
}

func newStatusReport(endpoints []v1alpha1.NotificationEndpoint, triggers []v1alpha1.CloudinaryTrigger) statusReport {
	report := statusReport{Endpoints: []endpointStatus{}, Triggers: []triggerStatus{}}
	for i := range endpoints {
		report.Endpoints = append(report.Endpoints, statusOfEndpoint(&endpoints[i]))
	}
	for i := range triggers {
		report.Triggers = append(report.Triggers, statusOfTrigger(&triggers[i]))
	}
	slices.SortFunc(report.Endpoints, func(a, b endpointStatus) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	slices.SortFunc(report.Triggers, func(a, b triggerStatus) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return report
}

func statusOfEndpoint(ep *v1alpha1.NotificationEndpoint) endpointStatus {
	s := endpointStatus{Namespace: ep.Namespace, Name: ep.Name, URL: ep.Status.URL, Environment: ep.Status.Environment}
	s.Ready, s.Reason, s.Message = readiness(ep.Status.Conditions)
	s.Notes = check.NotesIn(s.Message)
	s.Verifying = reasonOf(ep.Status.Conditions, v1alpha1.ConditionVerifying)
	s.Delivering = reasonOf(ep.Status.Conditions, v1alpha1.ConditionDelivering)
	s.Problems = problemsOf(ep.Status.Conditions, v1alpha1.ConditionVerifying, v1alpha1.ConditionDelivering)
	s.conditions = ep.Status.Conditions
	r := ep.Status.Receiver
	if r == nil {
		return s
	}
	s.targets = r.Targets
	s.Received, s.Rejected = new(ptr.Deref(r.Received, 0)), new(int64)
	s.Delivered, s.Retrying, s.DeadLetters = new(int64), new(int64), new(int64)
	for _, rejected := range r.Rejected {
		*s.Rejected += rejected.Count
	}
	for _, t := range r.Targets {
		*s.Delivered += ptr.Deref(t.Delivered, 0)
		*s.Retrying += ptr.Deref(t.Retrying, 0)
		*s.DeadLetters += ptr.Deref(t.DeadLetters, 0)
	}
	if r.LastNotification != nil {
		s.Last = r.LastNotification.ReceivedAt
	}
	return s
}

// endpointKey is the endpoint that the trigger names.
func (t *triggerStatus) endpointKey() types.NamespacedName {
	if namespace, name, other := strings.Cut(t.Endpoint, "/"); other {
		return types.NamespacedName{Namespace: namespace, Name: name}
	}
	return types.NamespacedName{Namespace: t.Namespace, Name: t.Endpoint}
}

func (t *triggerStatus) belongsTo(e *endpointStatus) bool {
	return t.endpointKey() == types.NamespacedName{Namespace: e.Namespace, Name: e.Name}
}

func statusOfTrigger(t *v1alpha1.CloudinaryTrigger) triggerStatus {
	s := triggerStatus{Namespace: t.Namespace, Name: t.Name, Endpoint: t.Spec.EndpointRef.Name, EventTypes: t.Spec.EventTypes}
	if ns := t.Spec.EndpointRef.Namespace; ns != "" && ns != t.Namespace {
		s.Endpoint = ns + "/" + s.Endpoint
	}
	s.Ready, s.Reason, s.Message = readiness(t.Status.Conditions)
	s.Notes = check.NotesIn(s.Message)
	s.conditions = t.Status.Conditions
	if t.Status.LastNotification != nil {
		s.LastFired = t.Status.LastNotification.ReceivedAt
	}
	return s
}

func readiness(conditions []metav1.Condition) (status, reason, message string) {
	c := meta.FindStatusCondition(conditions, v1alpha1.ConditionReady)
	if c == nil {
		return "", "", ""
	}
	return string(c.Status), c.Reason, c.Message
}

func reasonOf(conditions []metav1.Condition, conditionType string) string {
	if c := meta.FindStatusCondition(conditions, conditionType); c != nil {
		return c.Reason
	}
	return ""
}

// problemsOf are the conditions of these types that are not True, in words.
func problemsOf(conditions []metav1.Condition, conditionTypes ...string) []string {
	var problems []string
	for _, conditionType := range conditionTypes {
		if c := meta.FindStatusCondition(conditions, conditionType); c != nil && c.Status != metav1.ConditionTrue {
			problems = append(problems, fmt.Sprintf("%s is %s: %s", c.Type, c.Status, c.Message))
		}
	}
	return problems
}

func redactedOrNothing(url string) string {
	if url == "" {
		return ""
	}
	return redacted(url)
}

func usage(used, limit *int32) string {
	switch {
	case used == nil && limit == nil:
		return ""
	case used == nil:
		return fmt.Sprintf("?/%d", *limit)
	case limit == nil:
		return strconv.Itoa(int(*used))
	default:
		return fmt.Sprintf("%d/%d", *used, *limit)
	}
}

func number(n *int64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(*n, 10)
}
