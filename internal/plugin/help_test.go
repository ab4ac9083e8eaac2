// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// commands are all commands that a person may call, by their path behind the plugin's name.
func commands(t *testing.T) map[string]*cobra.Command {
	t.Helper()
	root := New(Config{Streams: genericiooptions.NewTestIOStreamsDiscard()})
	found := map[string]*cobra.Command{}
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		found[strings.TrimSpace(strings.TrimPrefix(cmd.CommandPath(), root.CommandPath()))] = cmd
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(root)
	return found
}

func TestHelp(t *testing.T) {
	for path, cmd := range commands(t) {
		t.Run("of "+cmd.CommandPath(), func(t *testing.T) {
			r := runWith(t.Context(), time.Time{}, nil, "", append(strings.Fields(path), "--help")...)
			if r.code != 0 || r.err != "" {
				t.Fatalf("code %d, errors %q", r.code, r.err)
			}
			golden(t, "help-"+strings.Join(append([]string{"cloudinary"}, strings.Fields(path)...), "-")+".txt", r.out)
			if path != "" && cmd.Example == "" {
				t.Error("has no example")
			}
		})
	}
}

func TestTheGuideNamesEveryCommand(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "..", "docs", "kubectl-plugin.md"))
	if err != nil {
		t.Fatal(err)
	}
	guide := string(raw)
	for path, cmd := range commands(t) {
		if path != "" && !strings.Contains(guide, "kubectl cloudinary "+path) {
			t.Errorf("docs/kubectl-plugin.md does not name %q", cmd.CommandPath())
		}
	}
}

func TestErrorsAreOneLine(t *testing.T) {
	cases := map[string]struct {
		args []string
		want string
	}{
		"an unknown command":             {[]string{"stauts"}, "error: unknown command \"stauts\" for \"kubectl cloudinary\""},
		"an unknown flag":                {[]string{"status", "--bogus"}, "error: unknown flag: --bogus; see 'kubectl cloudinary status --help'\n"},
		"an unknown output":              {[]string{"status", "-o", "xml"}, "error: --output \"xml\" is not one of wide, json, yaml\n"},
		"a missing argument":             {[]string{"send"}, "error: needs exactly one ENDPOINT, and got 0; see 'kubectl cloudinary send --help'\n"},
		"a kubeconfig that is not there": {[]string{"status", "--kubeconfig", "/nonexistent"}, "error: read the kubeconfig: "},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			r := runWith(t.Context(), time.Time{}, nil, "", test.args...)
			if r.code != 1 || !strings.HasPrefix(r.err, test.want) || strings.Count(r.err, "\n") != 1 || r.out != "" {
				t.Errorf("code %d, output %q, errors %q; want code 1 and one line that begins with %q", r.code, r.out, r.err, test.want)
			}
		})
	}
}

func TestTheOptionsOfEveryCommandAreInOnePlace(t *testing.T) {
	r := runWith(t.Context(), time.Time{}, nil, "", "options")
	if r.code != 0 || !strings.Contains(r.out, "--context string") || !strings.Contains(r.out, "-n, --namespace string") {
		t.Errorf("got %+v", r)
	}
	if help := runWith(t.Context(), time.Time{}, nil, "", "deadletters", "list", "--help"); strings.Contains(help.out, "--context string") || !strings.Contains(help.out, "--receiver-admin-url") {
		t.Errorf("the help of a command has not its own options alone:\n%s", help.out)
	}
}

func TestFlagsAreReadFromTheEnvironment(t *testing.T) {
	for name, want := range map[string]string{
		"127.0.0.1": "--receiver-admin-url must be", // read
		"":          "read the kubeconfig",          // not set
	} {
		env := map[string]string{envReceiverAdminURL: name}
		r := runWith(t.Context(), time.Time{}, env, "", "deadletters", "show", "1", "--kubeconfig", kubeconfigFor(t, name))
		if !strings.Contains(r.err, want) {
			t.Errorf("with %q: %q, want %q", name, r.err, want)
		}
	}
}

// kubeconfigFor is one that can be read, or where there is no name one that is not there.
func kubeconfigFor(t *testing.T, name string) string {
	t.Helper()
	if name == "" {
		return "/nonexistent"
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, api.Kubeconfig, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
