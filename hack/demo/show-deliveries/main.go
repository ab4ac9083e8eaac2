// SPDX-License-Identifier: Apache-2.0

// Command show-deliveries turns the answer of the simulator's GET /_sim/deliveries on its standard input into lines: what was sent where,
// and what each attempt was answered. With --short, a line each.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

type delivery struct {
	EventType string    `json:"event_type"`
	URL       string    `json:"url"`
	State     string    `json:"state"`
	Bytes     int       `json:"body_bytes"`
	Attempts  []attempt `json:"attempts"`
}

type attempt struct {
	Status  int               `json:"status"`
	Error   string            `json:"error"`
	Answer  string            `json:"answer"`
	Headers map[string]string `json:"headers"`
}

func (a attempt) result() string {
	return strings.TrimSpace(fmt.Sprintf("%d %s%s", a.Status, a.Answer, a.Error))
}

func main() {
	short := flag.Bool("short", false, "print a line for each")
	flag.Parse()
	if err := run(os.Stdin, os.Stdout, *short); err != nil {
		fmt.Fprintln(os.Stderr, "show-deliveries:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer, short bool) error {
	var answer struct {
		Deliveries []delivery `json:"deliveries"`
	}
	if err := json.NewDecoder(in).Decode(&answer); err != nil {
		return fmt.Errorf("read deliveries: %w", err)
	}
	if len(answer.Deliveries) == 0 {
		return errors.New("nothing was sent")
	}
	var text strings.Builder
	for _, d := range answer.Deliveries {
		if short {
			d.writeShort(&text)
		} else {
			d.write(&text)
		}
	}
	_, err := io.WriteString(out, text.String())
	return err // writing to standard output says what it was
}

func (d delivery) write(text *strings.Builder) {
	fmt.Fprintf(text, "%s, %d bytes, %s\n  POST %s\n", d.EventType, d.Bytes, d.State, d.URL)
	for _, a := range d.Attempts {
		for _, name := range slices.Sorted(maps.Keys(a.Headers)) {
			if strings.HasPrefix(name, "X-Cld-") || name == "User-Agent" {
				fmt.Fprintf(text, "  %s: %s\n", name, a.Headers[name])
			}
		}
		fmt.Fprintf(text, "  -> %s\n", a.result())
	}
}

// writeShort shows the last attempt.
func (d delivery) writeShort(text *strings.Builder) {
	if len(d.Attempts) == 0 {
		fmt.Fprintf(text, "%s, %d bytes, %s\n", d.EventType, d.Bytes, d.State)
		return
	}
	a := d.Attempts[len(d.Attempts)-1]
	fmt.Fprintf(text, "%s, %d bytes, X-Cld-Signature %.8s... -> %s\n", d.EventType, d.Bytes, a.Headers["X-Cld-Signature"], a.result())
}
