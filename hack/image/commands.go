// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// repository is what the names of the images begin with.
const repository = "ghcr.io/cloudinary-operator/"

// flagSet has the flag that all commands share: where the project is. The default is right for go -C hack/image run.
func flagSet(command string) (*flag.FlagSet, *string) {
	flags := flag.NewFlagSet(command, flag.ContinueOnError)
	return flags, flags.String("root", filepath.Join("..", ".."), "The root of the checkout.")
}

// editionFlags are the flags that say which edition is built.
func editionFlags(flags *flag.FlagSet) *edition {
	e := &edition{}
	flags.StringVar(&e.version, "version", "", "What the programs call themselves, and the tag of the images. Default: as git describes the checkout.")
	flags.StringVar(&e.commit, "commit", "", "The commit that the images are made from. Default: the checkout's.")
	return e
}

func parse(flags *flag.FlagSet, args []string) error {
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%s: unexpected argument %q", flags.Name(), flags.Arg(0))
	}
	return nil
}

func archivesCommand(ctx context.Context, args []string, out, log io.Writer) error {
	flags, root := flagSet("archives")
	e := editionFlags(flags)
	list := flags.String("platforms", "linux/amd64,linux/arm64", "The platforms, separated by commas. docker load, where it knows no index, takes the first.")
	output := flags.String("output", "dist", "The folder for the archives.")
	if err := parse(flags, args); err != nil {
		return err
	}
	platforms, err := parsePlatforms(*list)
	if err != nil {
		return fmt.Errorf("--platforms: %w", err)
	}
	source, err := newCheckout(*root, log)
	if err != nil {
		return err
	}
	if err := source.complete(ctx, e, os.Getenv); err != nil {
		return err
	}
	folder := source.path(*output)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("make the folder for the archives: %w", err)
	}
	for _, d := range descriptions() {
		file := filepath.Join(folder, "image-"+d.name+"-"+e.version+".tar")
		if err := source.writeImage(ctx, out, d, *e, platforms, repository+d.name+":"+e.version, file); err != nil {
			return fmt.Errorf("image %s: %w", d.name, err)
		}
	}
	return nil
}

func layersCommand(ctx context.Context, args []string, log io.Writer) error {
	flags, root := flagSet("layers")
	e := editionFlags(flags)
	wanted := flags.String("platform", "linux/"+runtime.GOARCH, "The platform.")
	output := flags.String("output", "", "The folder for the layers, one tar archive for each image. Required.")
	if err := parse(flags, args); err != nil {
		return err
	}
	if *output == "" {
		return errors.New("layers: --output is required")
	}
	platform, err := parsePlatform(*wanted)
	if err != nil {
		return fmt.Errorf("--platform: %w", err)
	}
	source, err := newCheckout(*root, log)
	if err != nil {
		return err
	}
	if err := source.complete(ctx, e, os.Getenv); err != nil {
		return err
	}
	for _, d := range descriptions() {
		files, err := source.files(ctx, d, *e, platform)
		if err != nil {
			return fmt.Errorf("image %s: %w", d.name, err)
		}
		layer, err := writeTar(files, e.created)
		if err != nil {
			return fmt.Errorf("image %s: %w", d.name, err)
		}
		if err := writeFile(filepath.Join(source.path(*output), d.name+".tar"), layer); err != nil {
			return fmt.Errorf("image %s: %w", d.name, err)
		}
	}
	return nil
}

func singleCommand(ctx context.Context, args []string, out, log io.Writer) error {
	flags, root := flagSet("single")
	program := flags.String("package", "", "The main package, such as ./hack/node/pause. Required.")
	ref := flags.String("ref", "", "The name and tag of the image, such as localhost/pause:1. Required.")
	output := flags.String("output", "", "The archive. Required.")
	if err := parse(flags, args); err != nil {
		return err
	}
	if *program == "" || *ref == "" || *output == "" {
		return errors.New("single: --package, --ref and --output are required")
	}
	source, err := newCheckout(*root, log)
	if err != nil {
		return err
	}
	tag, err := name.NewTag(*ref, name.StrictValidation)
	if err != nil {
		return fmt.Errorf("--ref: %w", err)
	}
	d := description{name: path.Base(filepath.ToSlash(*program)), packages: []string{*program}}
	// Nobody asks such an image where it comes from, and it never changes but with its program.
	e := edition{version: tag.TagStr(), commit: "unknown", created: epoch()}
	return source.writeImage(ctx, out, d, e, []v1.Platform{{OS: "linux", Architecture: runtime.GOARCH}}, *ref, source.path(*output))
}

// writeImage builds an image for each platform, writes them as one archive, and says so.
func (c checkout) writeImage(ctx context.Context, out io.Writer, d description, e edition, platforms []v1.Platform, ref, file string) error {
	if _, err := name.NewTag(ref, name.StrictValidation); err != nil {
		return fmt.Errorf("the version %q makes no name of an image: %w", e.version, err)
	}
	images := make([]v1.Image, 0, len(platforms))
	for _, p := range platforms {
		files, err := c.files(ctx, d, e, p)
		if err != nil {
			return err
		}
		image, err := assemble(d, e, p, files)
		if err != nil {
			return err
		}
		images = append(images, image)
	}
	index, err := combine(d, e, platforms, images)
	if err != nil {
		return err
	}
	if err := writeArchive(file, ref, index, images, e.created); err != nil {
		return err
	}
	digest, _, err := v1.SHA256(bytes.NewReader(index))
	if err != nil {
		return fmt.Errorf("find the digest: %w", err)
	}
	_, err = fmt.Fprintf(out, "%s  %s@%s\n", c.relative(file), ref, digest)
	return err
}

func parsePlatforms(list string) ([]v1.Platform, error) {
	var platforms []v1.Platform
	seen := map[string]bool{}
	for s := range strings.SplitSeq(list, ",") {
		p, err := parsePlatform(strings.TrimSpace(s))
		if err != nil {
			return nil, err
		}
		if seen[p.Architecture] {
			return nil, fmt.Errorf("%s is there twice", s)
		}
		seen[p.Architecture] = true
		platforms = append(platforms, p)
	}
	return platforms, nil
}

// parsePlatform takes what Go calls a platform. Variants of an architecture are not built.
func parsePlatform(s string) (v1.Platform, error) {
	system, architecture, _ := strings.Cut(s, "/")
	if system != "linux" || architecture == "" || strings.Contains(architecture, "/") {
		return v1.Platform{}, fmt.Errorf("%q is no platform of a container here, want linux/ARCHITECTURE such as linux/amd64", s)
	}
	return v1.Platform{OS: system, Architecture: architecture}, nil
}
