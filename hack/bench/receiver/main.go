// SPDX-License-Identifier: Apache-2.0

// Command receiver measures the receiver beside a bare net/http handler that reads the body and answers 200, with wrk as the
// load. The contenders are processes of their own and take turns in rounds; of each number the median counts. It prints tables in Markdown
// and judges nothing: it fails only where something breaks, or answers other than 200.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	err := command(os.Args[1:])
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return
	}
	fmt.Fprintln(os.Stderr, "bench:", err)
	os.Exit(1)
}

func command(args []string) error {
	if len(args) > 0 && args[0] == "serve" {
		return serve(args[1:])
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return run(ctx, args, os.Stdout, os.Stderr)
}

// options are the benchmark's flags.
type options struct {
	receiver    string
	dir         string
	rounds      int
	duration    time.Duration
	connections []int
	endpoints   int
	bodyBytes   int
	contenders  []string
	profile     string
}

func parseFlags(args []string, usage io.Writer) (*options, error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(usage)
	o := &options{connections: []int{1, 8, 64, 256}, contenders: contenderNames()}
	flags.StringVar(&o.receiver, "receiver", "bin/receiver", "the receiver's program")
	flags.StringVar(&o.dir, "dir", "", "where the stores are, on the disk that is to be measured; default: a new folder beside the temporary ones")
	flags.IntVar(&o.rounds, "rounds", 3, "how often each contender has its turn at each number of connections")
	flags.DurationVar(&o.duration, "duration", 8*time.Second, "how long a turn takes")
	flags.IntVar(&o.endpoints, "endpoints", 1000, "number of endpoints")
	flags.IntVar(&o.bodyBytes, "body", 2048, "bytes of a body, at least 600")
	flags.StringVar(&o.profile, "profile", "", "write CPU profiles of the contenders but durable and keys-only to this folder, each turn over the last")
	flags.Func("connections", "comma-separated numbers of connections (default 1,8,64,256)", func(list string) error {
		o.connections = nil
		for text := range strings.SplitSeq(list, ",") {
			n, err := strconv.Atoi(text)
			if err != nil || n < 1 {
				return fmt.Errorf("%q is not a number of connections", text)
			}
			o.connections = append(o.connections, n)
		}
		return nil
	})
	flags.Func("contenders", "comma-separated from "+strings.Join(contenderNames(), ", "), func(list string) error {
		o.contenders = strings.Split(list, ",")
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if o.bodyBytes < 600 || o.endpoints < 1 || o.rounds < 1 {
		return nil, errors.New("--body must be at least 600, --endpoints and --rounds at least 1")
	}
	return o, nil
}

func run(ctx context.Context, args []string, out, progress io.Writer) error {
	o, err := parseFlags(args, progress)
	if err != nil {
		return err
	}
	if _, err := exec.LookPath("wrk"); err != nil {
		return errors.New("wrk is needed as the load: install the package wrk (Debian, Ubuntu, Homebrew)")
	}
	if o.dir == "" {
		if o.dir, err = os.MkdirTemp("", "bench-receiver-"); err != nil {
			return fmt.Errorf("make a folder: %w", err)
		}
		defer func() { _ = os.RemoveAll(o.dir) }()
	}
	l, err := newLoad(o)
	if err != nil {
		return err
	}
	fsync, err := measureSync(o.dir)
	if err != nil {
		return err
	}
	results, err := rounds(ctx, o, l, progress)
	if err != nil {
		return err
	}
	return report(out, o, fsync, results)
}

// rounds lets the contenders take turns.
func rounds(ctx context.Context, o *options, l *load, progress io.Writer) ([]result, error) {
	var results []result
	for round := range o.rounds {
		for _, connections := range o.connections {
			for _, name := range o.contenders {
				r, err := turn(ctx, o, l, name, connections)
				if err != nil {
					return nil, fmt.Errorf("%s at %d connections: %w", name, connections, err)
				}
				fmt.Fprintf(progress, "round %d: %-9s %4d connections: %8.0f req/s, p99 %s\n", round+1, name, connections, r.rate, r.p99)
				results = append(results, r)
			}
		}
	}
	return results, nil
}
