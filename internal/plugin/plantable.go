// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// fieldURL is the field of a difference that may carry a token.
const fieldURL = "url"

func (c *cli) printPlan(report planReport, o planOptions) error {
	out := c.Streams.Out
	for _, env := range report.Environments {
		fmt.Fprintf(out, "Product environment %s at %s: %d of %d URLs in use, %d afterwards\n", env.CloudName, env.APIBase, env.URLsBefore, env.URLLimit, env.URLsAfter)
		if len(env.Steps) == 0 {
			fmt.Fprint(out, "No changes.\n\n")
			continue
		}
		if err := c.printSteps(env.Steps, o.output.format == outputWide); err != nil {
			return err
		}
		fmt.Fprintln(out)
		printSilent(out, env.Steps)
	}
	if err := c.printPlannedObjects(report.Objects, o.output.format == outputWide); err != nil {
		return err
	}
	s := report.Summary
	fmt.Fprintf(out, "Plan: %d to create, %d to update, %d to replace, %d to delete.\n", s["create"], s["update"], s["replace"], s["delete"])
	if report.Refused > 0 {
		fmt.Fprintf(out, "Refused: %d of %d objects would not be accepted, or most likely have a mistake; see above.\n", report.Refused, len(report.Objects))
	}
	return nil
}

// printSilent warns of changes by an adoption in fields that the manifest does not set.
func printSilent(out io.Writer, steps []stepPlan) {
	warned := false
	for _, s := range steps {
		for _, d := range s.Differences {
			if !slices.Contains(s.Silent, d.Field) {
				continue
			}
			warned = true
			fmt.Fprintln(out, printable(fmt.Sprintf("%s/%s: trigger %s exists with %s %s, which the manifest does not set: it changes to Cloudinary's default. To keep it, set spec.%s.",
				s.Namespace, s.Name, s.ID, d.Field, d.Have, d.Field)))
		}
	}
	if warned {
		fmt.Fprintln(out)
	}
}

// printSteps is the table of a product environment's steps, with what each changes below it.
func (c *cli) printSteps(steps []stepPlan, wide bool) error {
	t := table{header: []string{"ACTION", "EVENT TYPE", "TRIGGER", "CAUSE", "URL"}, shorten: []string{"URL", "TRIGGER"}}
	if wide {
		t = table{header: []string{"ACTION", "EVENT TYPE", "TRIGGER", "CAUSE", "ID", "URL"}}
	}
	for _, s := range steps {
		row := []string{s.Action, s.EventType, s.Namespace + "/" + s.Name, s.Cause, s.URL}
		if wide {
			row = slices.Insert(row, len(row)-1, s.ID)
		}
		t.add(row, changes(s, wide)...)
	}
	return t.print(c.Streams.Out, c.style())
}

// changes are the changes of a step, from old to new, and the reason if it waits.
func changes(s stepPlan, wide bool) []string {
	var lines []string
	for _, d := range s.Differences {
		lines = append(lines, d.line(wide))
	}
	if s.Blocked {
		lines = append(lines, "waits for credentials")
	}
	return lines
}

// maxValue is how much of a value is shown that is not a URL, for example of a filter or a
// template.
const maxValue = 45

// line is the change in words, such as "url: https://a/ → https://b/".
func (d *differencePlan) line(wide bool) string {
	show := func(value string) string {
		switch {
		case value == "":
			return "(none)"
		case wide || d.Field == fieldURL:
			return value
		default:
			return shortened(value, maxValue)
		}
	}
	line := d.Field + ": " + show(d.Have) + " → " + show(d.Want)
	if d.Hidden {
		line += " (they differ in a hidden part; --show-urls shows it)"
	}
	return line
}

// remarks are the lines below the row of an object.
func (o *objectPlan) remarks(wide bool) []string {
	var remarks []string
	if o.Accepted != "True" || wide {
		remarks = append(remarks, "Accepted: "+o.AcceptedMessage)
	} else {
		for _, note := range o.Notes {
			remarks = append(remarks, "Note: "+note.Message)
		}
	}
	if o.Accepted == "True" && o.SyncedReason != "Pending" && o.Synced != "True" || wide {
		remarks = append(remarks, "Synced: "+o.SyncedMessage)
	}
	return remarks
}

func (c *cli) printPlannedObjects(objects []objectPlan, wide bool) error {
	if len(objects) == 0 {
		return nil
	}
	t := table{header: []string{"NAMESPACE", "OBJECT", "STATE", "ACCEPTED", "REASON", "SYNCED", "REASON"}}
	if !wide {
		t.shorten = []string{"REASON", "OBJECT"}
	}
	var notes []string
	for _, o := range objects {
		name := strings.ToLower(o.Kind) + "/" + o.Name
		state := "in cluster"
		switch {
		case o.New:
			state = "new"
		case o.Changed:
			state = "changed"
		case o.NotRead:
			state = "not read"
		}
		t.add([]string{o.Namespace, shortKind(o.Kind) + "/" + o.Name, state, o.Accepted, o.AcceptedReason, o.Synced, o.SyncedReason})
		for _, remark := range o.remarks(wide) {
			notes = append(notes, o.Namespace+"/"+name+": "+remark)
		}
	}
	if err := t.print(c.Streams.Out, c.style()); err != nil {
		return err
	}
	fmt.Fprintln(c.Streams.Out)
	for _, note := range notes {
		fmt.Fprintln(c.Streams.Out, printable(note))
	}
	if len(notes) > 0 {
		fmt.Fprintln(c.Streams.Out)
	}
	return nil
}

// shortKind is the short name of a kind in kubectl.
func shortKind(kind string) string {
	return map[string]string{kindEndpoint: shortEndpoint, kindTrigger: shortTrigger}[kind]
}
