// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

// statusRow is a row of the table, by column. An empty cell is a dash.
type statusRow map[string]string

// statusColumns are the columns of rows for endpoints, each with those of its triggers below it.
func statusColumns(all, wide bool) []string {
	columns := []string{"NAME", "READY", "REASON", "EVENT TYPES", "DELIVERING", "DEAD", "LAST"}
	if wide {
		columns = []string{
			"NAME", "EVENT TYPES", "READY", "REASON", "CLOUD", "URLS", "CALLS/H", "WAITING", "VERIFYING", "DELIVERING",
			"RECEIVED", "REJECTED", "DELIVERED", "RETRYING", "DEAD", "LAST", "URL", "MESSAGE",
		}
	}
	if all {
		columns = slices.Insert(columns, 0, "NAMESPACE")
	}
	return columns
}

func (c *cli) printStatus(report statusReport, o statusOptions) error {
	wide := o.output.format == outputWide
	t := table{header: statusColumns(o.all, wide)}
	if !wide {
		t.shorten = []string{"EVENT TYPES", "DELIVERING"}
	}
	for _, row := range c.statusRows(report, wide) {
		cells := make([]string, len(t.header))
		for i, column := range t.header {
			cells[i] = row[column]
		}
		t.add(cells)
	}
	if err := t.print(c.Streams.Out, c.style()); err != nil {
		return err
	}
	if o.name != "" {
		return c.printDetails(report)
	}
	if !wide { // its messages say all of this
		c.printProblems(report)
	}
	return nil
}

func (c *cli) statusRows(report statusReport, wide bool) []statusRow {
	triggers := map[types.NamespacedName][]triggerStatus{}
	for _, t := range report.Triggers {
		triggers[t.endpointKey()] = append(triggers[t.endpointKey()], t)
	}
	var rows []statusRow
	for i := range report.Endpoints {
		e := &report.Endpoints[i]
		key := types.NamespacedName{Namespace: e.Namespace, Name: e.Name}
		rows = append(append(rows, c.endpointRow(e)), c.triggerRows(triggers[key], wide)...)
		delete(triggers, key)
	}
	// The rest belongs to endpoints that do not exist, or that are in another namespace.
	for _, t := range report.Triggers {
		key := t.endpointKey()
		if left := triggers[key]; len(left) > 0 {
			rows = append(append(rows, statusRow{"NAMESPACE": key.Namespace, "NAME": t.Endpoint}), c.triggerRows(left, wide)...)
			delete(triggers, key)
		}
	}
	return rows
}

func (c *cli) endpointRow(e *endpointStatus) statusRow {
	row := statusRow{
		"NAMESPACE": e.Namespace, "NAME": e.Name, "READY": e.Ready, "REASON": e.Reason, "VERIFYING": e.Verifying, "DELIVERING": e.Delivering,
		"RECEIVED": number(e.Received), "REJECTED": number(e.Rejected), "DELIVERED": number(e.Delivered), "RETRYING": number(e.Retrying),
		"DEAD": number(e.DeadLetters), "LAST": age(c.Now(), e.Last), "URL": redactedOrNothing(e.URL),
		"MESSAGE": strings.Join(slices.Concat(nonEmpty(e.Message), e.Problems), " "),
	}
	if env := e.Environment; env != nil {
		row["CLOUD"], row["URLS"] = env.CloudName, usage(env.URLsUsed, env.URLLimit)
		if env.URLsUsed != nil {
			row["CALLS/H"] = env.CallShare
			row["WAITING"] = strconv.Itoa(int(ptr.Deref(env.ChangesWaiting, 0)))
		}
	}
	return row
}

