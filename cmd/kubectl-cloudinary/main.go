// SPDX-License-Identifier: Apache-2.0

// Command kubectl-cloudinary is a kubectl plugin for the operator's objects and the receiver's dead
// letters. It holds flags and wiring only; what it does is in internal/plugin.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/cloudinary-operator/cloudinary-operator/internal/plugin"
	"github.com/cloudinary-operator/cloudinary-operator/internal/release"
)

// version is set by the build.
var version = "dev"

// commit is, too. Where it is not, Go may have noted it: see release.Of.
var commit string //nolint:gochecknoglobals // the linker sets it

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := plugin.Run(ctx, plugin.Config{
		Streams:  genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr},
		Version:  release.Version(version),
		Commit:   commit,
		Now:      time.Now,
		Getenv:   os.Getenv,
		Terminal: term.IsTerminal(int(os.Stdout.Fd())),
	}, os.Args[1:])
	stop()
	os.Exit(code)
}
