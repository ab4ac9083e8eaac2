// SPDX-License-Identifier: Apache-2.0

// Package release tells which build of a program runs. It knows none of the programs, and reads nothing but what the build left in them.
package release

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
)

// Info is what somebody who reports a problem is asked for.
type Info struct {
	Version   string `json:"version"`
	Commit    string `json:"commit"`
	GoVersion string `json:"goVersion"`
	Platform  string `json:"platform"`
}

const unknown = "unknown"

// Of describes the running program. An empty commit is looked up in what Go itself notes when it builds in a checkout.
func Of(version, commit string) Info {
	if commit == "" {
		commit = unknown
		if build, ok := debug.ReadBuildInfo(); ok {
			commit = commitOf(build.Settings)
		}
	}
	return Info{Version: version, Commit: commit, GoVersion: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
}

// unset is the version of a program for which the build has set none.
const unset = "dev"

// Version is what the build has set, else what Go noted: `go install` with a version, or in a checkout, knows it.
func Version(set string) string {
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return set
	}
	return versionOf(set, build.Main.Version)
}

func versionOf(set, noted string) string {
	if set != unset || noted == "" || noted == "(devel)" {
		return set
	}
	return noted
}

func commitOf(settings []debug.BuildSetting) string {
	commit, suffix := unknown, ""
	for _, s := range settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			suffix = "-dirty"
		}
	}
	if commit == unknown {
		return unknown
	}
	return commit + suffix
}

// Command is what a program does when its first argument is "version": it writes the information as text, or with -o json as JSON.
func Command(out io.Writer, info Info, args []string) error {
	flags := flag.NewFlagSet("version", flag.ContinueOnError)
	format := flags.String("o", "text", "How to print: text or json.")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return fmt.Errorf("version: %w", err)
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("version: unexpected argument %q", flags.Arg(0))
	}
	switch *format {
	case "text":
		_, err := fmt.Fprintf(out, "version   %s\ncommit    %s\ngo        %s\nplatform  %s\n", info.Version, info.Commit, info.GoVersion, info.Platform)
		return err
	case "json":
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(info)
	default:
		return fmt.Errorf("version: -o is %q, must be text or json", *format)
	}
}
