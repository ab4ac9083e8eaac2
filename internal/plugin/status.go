// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"cmp"
	"context"
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

const exampleStatus = `  # How endpoints and triggers of the current namespace fare
  kubectl cloudinary status

  # Those of all namespaces, with URLs and messages
  kubectl cloudinary status -A -o wide

  # For a script
  kubectl cloudinary status -n shop -o json`

const longStatus = `Show endpoints, each with its triggers, in one table: whether they are ready, how much of the product environment's limit of URLs is used,
how many changes wait for Admin API calls, and how deliveries go. Everything is read from the objects' status; nothing is called but the API server.`

type statusOptions struct {
	all    bool
	output output
}

func (c *cli) statusCommand() *cobra.Command {
	var o statusOptions
	cmd := &cobra.Command{
		Use: "status", Short: "Show endpoints, triggers, limits and deliveries in one table", Long: longStatus, Example: exampleStatus,
		Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.status(cmd.Context(), o) },
	}
	cmd.Flags().BoolVarP(&o.all, "all-namespaces", "A", false, "All namespaces instead of one.")
	addOutput(cmd, &o.output, outputWide, outputJSON, outputYAML)
	return cmd
}

// statusReport is what status prints as JSON.
type statusReport struct {
	Endpoints []endpointStatus `json:"endpoints"`
	Triggers  []triggerStatus  `json:"triggers"`
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

	Verifying   string       `json:"verifying,omitempty"`
	Delivering  string       `json:"delivering,omitempty"`
	Received    *int64       `json:"received,omitempty"`
	Rejected    *int64       `json:"rejected,omitempty"`
	Delivered   *int64       `json:"delivered,omitempty"`
	Retrying    *int64       `json:"retrying,omitempty"`
	DeadLetters *int64       `json:"deadLetters,omitempty"`
	Last        *metav1.Time `json:"lastReceivedAt,omitempty"`
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
}

