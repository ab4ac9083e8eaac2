// SPDX-License-Identifier: Apache-2.0

// Command manager measures the manager at the size that Cloudinary allows at most: 30 notification URLs with 30 event types
// each. It starts a control plane, and for each world, which is a way to write the 900 triggers down, a simulated product
// environment and a manager as processes of their own. It prints tables in Markdown, and judges nothing: it fails only where
// something breaks, or does not become Ready.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return
	}
	fmt.Fprintln(os.Stderr, "bench:", err)
	os.Exit(1)
}

// options are the benchmark's flags.
type options struct {
	phases, worlds                 []string
	endpoints                      int
	window, quiet, timeout         time.Duration
	syncInterval, simulatorLatency time.Duration
}

// The phases that can be chosen. The triggers are created in any case: the other phases start from there.
const (
	phaseRestart     = "restart"
	phaseRest        = "rest"
	phaseStorm       = "storm"
	phaseRepartition = "repartition"
)

func allPhases() []string {
	return []string{phaseRestart, phaseRest, phaseStorm, phaseRepartition}
}

func parseFlags(args []string, usage io.Writer) (*options, error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(usage)
	o := &options{phases: allPhases(), worlds: shapeNames()}
	flags.Func("phases", "what to measure after the creation: comma-separated from "+strings.Join(allPhases(), ", "), oneOf(&o.phases, allPhases()))
	flags.Func("worlds", "how the triggers are written down: comma-separated from "+strings.Join(shapeNames(), ", "), oneOf(&o.worlds, shapeNames()))
	flags.IntVar(&o.endpoints, "endpoints", 30, "number of endpoints, 10 to 30; each has 30 event types")
	flags.DurationVar(&o.window, "window", 3*time.Minute, "how long the managers are watched at rest")
	flags.DurationVar(&o.quiet, "quiet", 7*time.Second, "without a write for so long a phase is over; longer than the manager's --min-list-interval")
	flags.DurationVar(&o.timeout, "timeout", 5*time.Minute, "how long a phase may take to become Ready")
	flags.DurationVar(&o.syncInterval, "sync-interval", time.Minute, "the manager's --sync-interval")
	flags.DurationVar(&o.simulatorLatency, "latency", 0, "what the simulator adds to each Admin API call")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	switch {
	case flags.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case o.endpoints < 10 || o.endpoints > 30:
		return nil, fmt.Errorf("--endpoints is %d, must be 10 to 30", o.endpoints)
	}
	return o, nil
}

func oneOf(target *[]string, allowed []string) func(string) error {
	return func(list string) error {
		*target = nil
		for name := range strings.SplitSeq(list, ",") {
			switch {
			case slices.Contains(allowed, name):
				*target = append(*target, name)
			case name != "":
				return fmt.Errorf("%q is none of %s", name, strings.Join(allowed, ", "))
			}
		}
		return nil
	}
}

func run(ctx context.Context, args []string, out, progress io.Writer) (err error) {
	o, err := parseFlags(args, progress)
	if err != nil {
		return err
	}
	b := &bench{options: o, progress: progress, begun: time.Now()}
	b.say("building the programs")
	c, err := startCluster(ctx, progress)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	b.cluster = c
	defer func() { b.stopWorlds() }()
	load := loadAverage()
	if err := b.measure(ctx); err != nil {
		return err
	}
	b.report.print(out, header{options: o, args: args, took: time.Since(b.begun), loadBefore: load})
	return nil
}
