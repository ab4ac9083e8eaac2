// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Environment variables with the defaults of flags.
const (
	envReceiverAdminURL  = "RECEIVER_ADMIN_URL"
	envReceiverURL       = "RECEIVER_URL"
	envReceiverBaseURL   = "RECEIVER_BASE_URL"
	envOperatorNamespace = "OPERATOR_NAMESPACE"
)

// annotationEnv is the annotation with the environment variable of a flag.
const annotationEnv = "cloudinary-operator/environment"

// orEnv makes an environment variable the default of a flag, and says so in the help.
func orEnv(f *pflag.FlagSet, name, variable string) {
	flag := f.Lookup(name)
	flag.Usage += " Environment: " + variable + "."
	if flag.Annotations == nil {
		flag.Annotations = map[string][]string{}
	}
	flag.Annotations[annotationEnv] = []string{variable}
}

// readVariables sets the flags that were not given and have an environment variable.
func (c *cli) readVariables(cmd *cobra.Command) error {
	var problem error
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		variables := flag.Annotations[annotationEnv]
		if flag.Changed || len(variables) == 0 || problem != nil {
			return
		}
		if value := c.Getenv(variables[0]); value != "" {
			if err := flag.Value.Set(value); err != nil {
				problem = fmt.Errorf("environment variable %s, for --%s: %w", variables[0], flag.Name, err)
			}
		}
	})
	return problem
}

// optionsCommand prints the flags that every command accepts. The help of a command leaves them
// out: there are many, and users of kubectl know them.
func optionsCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "options", Short: "List the options that every command takes", Example: "  kubectl cloudinary options",
		Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "These options can be given to every command:\n\n%s", root.PersistentFlags().FlagUsages())
			return err
		},
	}
}

// usageTemplate is cobra's own without the flags that every command accepts.
const usageTemplate = `Usage:{{if .Runnable}}
  {{.UseLine}}{{end}}{{if .HasAvailableSubCommands}}
  {{.CommandPath}} [command]{{end}}{{if gt (len .Aliases) 0}}

Aliases:
  {{.NameAndAliases}}{{end}}{{if .HasExample}}

Examples:
{{.Example}}{{end}}{{if .HasAvailableSubCommands}}

Available Commands:{{range .Commands}}{{if (or .IsAvailableCommand (eq .Name "help"))}}
  {{rpad .Name .NamePadding }} {{.Short}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{.LocalNonPersistentFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableSubCommands}}

Use "{{.CommandPath}} [command] --help" for more information about a command.{{end}}

Use "{{.Root.CommandPath}} options" for the options that every command takes, such as --namespace and --context.
`
