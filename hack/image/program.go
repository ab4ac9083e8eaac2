// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// programCommand is for what people run on their own machines: a release packs its folders.
func programCommand(ctx context.Context, args []string, log io.Writer) error {
	flags, root := flagSet("program")
	e := editionFlags(flags)
	program := flags.String("package", "", "The main package, such as ./cmd/kubectl-cloudinary. Required.")
	wanted := flags.String("platform", "", "The platform, such as darwin/arm64. Required.")
	output := flags.String("output", "", "The folder to write, which must not exist. Required.")
	if err := parse(flags, args); err != nil {
		return err
	}
	if *program == "" || *wanted == "" || *output == "" {
		return errors.New("program: --package, --platform and --output are required")
	}
	system, architecture, found := strings.Cut(*wanted, "/")
	if !found || system == "" || architecture == "" {
		return fmt.Errorf("--platform: %q is no platform, want SYSTEM/ARCHITECTURE such as darwin/arm64", *wanted)
	}
	source, err := newCheckout(*root, log)
	if err != nil {
		return err
	}
	if err := source.complete(ctx, e, os.Getenv); err != nil {
		return err
	}
	d := description{name: path.Base(filepath.ToSlash(*program)), packages: []string{*program}}
	files, err := source.programFiles(ctx, d, *e, v1.Platform{OS: system, Architecture: architecture})
	if err != nil {
		return fmt.Errorf("program %s: %w", d.name, err)
	}
	return writeTree(source.path(*output), files, e.created)
}

// programFiles are a program, the project's license beside it, and those of what is linked into it.
func (c checkout) programFiles(ctx context.Context, d description, e edition, p v1.Platform) ([]file, error) {
	files, err := c.programs(ctx, d, e, p)
	if err != nil {
		return nil, err
	}
	licenses, err := c.linkedLicenses(ctx, p, d.packages, nil)
	if err != nil {
		return nil, err
	}
	for _, f := range licenses {
		// Where people, and krew, look for it.
		if f.path == path.Join(licensesFolder, "LICENSE") {
			f.path = "LICENSE"
		}
		files = append(files, f)
	}
	return files, nil
}
