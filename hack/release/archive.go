// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
)

// entry is a file of an archive.
type entry struct {
	path    string // with slashes
	mode    int64
	content []byte
}

// readArchive reads the files of a tar.gz.
func readArchive(file string) ([]entry, error) {
	raw, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read an archive: %w", err)
	}
	defer raw.Close() //nolint:errcheck // it was read only
	unpacked, err := gzip.NewReader(raw)
	if err != nil {
		return nil, fmt.Errorf("open the archive %s: %w", file, err)
	}
	return readTar(unpacked)
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
