// SPDX-License-Identifier: Apache-2.0

// Command manager keeps Cloudinary product environments equal to the manifests in a cluster. It has
// the flags, and the servers for probes and metrics.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/cloudinary-operator/cloudinary-operator/internal/program"
	"github.com/cloudinary-operator/cloudinary-operator/internal/release"
)

// version is set by the build.
var version = "dev"

// commit is set by the build too. If it is empty, Go may have recorded it: see release.Of.
var commit string //nolint:gochecknoglobals // the linker sets it

func main() {
	if err := run(ctrl.SetupSignalHandler(), os.Args[0], os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "manager:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, name string, args []string, out io.Writer) error {
	line := program.Line{Name: name, Args: args, Out: out, Build: release.Of(version, commit)}
	return program.Run(ctx, line, newFlags, start)
}

func start(ctx context.Context, o *options, logging *zap.Options) error {
	ctrl.SetLogger(zap.New(zap.UseFlagOptions(logging)))
	i, err := newManager(o)
	if err != nil {
		return err
	}
	ctrl.Log.Info("Starting", "version", version)
	return i.run(ctx)
}
