// SPDX-License-Identifier: Apache-2.0

// Command live checks, against the product environment of CLOUDINARY_URL or a new one, what is not known of Cloudinary's triggers. It makes
// triggers at URLs of its own, deletes them again, and prints a table. See docs/live-check.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/hack/live/livecheck"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
)

// userAgent is what Cloudinary is told, in its own convention.
const userAgent = "cloudinary-operator-live-check/1"

func main() {
	// Nobody may read what is said any more, as behind head: that must not end the process before it cleaned up.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	told := make(chan struct{})
	context.AfterFunc(ctx, func() {
		defer close(told)
		// From here on a second signal ends the process.
		stop()
		fmt.Fprintln(os.Stderr, "live check: interrupted, deleting what was made; interrupt again to leave it there")
	})
	err := run(ctx, os.Args[1:], os.Getenv(cloudinary.KeyCloudinaryURL), os.Stdout, os.Stderr)
	if ctx.Err() != nil {
		<-told
	}
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return
	}
	fmt.Fprintln(os.Stderr, "live check:", err)
	os.Exit(1)
}

// options are the flags.
type options struct {
	output    string
	urlLimit  int
	fillLimit bool
	force     bool
	patience  time.Duration
	timeout   time.Duration
	// claim makes an environment at claimFrom, an API base.
	claim     bool
	claimFrom string
}

func parseFlags(args []string, usage io.Writer) (*options, error) {
	o := &options{claimFrom: cloudinary.DefaultAPIBase}
	flags := flag.NewFlagSet("live-check", flag.ContinueOnError)
	flags.SetOutput(usage)
	flags.StringVar(&o.output, "o", "table", "how to print what was found out: table or json")
	flags.IntVar(&o.urlLimit, "url-limit", livecheck.DefaultURLLimit, "how many different notification URLs the environment is expected to allow")
	flags.BoolVar(&o.fillLimit, "fill-limit", false,
		"find out the limit of URLs by using all of them up for some seconds. WARNING: meanwhile nobody else can add a URL in this environment")
	flags.BoolVar(&o.force, "force", false, "start even if the calls left in this hour may not suffice, also to clean up")
	flags.DurationVar(&o.patience, "patience", livecheck.DefaultPatience, "how long a write may take to show in the list before the check fails")
	flags.DurationVar(&o.timeout, "timeout", cloudinary.DefaultTimeout, "how long one call may take")
	flags.BoolVar(&o.claim, "claim", false,
		"check an environment that Cloudinary gives anybody for a day, without an account, in place of that of CLOUDINARY_URL")
	flags.Func("claim-from", "`address` of the API that --claim asks; of a simulator, for example (default "+cloudinary.DefaultAPIBase+")", o.setClaimFrom)
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	switch {
	case flags.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q: all options are flags, see --help", flags.Arg(0))
	case o.claimFrom != cloudinary.DefaultAPIBase && !o.claim:
		return nil, errors.New("--claim-from has no meaning without --claim")
	case o.output != "table" && o.output != "json":
		return nil, fmt.Errorf("-o is %q, must be table or json", o.output)
	case o.urlLimit < 1:
		return nil, fmt.Errorf("--url-limit is %d, must be at least 1", o.urlLimit)
	case o.patience <= 0 || o.timeout <= 0:
		return nil, errors.New("--patience and --timeout must be above 0")
	}
	return o, nil
}

func run(ctx context.Context, args []string, cloudinaryURL string, out, progress io.Writer) error {
	o, err := parseFlags(args, progress)
	if err != nil {
		return err
	}
	credentials, err := o.environment(ctx, cloudinaryURL, progress)
	if errors.Is(err, errNoEnvironment) {
		return nil
	}
	if err != nil {
		return err
	}
	report, err := livecheck.Run(ctx, credentials, livecheck.Options{
		UserAgent: userAgent, Timeout: o.timeout, Now: time.Now, Sleep: sleep, Patience: o.patience,
		URLLimit: o.urlLimit, FillLimit: o.fillLimit, Force: o.force, Progress: progress,
	})
	write := report.WriteTable
	if o.output == "json" {
		write = report.WriteJSON
	}
	return errors.Join(err, write(out))
}

func isLoopback(base string) bool {
	parsed, err := url.Parse(base)
	if err != nil {
		return false
	}
	address, err := netip.ParseAddr(parsed.Hostname())
	return strings.EqualFold(parsed.Hostname(), "localhost") || err == nil && address.IsLoopback()
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
