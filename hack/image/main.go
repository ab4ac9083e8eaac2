// SPDX-License-Identifier: Apache-2.0

// Command image puts together the container images, without a Docker daemon. The Dockerfile takes the layers of its images from it, and its stages are written by it.
// See docs/image.md. It is a module of its own, so that none of what it needs becomes a dependency of the operator.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

const usage = `Usage: go -C hack/image run . COMMAND [FLAGS]

  archives   write each image as an OCI archive, for all platforms
  layers     write the layer of each image as a tar archive, for the Dockerfile
  dockerfile write the stages of the Dockerfile, one for each image
  single     write an image of any one program of the project, for this machine
  program    write any one program and the licenses of what is in it as a tar.gz, for any platform that Go knows

Paths are relative to the root of the checkout. COMMAND --help lists the flags.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return
	}
	fmt.Fprintln(os.Stderr, "image:", err)
	os.Exit(1)
}

// run prints what was made, and to log what is being done.
func run(ctx context.Context, args []string, out, log io.Writer) error {
	if len(args) == 0 {
		return fmt.Errorf("a command is missing\n\n%s", usage)
	}
	command, rest := args[0], args[1:]
	switch command {
	case "archives":
		return archivesCommand(ctx, rest, out, log)
	case "layers":
		return layersCommand(ctx, rest, log)
	case "dockerfile":
		return dockerfileCommand(rest)
	case "single":
		return singleCommand(ctx, rest, out, log)
	case "program":
		return programCommand(ctx, rest, log)
	case "help", "-h", "--help":
		fmt.Fprint(out, usage)
		return nil
	default:
		return fmt.Errorf("unknown command %q\n\n%s", command, usage)
	}
}
