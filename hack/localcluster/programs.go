// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"text/tabwriter"
	"time"
)

// program is what run is asked to keep running.
type program struct {
	name     string
	argv     []string
	readyURL string
	timeout  time.Duration
}

// runNamed starts a program, or leaves it where it runs already; one that runs with other arguments, or was
// rebuilt since, is started anew.
func runNamed(ctx context.Context, s *state, want program, messages io.Writer) error {
	if err := checkName(want.name); err != nil {
		return err
	}
	if slices.Contains(componentNames(), want.name) {
		return fmt.Errorf("the name %s belongs to the control plane", want.name)
	}
	path, err := absolute(want.argv[0])
	if err != nil {
		return err
	}
	argv := append([]string{path}, want.argv[1:]...)
	mark, err := fingerprint(argv, path)
	if err != nil {
		return err
	}
	p, noted := s.find(want.name)
	if !noted || p.fingerprint != mark || !p.alive(ctx) {
		if err := p.end(ctx, stopTimeout); err != nil {
			return err
		}
		if p, err = start(ctx, s, want.name, argv, mark); err != nil {
			return err
		}
		fmt.Fprintf(messages, "started %s (process %d, log %s)\n", p.name, p.pid, s.logFile(p.name))
	}
	if want.readyURL == "" {
		return nil
	}
	client := &http.Client{Timeout: 5 * time.Second}
	return waitUntil(ctx, s, p, want.timeout, func(ctx context.Context) error { return answers(ctx, client, want.readyURL) })
}

// stopNamed ends one program. That there is none is no error: it does not run, as was wanted.
func stopNamed(ctx context.Context, s *state, name string, messages io.Writer) error {
	p, noted := s.find(name)
	if !noted {
		return nil
	}
	if p.alive(ctx) {
		fmt.Fprintf(messages, "stopping %s (process %d)\n", p.name, p.pid)
	}
	if err := p.end(ctx, stopTimeout); err != nil {
		return err
	}
	return s.forget(name)
}

// down ends the programs first, the last started one before the others, then the control plane from its top.
func down(ctx context.Context, s *state, messages io.Writer) error {
	var names []string
	for _, p := range s.processes {
		if !slices.Contains(componentNames(), p.name) {
			names = append(names, p.name)
		}
	}
	names = append(componentNames(), names...)
	slices.Reverse(names)
	for _, name := range names {
		if err := stopNamed(ctx, s, name, messages); err != nil {
			return err
		}
	}
	return nil
}

func status(ctx context.Context, s *state, out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "NAME\tPROCESS\tSTATE\tLOG")
	names := componentNames()
	for _, p := range s.processes {
		if !slices.Contains(names, p.name) {
			names = append(names, p.name)
		}
	}
	var result error
	for _, name := range names {
		p, noted := s.find(name)
		switch {
		case noted && p.alive(ctx):
			fmt.Fprintf(table, "%s\t%d\trunning\t%s\n", name, p.pid, s.logFile(name))
		case noted:
			fmt.Fprintf(table, "%s\t-\tended by itself\t%s\n", name, s.logFile(name))
			result = errNotRunning
		case name == controllerManager: // Not every cluster has one.
		default:
			fmt.Fprintf(table, "%s\t-\tnot started\t-\n", name)
			result = errNotRunning
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	return result
}

// answers reports whether a GET of the URL is answered 200.
func answers(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	if err := response.Body.Close(); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, response.Status)
	}
	return nil
}
