// SPDX-License-Identifier: Apache-2.0

// Command release makes of what was built what a release publishes: the chart, lists of what is inside (SBOMs), the manifest for
// krew, and notes. It builds no program: hack/release.sh calls what does, and this. See docs/releases.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/mod/semver"
)

const usage = `Usage: go -C hack/release run . COMMAND --version VERSION [FLAGS]

  check      can this version be released from this checkout?
  notes      write the version's section of CHANGELOG.md
  images     write and print the digest under which a registry has each image
  chart      pack the Helm chart, with the image by digest
  sboms      write what is inside of each image and of the plugin
  krew       fill in the plugin's manifest for krew
  push       put the images' archives into a registry, as they are

COMMAND --help lists the flags. Paths are relative to the root of the checkout.
`

// release is what all commands work on.
type release struct {
	root, dist string
	version    string
	registry   string
	created    time.Time
	insecure   bool
	helm       string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout)
	stop()
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return
	}
	fmt.Fprintln(os.Stderr, "release:", err)
	os.Exit(1)
}

func run(ctx context.Context, args []string, getenv func(string) string, out io.Writer) error {
	if len(args) == 0 {
		return fmt.Errorf("a command is missing\n\n%s", usage)
	}
	commands := map[string]func(context.Context, release, io.Writer) error{
		"check":  func(_ context.Context, r release, _ io.Writer) error { return r.check() },
		"notes":  func(_ context.Context, r release, _ io.Writer) error { return r.writeNotes() },
		"images": func(_ context.Context, r release, out io.Writer) error { return r.writeImages(out) },
		"chart":  func(ctx context.Context, r release, _ io.Writer) error { return r.packChart(ctx) },
		"sboms":  func(_ context.Context, r release, _ io.Writer) error { return r.writeSBOMs() },
		"krew":   func(_ context.Context, r release, _ io.Writer) error { return r.writeKrew() },
		"push":   func(ctx context.Context, r release, out io.Writer) error { return r.push(ctx, out) },
	}
	if args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		fmt.Fprint(out, usage)
		return nil
	}
	command, found := commands[args[0]]
	if !found {
		return fmt.Errorf("unknown command %q\n\n%s", args[0], usage)
	}
	r, err := parse(args[0], args[1:], getenv)
	if err != nil {
		return err
	}
	return command(ctx, r, out)
}

func parse(command string, args []string, getenv func(string) string) (release, error) {
	var r release
	flags := flag.NewFlagSet(command, flag.ContinueOnError)
	flags.StringVar(&r.root, "root", filepath.Join("..", ".."), "The root of the checkout. The default is right for go -C hack/release run.")
	flags.StringVar(&r.dist, "dist", "dist", "The folder of the release.")
	flags.StringVar(&r.version, "version", "", "The version, such as v0.1.0. Required.")
	flags.StringVar(&r.registry, "registry", "ghcr.io/cloudinary-operator", "Where the images will be.")
	flags.BoolVar(&r.insecure, "insecure", false, "Push by http, to a registry on this machine.")
	flags.StringVar(&r.helm, "helm", "helm", "The program helm, for the command chart.")
	if err := flags.Parse(args); err != nil {
		return r, err
	}
	if flags.NArg() > 0 {
		return r, fmt.Errorf("%s: unexpected argument %q", command, flags.Arg(0))
	}
	if countedAsText().MatchString(r.version) {
		return r, fmt.Errorf("--version: of %q the last number counts as text, so that 10 comes before 2: put a dot before it, as in v0.1.0-rc.1", r.version)
	}
	// A tag of an image cannot have a plus sign, so build metadata is left out of canonical versions.
	if r.version == "" || semver.Canonical(r.version) != r.version {
		return r, fmt.Errorf("--version: %q is no version, want vMAJOR.MINOR.PATCH such as v0.1.0, or v0.1.0-rc.1 to try one", r.version)
	}
	root, err := filepath.Abs(r.root)
	if err != nil {
		return r, fmt.Errorf("find the root of the checkout: %w", err)
	}
	r.root = root
	if !filepath.IsAbs(r.dist) {
		r.dist = filepath.Join(root, r.dist)
	}
	r.registry = strings.TrimSuffix(r.registry, "/")
	r.created, err = parseEpoch(getenv("SOURCE_DATE_EPOCH"))
	return r, err
}

// countedAsText finds versions such as v0.1.0-rc1, which are valid, and are not ordered as people count.
func countedAsText() *regexp.Regexp { return regexp.MustCompile(`-(?:alpha|beta|rc)\d+$`) }

func parseEpoch(seconds string) (time.Time, error) {
	if seconds == "" {
		return time.Unix(0, 0).UTC(), nil
	}
	number, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil || number < 0 {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH is %q, must be seconds since 1970", seconds)
	}
	return time.Unix(number, 0).UTC(), nil
}

// prerelease tells a version that people try from one that they run.
func (r release) prerelease() bool { return strings.Contains(r.version, "-") }

// write puts a file into the release.
func (r release) write(name string, content []byte) error {
	if err := os.MkdirAll(r.dist, 0o755); err != nil {
		return fmt.Errorf("make the folder of the release: %w", err)
	}
	if err := os.WriteFile(filepath.Join(r.dist, name), content, 0o644); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
