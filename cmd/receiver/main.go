// SPDX-License-Identifier: Apache-2.0

// Command receiver takes Cloudinary's notifications, stores them, and delivers them. It holds flags and wiring only.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"go.uber.org/zap/zapcore"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/manager/signals"

	"github.com/cloudinary-operator/cloudinary-operator/internal/release"
)

// version is set by the build.
var version = "dev"

// commit is, too. Where it is not, Go may have noted it: see release.Of.
var commit string //nolint:gochecknoglobals // the linker sets it

func main() {
	syscall.Umask(0o077) // The store has notifications and verification keys.
	if err := run(signals.SetupSignalHandler(), os.Args[0], os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "receiver:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, name string, args []string, out io.Writer) error {
	if len(args) > 0 && args[0] == "version" {
		return release.Command(out, release.Of(version, commit), args[1:])
	}
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprintf(flags.Output(), "Usage of %s:\n  version [-o json]\n    \tPrint version and commit, and end.\n", name)
		flags.PrintDefaults()
	}
	f := newFlags(flags)
	logging := zap.Options{}
	logging.BindFlags(flags)
	if err := flags.Parse(args); err != nil {
		if err == flag.ErrHelp { //nolint:errorlint // the flag package returns it bare
			return nil
		}
		return err
	}
	if err := f.check(flags.Args()); err != nil {
		return err
	}
	// A line for each notification is thousands a second at times: they are written together.
	buffer := &zapcore.BufferedWriteSyncer{WS: zapcore.AddSync(os.Stderr), Size: logBuffer, FlushInterval: time.Second}
	defer func() { _ = buffer.Stop() }() // there is nobody left to tell
	logging.DestWriter = buffer
	logger := zap.New(zap.UseFlagOptions(&logging))
	log.SetLogger(logger)
	logger.Info("Starting", "version", version)
	r, err := newReceiver(ctx, f, logger)
	if errors.Is(err, context.Canceled) {
		return nil // it was told to stop while it waited for the store
	}
	if err != nil {
		return err
	}
	return r.run(ctx)
}

const logBuffer = 256 << 10
