// SPDX-License-Identifier: Apache-2.0

// Command show-triggers turns the answer of Cloudinary's GET /triggers on its standard input into a table, ordered by URL and
// event type. A hyphen stands for what is not set: an absent field, or an empty filter or template.
package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
)

type trigger struct {
	ID              string          `json:"id"`
	URI             string          `json:"uri"`
	EventType       string          `json:"event_type"`
	Additive        *bool           `json:"additive"`
	Filter          json.RawMessage `json:"filter"`
	PayloadTemplate json.RawMessage `json:"payload_template"`
	AuthScheme      string          `json:"auth_scheme"`
}

func main() {
	withoutIDs := flag.Bool("without-ids", false, "leave out the ids, which are others each time")
	short := flag.Bool("short", false, "print event types, ids, and whether there is a filter; the part of an address that nobody can guess is left out")
	flag.Parse()
	if err := run(os.Stdin, os.Stdout, *withoutIDs, *short); err != nil {
		fmt.Fprintln(os.Stderr, "show-triggers:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer, withoutIDs, short bool) error {
	triggers, err := read(in)
	if err != nil {
		return err
	}
	if len(triggers) == 0 {
		_, err := fmt.Fprintln(out, "no triggers")
		return err
	}
	slices.SortFunc(triggers, func(a, b trigger) int {
		return cmp.Or(cmp.Compare(a.URI, b.URI), cmp.Compare(a.EventType, b.EventType), cmp.Compare(a.ID, b.ID))
	})
	// A tab-separated header and rows; a URL has a line of its own, since it is longer than all else.
	var table strings.Builder
	uri := ""
	for _, t := range triggers {
		if t.URI != uri {
			uri = t.URI
			fmt.Fprintln(&table, title(uri, short))
		}
		if short {
			fmt.Fprintf(&table, "  %s\t%s%s\n", t.EventType, t.ID, filtered(t.Filter))
			continue
		}
		cells := []string{"  " + t.EventType, "additive " + additive(t.Additive), t.AuthScheme, "filter " + compact(t.Filter), "template " + compact(t.PayloadTemplate)}
		if !withoutIDs {
			cells = slices.Insert(cells, 1, t.ID)
		}
		fmt.Fprintf(&table, "%s\n", strings.Join(cells, "\t"))
	}
	writer := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if _, err := io.WriteString(writer, table.String()); err != nil {
		return err
	}
	return writer.Flush()
}

func read(in io.Reader) ([]trigger, error) {
	text, err := io.ReadAll(in)
	if err != nil {
		return nil, err
	}
	var list struct {
		Triggers *[]trigger `json:"triggers"`
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("not JSON: %w: %.200s", err, text)
	}
	if list.Triggers == nil {
		return nil, errors.New("no list of triggers: " + string(bytes.TrimSpace(text)))
	}
	return *list.Triggers, nil
}

// unguessable is the last part of a receiver's address.
var unguessable = regexp.MustCompile(`(/v1/notifications/[^/]+/[^/]+)/[0-9a-f]{32}$`)

func title(uri string, short bool) string {
	if !short {
		return uri
	}
	return unguessable.ReplaceAllString(uri, "$1/...")
}

func filtered(filter json.RawMessage) string {
	if compact(filter) == "-" {
		return ""
	}
	return "  with a filter"
}

func additive(value *bool) string {
	if value == nil {
		return "-"
	}
	return fmt.Sprint(*value)
}

func compact(value json.RawMessage) string {
	if value == nil {
		return "-"
	}
	var line bytes.Buffer
	if err := json.Compact(&line, value); err != nil {
		return string(value)
	}
	if line.String() == "{}" {
		return "-"
	}
	return line.String()
}
