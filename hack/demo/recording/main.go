// SPDX-License-Identifier: Apache-2.0

// Command recording turns what make demo printed, on its standard input, into an animated picture of a terminal: an SVG that needs no
// script, so that it plays wherever a page shows it as an image. It refuses what is not the story that demo.sh tells.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	script := flag.String("script", "hack/demo/demo.sh", "the script that tells the story")
	out := flag.String("o", "docs/images/demo.svg", "the picture to write")
	flag.Parse()
	if err := run(os.Stdin, *script, *out); err != nil {
		fmt.Fprintln(os.Stderr, "recording:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, script, out string) error {
	text, err := io.ReadAll(in)
	if err != nil {
		return fmt.Errorf("read what the demo printed: %w", err)
	}
	scenes, err := scenesOf(script)
	if err != nil {
		return err
	}
	picture := draw(framesOf(string(text)), scenes)
	if err := check(picture, scenes); err != nil {
		return err
	}
	return os.WriteFile(out, picture, 0o644)
}
