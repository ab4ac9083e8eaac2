// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
)

// Config is the plugin's view of its process.
type Config struct {
	Streams genericiooptions.IOStreams
	Version string
	Commit  string // empty: what Go noted when it built the program
	Now     func() time.Time
	Getenv  func(string) string
	// Terminal is whether Streams.Out is one.
	Terminal bool
}

// cli is the state that all commands share.
type cli struct {
	Config
	flags *genericclioptions.ConfigFlags
}

// exitError ends the process with an exit code, and without a message.
type exitError int

// Error is never shown.
func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// Run runs one command, and returns the exit code. An error is one line on the error stream, as
// with kubectl.
func Run(ctx context.Context, config Config, args []string) int {
	ctrllog.SetLogger(logr.Discard()) // what libraries would log is in the errors that they return
	root := New(config)               //nolint:contextcheck // a command gets its context from ExecuteContext
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var code exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	}
	fmt.Fprintf(config.Streams.ErrOut, "error: %s\n", strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; "))
	return 1
}

const longRoot = `Look at, try out and repair what the Cloudinary operator does with notification triggers.

Every command works with your own rights in the cluster, and none writes at Cloudinary.`

// New returns the root command.
func New(config Config) *cobra.Command {
	c := &cli{Config: config, flags: genericclioptions.NewConfigFlags(true)}
	root := &cobra.Command{
		Use:           "kubectl-cloudinary",
		Short:         "Work with Cloudinary's notification triggers in Kubernetes",
		Long:          longRoot,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl cloudinary"},
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return c.readVariables(cmd) },
	}
	root.SetUsageTemplate(usageTemplate)
	root.SetIn(config.Streams.In)
	root.SetOut(config.Streams.Out)
	root.SetErr(config.Streams.ErrOut)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; see '%s --help'", err, cmd.CommandPath())
	})
	c.flags.AddFlags(root.PersistentFlags())
	// The help is the same for everybody
	root.PersistentFlags().Lookup("cache-dir").DefValue = "$HOME/.kube/cache"
	c.completeNamespaces(root)
	root.AddCommand(
		c.statusCommand(), c.planCommand(), c.exportCommand(), c.previewCommand(), c.sendCommand(),
		c.deadLettersCommand(), c.releaseCommand(), c.versionCommand(), optionsCommand(root),
	)
	return root
}

// warn prints a warning on the error stream.
func (c *cli) warn(format string, args ...any) {
	fmt.Fprintf(c.Streams.ErrOut, "warning: "+format+"\n", args...)
}