func nonEmpty(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

// triggerRows are those of one endpoint.
func (c *cli) triggerRows(triggers []triggerStatus, wide bool) []statusRow {
	var rows []statusRow
	for i, t := range triggers {
		branch := "├─ "
		if i == len(triggers)-1 {
			branch = "└─ "
		}
		rows = append(rows, statusRow{
			"NAMESPACE": t.Namespace, "NAME": branch + t.Name, "EVENT TYPES": shortList(t.EventTypes, wide), "READY": t.Ready, "REASON": t.Reason,
			"LAST": age(c.Now(), t.LastFired), "MESSAGE": t.Message,
		})
	}
	return rows
}

// maxListed is the longest list of event types in a table: as long as the longest event type.
const maxListed = 24

// shortList names as many items as there is room for, the first in any case.
func shortList(items []string, whole bool) string {
	if len(items) == 0 {
		return ""
	}
	text := items[0]
	for i, item := range items[1:] {
		if !whole && len(text)+1+len(item) > maxListed {
			return fmt.Sprintf("%s +%d", text, len(items)-i-1)
		}
		text += "," + item
	}
	return text
}

// printProblems prints the problems of objects, and the notes on them.
func (c *cli) printProblems(report statusReport) {
	var lines []string
	say := func(kind, namespace, name string, remarks ...string) {
		for _, remark := range remarks {
			lines = append(lines, fmt.Sprintf("%s/%s/%s: %s", namespace, strings.ToLower(kind), name, remark))
		}
	}
	for _, e := range report.Endpoints {
		say(kindEndpoint, e.Namespace, e.Name, remarks(e.Ready, e.Message, e.Notes)...)
		say(kindEndpoint, e.Namespace, e.Name, e.Problems...)
	}
	for _, t := range report.Triggers {
		say(kindTrigger, t.Namespace, t.Name, remarks(t.Ready, t.Message, t.Notes)...)
	}
	for i, line := range lines {
		if i == 0 {
			fmt.Fprintln(c.Streams.Out)
		}
		fmt.Fprintln(c.Streams.Out, printable(line))
	}
}

// remarks are the message of an object that is not ready, else its notes.
func remarks(ready, message, notes string) []string {
	switch {
	case ready != "" && ready != string(metav1.ConditionTrue):
		return []string{"Ready is " + ready + ": " + message}
	case notes != "":
		return []string{"Note: " + notes}
	default:
		return nil
	}
}

// printDetails prints what is known of the one object that was asked for.
func (c *cli) printDetails(report statusReport) error {
	if report.named == kindTrigger {
		t := &report.Triggers[0]
		c.printConditions(kindTrigger, t.Namespace, t.Name, t.conditions)
		return nil
	}
	e := &report.Endpoints[0]
	c.printConditions(kindEndpoint, e.Namespace, e.Name, e.conditions)
	return c.printTargetStatus(e.targets)
}

func (c *cli) printConditions(kind, namespace, name string, conditions []metav1.Condition) {
	if len(conditions) == 0 {
		return
	}
	fmt.Fprintf(c.Streams.Out, "\nConditions of %s/%s/%s:\n", namespace, strings.ToLower(kind), name)
	for i := range conditions {
		it := &conditions[i]
		well := (it.Status == metav1.ConditionTrue) != slices.Contains([]string{v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled}, it.Type)
		fmt.Fprintf(c.Streams.Out, "  %s%s is %s for %s: %s: %s\n", c.style().mark(well), it.Type, it.Status,
			age(c.Now(), &it.LastTransitionTime), it.Reason, printable(it.Message))
	}
}

func (c *cli) printTargetStatus(targets []v1alpha1.TargetStatus) error {
	if len(targets) == 0 {
		return nil
	}
	fmt.Fprintln(c.Streams.Out)
	t := table{header: []string{"TARGET", "DELIVERED", "WAITING", "RETRYING", "DEAD", "LAST FAILURE"}, shorten: []string{"LAST FAILURE"}}
	for i := range targets {
		it := &targets[i]
		t.add([]string{it.Name, number(zeroed(it.Delivered)), number(zeroed(it.Waiting)), number(zeroed(it.Retrying)), number(zeroed(it.DeadLetters)), lastFailure(*it, c.Now())})
	}
	return t.print(c.Streams.Out, c.style())
}

// zeroed is a counter that status leaves out at 0.
func zeroed(n *int64) *int64 { return new(ptr.Deref(n, 0)) }
