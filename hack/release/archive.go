// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// entry is a file of an archive.
type entry struct {
	path    string // with slashes
	mode    int64
	content []byte
}

// pack writes files as a tar.gz that depends on nothing but them: sorted, of root, with one time, and no name or time of the gzip's own.
func pack(files []entry, created time.Time) ([]byte, error) {
	sorted := slices.SortedFunc(slices.Values(files), func(a, b entry) int { return strings.Compare(a.path, b.path) })
	var out bytes.Buffer
	compressed := gzip.NewWriter(&out)
	archive := tar.NewWriter(compressed)
	for _, f := range sorted {
		header := &tar.Header{Typeflag: tar.TypeReg, Name: f.path, Mode: f.mode, Size: int64(len(f.content)), ModTime: created}
		if err := archive.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("write %s: %w", f.path, err)
		}
		if _, err := archive.Write(f.content); err != nil {
			return nil, fmt.Errorf("write %s: %w", f.path, err)
		}
	}
	if err := errors.Join(archive.Close(), compressed.Close()); err != nil {
		return nil, fmt.Errorf("end the archive: %w", err)
	}
	return out.Bytes(), nil
}

const pluginName = "kubectl-cloudinary"

// unpackGzip is the reverse of pack.
func unpackGzip(raw []byte) ([]entry, error) {
	compressed, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("open the archive: %w", err)
	}
	return readTar(compressed)
}

func readTar(in io.Reader) ([]entry, error) {
	var files []entry
	for reader := tar.NewReader(in); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the archive: %w", err)
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", header.Name, err)
		}
		files = append(files, entry{path: header.Name, mode: header.Mode, content: content})
	}
}

// chartFolder is where the chart's sources are.
func (r release) chartFolder() string { return filepath.Join(r.root, "charts", operatorImage) }

// packChart packs the chart with its image by digest. Helm packs it, since Helm knows what belongs in; it is packed again without the time
// of the day.
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
	cmd := exec.CommandContext(ctx, r.helm, "package", folder, "--version", version, "--app-version", r.version, "--destination", staged)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("helm package: %w: %s", err, strings.TrimSpace(string(out)))
	}
	name := operatorImage + "-" + version + ".tgz"
	raw, err := os.ReadFile(filepath.Join(staged, name))
	if err != nil {
		return fmt.Errorf("read what helm packed: %w", err)
	}
	files, err := unpackGzip(raw)
	if err != nil {
		return err
	}
	for i := range files {
		files[i].mode = 0o644
	}
	again, err := pack(files, r.created)
	if err != nil {
		return err
	}
	return r.write(name, again)
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

func readArchive(file string) ([]entry, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read an archive: %w", err)
	}
	return unpackGzip(raw)
}
