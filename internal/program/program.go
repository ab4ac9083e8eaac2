// SPDX-License-Identifier: Apache-2.0

// Package program has what the manager and the receiver share of starting, and nothing of what they do once they run. The receiver is
// small: controller-runtime's client and its manager must not come in through here.
package program

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/cloudinary-operator/cloudinary-operator/internal/release"
)

// Line is a program's command line.
type Line struct {
	// Name is that of the program, and Args is what follows it.
	Name string
	Args []string
	// Out is for what was asked for, such as the version.
	Out io.Writer
	// Build is what the program says of itself.
	Build release.Info
}

// Options are the values of a program's flags.
type Options interface {
	// Check refuses what cannot work, naming each flag.
	Check() error
}

// Run starts a program with the flags that a line has, unless that asks for the version or for help only. Flags for the log come on top of the
// program's own.
func Run[O Options](ctx context.Context, line Line, define func(*flag.FlagSet) O, start func(context.Context, O, *zap.Options) error) error {
	if len(line.Args) > 0 && line.Args[0] == "version" {
		return release.Command(line.Out, line.Build, line.Args[1:])
	}
	flags := flag.NewFlagSet(line.Name, flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprintf(flags.Output(), "Usage of %s:\n  version [-o json]\n    \tPrint version and commit, and end.\n", line.Name)
		flags.PrintDefaults()
	}
	options, logging := define(flags), &zap.Options{}
	logging.BindFlags(flags)
	if err := flags.Parse(line.Args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if err := errors.Join(nothingElse(flags), options.Check()); err != nil {
		return err
	}
	return start(ctx, options, logging)
}

func nothingElse(flags *flag.FlagSet) error {
	if flags.NArg() == 0 {
		return nil
	}
	return fmt.Errorf("unexpected argument %q: all options are flags, see --help", flags.Arg(0))
}
