// SPDX-License-Identifier: Apache-2.0

// Command manager keeps Cloudinary product environments equal to the manifests in a cluster. It holds flags and wiring only.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/cloudinary-operator/cloudinary-operator/internal/release"
)

// version is set by the build.
var version = "dev"

// commit is, too. Where it is not, Go may have noted it: see release.Of.
var commit string //nolint:gochecknoglobals // the linker sets it

func main() {
	if err := run(ctrl.SetupSignalHandler(), os.Args[0], os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "manager:", err)
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
	ctrl.SetLogger(zap.New(zap.UseFlagOptions(&logging)))
	mgr, err := newManager(f)
	if err != nil {
		return err
	}
	ctrl.Log.Info("Starting", "version", version)
	return mgr.Start(ctx)
}
