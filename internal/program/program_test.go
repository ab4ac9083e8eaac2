// SPDX-License-Identifier: Apache-2.0

package program

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/cloudinary-operator/cloudinary-operator/internal/release"
)

// size is the one flag of a program.
type size struct{ value int }

func (s *size) Check() error { return AtLeast("--size", s.value, 1) }

func define(flags *flag.FlagSet) *size {
	flags.SetOutput(io.Discard)
	s := &size{}
	flags.IntVar(&s.value, "size", 1, "")
	return s
}

var errStarted = errors.New("it has started")

func TestAProgramStartsWithItsFlags(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want string // of the error; empty: there is none
		size int    // with which it starts; 0: it does not
	}{
		"without any":                  {want: errStarted.Error(), size: 1},
		"with its own":                 {args: []string{"--size=7"}, want: errStarted.Error(), size: 7},
		"with one for the log":         {args: []string{"--zap-log-level=debug"}, want: errStarted.Error(), size: 1},
		"help":                         {args: []string{"--help"}},
		"an unknown flag":              {args: []string{"--sizes=7"}, want: "-sizes"},
		"a value that is none":         {args: []string{"--size=big"}, want: "-size"},
		"a value that cannot work":     {args: []string{"--size=0"}, want: "--size is 0, must be at least 1"},
		"an argument":                  {args: []string{"serve"}, want: `unexpected argument "serve"`},
		"an argument and such a value": {args: []string{"--size=0", "serve"}, want: "unexpected argument \"serve\": all options are flags, see --help\n--size is 0"},
		"a format that is none":        {args: []string{"version", "-o", "yaml"}, want: `-o is "yaml"`},
	} {
		t.Run(name, func(t *testing.T) {
			started := 0
			err := Run(t.Context(), Line{Name: "program", Args: tc.args, Out: io.Discard}, define, func(_ context.Context, s *size, logging *zap.Options) error {
				if logging == nil {
					t.Error("it knows nothing of the log")
				}
				started = s.value
				return errStarted
			})
			if (err != nil) != (tc.want != "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one that says %q", err, tc.want)
			}
			if started != tc.size {
				t.Errorf("it starts with %d, want %d", started, tc.size)
			}
		})
	}
}

func TestVersion(t *testing.T) {
	build := release.Of("v1.2.3", "abc")
	version := func(args ...string) *bytes.Buffer {
		var out bytes.Buffer
		line := Line{Name: "program", Args: append([]string{"version"}, args...), Out: &out, Build: build}
		if err := Run(t.Context(), line, define, func(context.Context, *size, *zap.Options) error { return errStarted }); err != nil {
			t.Fatal(err)
		}
		return &out
	}
	if text := version().String(); !strings.HasPrefix(text, "version   v1.2.3\ncommit    abc\n") {
		t.Errorf("as text: %q", text)
	}
	raw := version("-o", "json")
	var got release.Info
	if err := json.Unmarshal(raw.Bytes(), &got); err != nil {
		t.Fatalf("as JSON: %v in %q", err, raw)
	}
	if diff := cmp.Diff(build, got); diff != "" {
		t.Errorf("as JSON (-want +got):\n%s", diff)
	}
}
