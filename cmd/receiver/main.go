// SPDX-License-Identifier: Apache-2.0

// Command receiver takes Cloudinary's notifications, stores them, and delivers them. It holds flags and wiring only.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"syscall"
	"time"

	"go.uber.org/zap/zapcore"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/manager/signals"
)

// version is set by the build.
var version = "dev"

func main() {
	syscall.Umask(0o077) // The store has notifications and verification keys.
	if err := run(signals.SetupSignalHandler(), os.Args[0], os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "receiver:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, name string, args []string) error {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
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
	out := &zapcore.BufferedWriteSyncer{WS: zapcore.AddSync(os.Stderr), Size: logBuffer, FlushInterval: time.Second}
	defer func() { _ = out.Stop() }() // there is nobody left to tell
	logging.DestWriter = out
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