func (c *cli) status(ctx context.Context, o statusOptions) error {
	if err := o.output.check(); err != nil {
		return err
	}
	cl, err := c.connect()
	if err != nil {
		return err
	}
	namespace := cl.namespace
	if o.all {
		namespace = ""
	}
	endpoints, err := cl.endpoints(ctx, namespace)
	if err != nil {
		return err
	}
	triggers, err := cl.triggers(ctx, namespace)
	if err != nil {
		return err
	}
	report := newStatusReport(endpoints, triggers)
	if done, err := o.output.structured(c.Streams.Out, report); done {
		return err
	}
	if len(endpoints)+len(triggers) == 0 {
		where := "in namespace " + namespace
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
	r := ep.Status.Receiver
	if r == nil {
		return s
	}
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

func statusOfTrigger(t *v1alpha1.CloudinaryTrigger) triggerStatus {
	s := triggerStatus{Namespace: t.Namespace, Name: t.Name, Endpoint: t.Spec.EndpointRef.Name, EventTypes: t.Spec.EventTypes}
	if ns := t.Spec.EndpointRef.Namespace; ns != "" && ns != t.Namespace {
		s.Endpoint = ns + "/" + s.Endpoint
	}
	s.Ready, s.Reason, s.Message = readiness(t.Status.Conditions)
	s.Notes = check.NotesIn(s.Message)
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

// statusHeader is of rows for endpoints, each with those of its triggers below it. EVENT TYPES is a trigger's alone.
func statusHeader() []string {
	return []string{
		"NAME", "EVENT TYPES", "READY", "REASON", "CLOUD", "URLS", "CALLS/H", "WAITING", "VERIFYING", "DELIVERING",
		"RECEIVED", "REJECTED", "DELIVERED", "RETRYING", "DEAD", "LAST",
	}
}

func (c *cli) printStatus(report statusReport, o statusOptions) error {
	wide := o.output.format == outputWide
	triggers := map[types.NamespacedName][]triggerStatus{}
	for _, t := range report.Triggers {
		triggers[t.endpointKey()] = append(triggers[t.endpointKey()], t)
	}
	var rows [][]string
	for _, e := range report.Endpoints {
		row := extended(c.endpointRow(&e), o.all, e.Namespace, wide, redactedOrNothing(e.URL), e.Message)
		rows = append(rows, row)
		key := types.NamespacedName{Namespace: e.Namespace, Name: e.Name}
		rows = append(rows, c.triggerRows(triggers[key], o.all, wide)...)
		delete(triggers, key)
	}
	// What is left belongs to endpoints that are not there, or in a namespace that was not asked for.
	for _, t := range report.Triggers {
		key := t.endpointKey()
		if left := triggers[key]; len(left) > 0 {
			row := make([]string, len(statusHeader()))
			row[0] = t.Endpoint
			rows = append(rows, extended(row, o.all, key.Namespace, wide, "", ""))
			rows = append(rows, c.triggerRows(left, o.all, wide)...)
			delete(triggers, key)
		}
	}
	if err := table(c.Streams.Out, extended(statusHeader(), o.all, "NAMESPACE", wide, "URL", "MESSAGE"), rows); err != nil || wide {
		return err // the messages have the notes
	}
	c.printNotes(report)
	return nil
}

// printNotes prints what there is to say of objects beside how they fare.
func (c *cli) printNotes(report statusReport) {
	first := true
	show := func(kind, namespace, name, notes string) {
		if notes == "" {
			return
		}
		if first {
			fmt.Fprintln(c.Streams.Out)
			first = false
		}
		fmt.Fprintln(c.Streams.Out, printable(fmt.Sprintf("%s/%s/%s: Note: %s", namespace, strings.ToLower(kind), name, notes)))
	}
	for _, e := range report.Endpoints {
		show(kindEndpoint, e.Namespace, e.Name, e.Notes)
	}
	for _, t := range report.Triggers {
		show(kindTrigger, t.Namespace, t.Name, t.Notes)
	}
}

func (c *cli) endpointRow(e *endpointStatus) []string {
	cloud, urls, calls, waiting := "", "", "", ""
	if env := e.Environment; env != nil {
		cloud, urls = env.CloudName, usage(env.URLsUsed, env.URLLimit)
		if env.URLsUsed != nil {
			calls = env.CallShare
			waiting = strconv.Itoa(int(ptr.Deref(env.ChangesWaiting, 0)))
		}
	}
	return []string{
		e.Name, "", e.Ready, e.Reason, cloud, urls, calls, waiting, e.Verifying, e.Delivering,
		number(e.Received), number(e.Rejected), number(e.Delivered), number(e.Retrying), number(e.DeadLetters), age(c.Now(), e.Last),
	}
}

// triggerRows are those of one endpoint.
func (c *cli) triggerRows(triggers []triggerStatus, all, wide bool) [][]string {
	var rows [][]string
	for i, t := range triggers {
		branch := "├─ "
		if i == len(triggers)-1 {
			branch = "└─ "
		}
		row := make([]string, len(statusHeader()))
		copy(row, []string{branch + t.Name, shortList(t.EventTypes, wide), t.Ready, t.Reason})
		row[len(row)-1] = age(c.Now(), t.LastFired)
		rows = append(rows, extended(row, all, t.Namespace, wide, "", t.Message))
	}
	return rows
}

// extended puts the namespace before a row, and what only the wide form shows behind it.
func extended(row []string, all bool, namespace string, wide bool, more ...string) []string {
	if all {
		row = slices.Insert(row, 0, namespace)
	}
	if wide {
		row = append(row, more...)
	}
	return row
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

// maxShown is how many event types a table shows.
const maxShown = 3

func shortList(items []string, whole bool) string {
	if whole || len(items) <= maxShown {
		return strings.Join(items, ",")
	}
	return fmt.Sprintf("%s +%d more", strings.Join(items[:maxShown], ","), len(items)-maxShown)
}
