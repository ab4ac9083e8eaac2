// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	"sigs.k8s.io/yaml"

	"github.com/cloudinary-operator/cloudinary-operator/internal/forecast"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
)

// The values of --output. The default is a table.
const (
	outputTable = ""
	outputWide  = "wide"
	outputJSON  = "json"
	outputYAML  = "yaml"
)

// output is the flag --output of one command.
type output struct {
	format  string
	allowed []string
}

func addOutput(cmd *cobra.Command, o *output, allowed ...string) {
	o.allowed = allowed
	cmd.Flags().StringVarP(&o.format, "output", "o", o.format, "Output format: "+strings.Join(allowed, "|")+".")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(allowed, cobra.ShellCompDirectiveNoFileComp)) // fails only for a flag that does not exist
}

func (o *output) check() error {
	if o.format == outputTable || slices.Contains(o.allowed, o.format) {
		return nil
	}
	return fmt.Errorf("--output %q is not one of %s", o.format, strings.Join(o.allowed, ", "))
}

// people reports whether the output is a table, which people read.
func (o *output) people() bool { return o.format == outputTable || o.format == outputWide }

// structured prints a value as JSON or YAML, if that was asked for.
func (o *output) structured(w io.Writer, value any) (bool, error) {
	switch o.format {
	case outputJSON:
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		return true, encoder.Encode(value)
	case outputYAML:
		text, err := yaml.Marshal(value)
		if err != nil {
			return true, fmt.Errorf("write YAML: %w", err)
		}
		_, err = w.Write(text)
		return true, err
	default:
		return false, nil
	}
}

// printable keeps the text of a server or a body from moving the cursor, breaking a line, or
// changing the direction of text.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || steersTerminal(r) {
			return ' '
		}
		return r
	}, s)
}

// steersTerminal reports whether a character controls a terminal, or the direction of its text.
// Blanks do not.
func steersTerminal(r rune) bool {
	return r >= 0x7f && r < 0xa0 || unicode.Is(unicode.Bidi_Control, r)
}

func age(now time.Time, t *metav1.Time) string {
	if t.IsZero() {
		return ""
	}
	return duration.HumanDuration(now.Sub(t.Time))
}

// redacted cuts a URL down to scheme and host, because paths and queries have tokens. Of the
// bundled receiver's URLs, it hides only the token.
func redacted(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return "…"
	}
	bare := u.RawQuery == "" && u.Fragment == "" && u.User == nil
	named := receiverPath(u.Path)
	switch {
	case bare && (u.Path == "" || u.Path == "/" || u.Path == named || u.Path == named+"/"+forecast.PathToken):
		return raw
	case bare && named != "":
		return u.Scheme + "://" + u.Host + named + "/…"
	default:
		return u.Scheme + "://" + u.Host + "/…"
	}
}

// receiverPath is the part of a bundled receiver's path with the name of the object, which is no
// secret. Empty: it is another path.
func receiverPath(path string) string {
	parts := strings.Split(path, "/") // an empty one first
	if !strings.HasPrefix(path, notification.PathPrefix) || len(parts) < 5 || len(parts) > 6 {
		return ""
	}
	return strings.Join(parts[:5], "/")
}
