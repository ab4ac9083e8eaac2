// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// checkout is the folder of the project.
type checkout struct {
	root string    // absolute
	log  io.Writer // is told what takes long
}

func newCheckout(root string, log io.Writer) (checkout, error) {
	absolute, err := filepath.Abs(root)
	if err != nil {
		return checkout{}, fmt.Errorf("find the root of the checkout: %w", err)
	}
	for _, needed := range []string{"go.mod", "LICENSE", filepath.Join("hack", "image", "go.mod")} {
		if _, err := os.Stat(filepath.Join(absolute, needed)); err != nil {
			return checkout{}, fmt.Errorf("%s is no root of the project (--root): %w", absolute, err)
		}
	}
	return checkout{root: absolute, log: log}, nil
}

// path is where a path on the command line leads. It is relative to the root, since go -C hides where the caller is.
func (c checkout) path(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(c.root, p)
}

// relative is the reverse, for people.
func (c checkout) relative(p string) string {
	if r, err := filepath.Rel(c.root, p); err == nil && filepath.IsLocal(r) {
		return r
	}
	return p
}

// output runs a program in a folder of the checkout and returns what it printed; what it complained about is in the error.
func (c checkout) output(ctx context.Context, folder string, env []string, program string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = filepath.Join(c.root, folder)
	cmd.Env = append(os.Environ(), env...)
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", program, args[0], err, strings.TrimSpace(complaints.String()))
	}
	return out.Bytes(), nil
}

// complete fills in what the command line does not say of an edition, from git, and its time from SOURCE_DATE_EPOCH or the commit.
func (c checkout) complete(ctx context.Context, e *edition, getenv func(string) string) error {
	var err error
	if e.version == "" {
		if e.version, err = c.git(ctx, "describe", "--tags", "--always", "--dirty"); err != nil {
			return fmt.Errorf("--version must be given, since git does not tell it: %w", err)
		}
	}
	given := e.commit
	if given == "" {
		if e.commit, err = c.git(ctx, "rev-parse", "HEAD"); err != nil {
			return fmt.Errorf("--commit must be given, since git does not tell it: %w", err)
		}
	}
	seconds := getenv("SOURCE_DATE_EPOCH")
	if seconds == "" {
		seconds, err = c.git(ctx, "log", "-1", "--format=%ct", e.commit)
	}
	switch {
	case err == nil:
		e.created, err = parseEpoch(seconds)
		return err
	case given == "":
		return fmt.Errorf("SOURCE_DATE_EPOCH must be set, since git does not tell the commit's time: %w", err)
	default: // The Dockerfile's build stage is told the commit, and has no history to look it up in. No time is better than one that differs.
		e.created = epoch()
		return nil
	}
}

func parseEpoch(seconds string) (time.Time, error) {
	number, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil || number < 0 {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH is %q, must be seconds since 1970", seconds)
	}
	return time.Unix(number, 0).UTC(), nil
}

func (c checkout) git(ctx context.Context, args ...string) (string, error) {
	out, err := c.output(ctx, "", nil, "git", args...)
	return strings.TrimSpace(string(out)), err
}

// environment makes go build for a platform, and the same on each machine.
func environment(p v1.Platform) []string {
	return []string{
		"GOOS=" + p.OS, "GOARCH=" + p.Architecture, "CGO_ENABLED=0", "GOAMD64=v1", "GOARM64=v8.0",
		"GOFLAGS=", "GOEXPERIMENT=", "GOFIPS140=off", "GOWORK=off",
	}
}

// files are all files of an image.
func (c checkout) files(ctx context.Context, d description, e edition, p v1.Platform) ([]file, error) {
	files, err := c.programs(ctx, d, e, p)
	if err != nil {
		return nil, err
	}
	roots, err := certificates()
	if err != nil {
		return nil, err
	}
	files = append(files,
		file{path: "etc/passwd", mode: 0o644, content: []byte(passwd)},
		file{path: "etc/group", mode: 0o644, content: []byte(group)},
		file{path: "etc/ssl/certs/ca-certificates.crt", mode: 0o644, content: roots},
	)
	if !d.distributed {
		return files, nil
	}
	found, err := c.licenses(ctx, d, p)
	if err != nil {
		return nil, err
	}
	return append(files, found...), nil
}

func (c checkout) programs(ctx context.Context, d description, e edition, p v1.Platform) ([]file, error) {
	folder, err := os.MkdirTemp("", "image-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the programs: %w", err)
	}
	defer os.RemoveAll(folder) //nolint:errcheck // a temporary folder
	fmt.Fprintf(c.log, "building %s for %s/%s (minutes, where Go has cached nothing) ...\n", d.name, p.OS, p.Architecture)
	// -s and -w leave out what a debugger needs. What Go notes of the checkout is left out, since it is not there in the Dockerfile.
	ldflags := "-s -w -X main.version=" + e.version + " -X main.commit=" + e.commit
	args := append([]string{"build", "-trimpath", "-buildvcs=false", "-ldflags", ldflags, "-o", folder + string(filepath.Separator)}, d.packages...)
	if _, err := c.output(ctx, "", environment(p), "go", args...); err != nil {
		return nil, fmt.Errorf("build %s: %w", strings.Join(d.packages, " "), err)
	}
	var files []file
	for _, pkg := range d.packages {
		program := path.Base(filepath.ToSlash(pkg))
		if p.OS == "windows" {
			program += ".exe"
		}
		content, err := os.ReadFile(filepath.Join(folder, program))
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("%s is no main package", pkg)
		}
		if err != nil {
			return nil, fmt.Errorf("read what was built: %w", err)
		}
		files = append(files, file{path: program, mode: 0o755, content: content})
	}
	return files, nil
}
