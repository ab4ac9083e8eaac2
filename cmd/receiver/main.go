// SPDX-License-Identifier: Apache-2.0

// Command receiver takes Cloudinary's notifications, stores them, and delivers them. It holds flags and wiring only.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"go.uber.org/zap/zapcore"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/manager/signals"

	"github.com/cloudinary-operator/cloudinary-operator/internal/program"
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
	line := program.Line{Name: name, Args: args, Out: out, Build: release.Of(version, commit)}
	return program.Run(ctx, line, newFlags, start)
}

func start(ctx context.Context, o *options, logging *zap.Options) error {
	// A line for each notification is thousands a second at times: they are written together.
	buffer := &zapcore.BufferedWriteSyncer{WS: zapcore.AddSync(os.Stderr), Size: logBuffer, FlushInterval: time.Second}
	defer func() { _ = buffer.Stop() }() // there is nobody left to tell
	logging.DestWriter = buffer
	logger := zap.New(zap.UseFlagOptions(logging))
	log.SetLogger(logger)
	logger.Info("Starting", "version", version)
	if err := o.fitMemory(logger); err != nil {
		return err
	}
	r, err := newReceiver(ctx, o, logger)
	if errors.Is(err, context.Canceled) {
		return nil // it was told to stop while it waited for the store
	}
	if err != nil {
		return err
	}
	return r.run(ctx)
}

const logBuffer = 256 << 10
