// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// chartFolder is where the chart's sources are.
func (r release) chartFolder() string { return filepath.Join(r.root, "charts", operatorImage) }

// packChart packs the chart with its image by digest. Helm gives its files the time that SOURCE_DATE_EPOCH has, so two packages are equal.
func (r release) packChart(ctx context.Context) error {
	digest, err := r.operatorDigest()
	if err != nil {
		return err
	}
	staged, err := os.MkdirTemp("", "release-chart-")
	if err != nil {
		return fmt.Errorf("make a folder for the chart: %w", err)
	}
	defer os.RemoveAll(staged) //nolint:errcheck // a temporary folder
	folder := filepath.Join(staged, operatorImage)
	if err := os.CopyFS(folder, os.DirFS(r.chartFolder())); err != nil {
		return fmt.Errorf("copy the chart: %w", err)
	}
	if err := pinValues(filepath.Join(folder, "values.yaml"), r.registry, digest); err != nil {
		return err
	}
	version := strings.TrimPrefix(r.version, "v")
	cmd := exec.CommandContext(ctx, r.helm, "package", folder, "--version", version, "--app-version", r.version, "--destination", r.dist)
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH="+strconv.FormatInt(r.created.Unix(), 10))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("helm package: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

func (r release) operatorDigest() (digest string, err error) {
	err = r.images(func(all []image) error {
		for _, i := range all {
			if i.name == operatorImage {
				digest = i.digest.String()
				return nil
			}
		}
		return fmt.Errorf("there is no image %s in %s", operatorImage, r.dist)
	})
	return digest, err
}

// pinValues sets registry and digest in the values' block image. The file is edited as text, since it is the documentation, too.
func pinValues(file, registry, digest string) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read the chart's values: %w", err)
	}
	text := string(raw)
	block := regexp.MustCompile(`(?m)^image:\n(?:[ #].*\n|\n)+`).FindStringIndex(text)
	if block == nil {
		return errors.New("the chart's values.yaml has no block image")
	}
	edited := text[block[0]:block[1]]
	host, path, found := strings.Cut(registry, "/")
	if found {
		path += "/"
	}
	for key, value := range map[string]string{"registry": host, "repository": path + operatorImage, "digest": digest} {
		line := regexp.MustCompile(`(?m)^(  ` + key + `:) ?.*$`)
		if count := len(line.FindAllString(edited, -1)); count != 1 {
			return fmt.Errorf("image.%s is there %d times in the chart's values.yaml, want once", key, count)
		}
		edited = line.ReplaceAllString(edited, "${1} "+value)
	}
	if err := os.WriteFile(file, []byte(text[:block[0]]+edited+text[block[1]:]), 0o644); err != nil {
		return fmt.Errorf("write the chart's values: %w", err)
	}
	return nil
}
