// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"compress/gzip"
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

// programCommand is for what people run on their own machines.
func programCommand(ctx context.Context, args []string, log io.Writer) error {
	flags, root := flagSet("program")
	e := editionFlags(flags)
	program := flags.String("package", "", "The main package, such as ./cmd/kubectl-cloudinary. Required.")
	wanted := flags.String("platform", "", "The platform, such as darwin/arm64. Required.")
	with := flags.String("with", "", "A script of the project that belongs beside the program.")
	output := flags.String("output", "", "The archive, such as dist/kubectl-cloudinary_darwin_arm64.tar.gz. Required.")
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
	var beside []file
	if *with != "" {
		script, err := os.ReadFile(source.path(*with))
		if err != nil {
			return fmt.Errorf("--with: %w", err)
		}
		beside = append(beside, file{path: filepath.Base(*with), mode: 0o755, content: script})
	}
	if err := source.complete(ctx, e, os.Getenv); err != nil {
		return err
	}
	d := description{name: path.Base(filepath.ToSlash(*program)), packages: []string{*program}}
	files, err := source.programFiles(ctx, d, *e, v1.Platform{OS: system, Architecture: architecture})
	if err != nil {
		return fmt.Errorf("program %s: %w", d.name, err)
	}
	archive, err := writeTar(append(files, beside...), e.created)
	if err != nil {
		return err
	}
	compressed, err := compress(archive)
	if err != nil {
		return err
	}
	return writeFile(source.path(*output), compressed)
}

// compress adds neither a name nor a time, so that two builds are equal.
func compress(raw []byte) ([]byte, error) {
	var compressed bytes.Buffer
	out := gzip.NewWriter(&compressed)
	_, err := out.Write(raw)
	if err := errors.Join(err, out.Close()); err != nil {
		return nil, fmt.Errorf("compress the archive: %w", err)
	}
	return compressed.Bytes(), nil
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
