// SPDX-License-Identifier: Apache-2.0

// Command kubectl-cloudinary is a kubectl plugin for the operator's objects and the receiver's dead letters. It holds flags and
// wiring only; what it does is in internal/plugin.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/cloudinary-operator/cloudinary-operator/internal/plugin"
)

// version is set by the build.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := plugin.Run(ctx, plugin.Config{
		Streams: genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr},
		Version: version,
		Now:     time.Now,
		Getenv:  os.Getenv,
	}, os.Args[1:])
	stop()
	os.Exit(code)
}
