// SPDX-License-Identifier: Apache-2.0

// Command write has all that speaks of the newest release say what hack/pages/released.txt has. make generate calls it.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/cloudinary-operator/cloudinary-operator/hack/pages"
)

func main() {
	if err := run("."); err != nil {
		fmt.Fprintln(os.Stderr, "pages:", err)
		os.Exit(1)
	}
}

func run(root string) error {
	tree := os.DirFS(root)
	release, err := pages.Read(tree)
	if err != nil {
		return err
	}
	rendered, err := pages.Render(tree, release)
	if err != nil {
		return err
	}
	for name, text := range rendered {
		if err := os.WriteFile(filepath.Join(root, filepath.FromSlash(name)), []byte(text), 0o644); err != nil {
			return fmt.Errorf("write a page: %w", err)
		}
	}
	return nil
}
