// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// licensesFolder has the project's own license, and under third_party those of everything else in the image.
const licensesFolder = "licenses"

// bundlePackage is where the image's certificates come from.
const bundlePackage = "golang.org/x/crypto/x509roots/fallback/bundle"

// goPackage is a package as go list describes it.
type goPackage struct {
	ImportPath string
	Dir        string
	Standard   bool
	Module     *goModule
}

type goModule struct {
	Path, Version, Dir string
	Main               bool
}

// licenses collects the licenses of all that is in an image: of what is linked into its programs, and of its certificates.
func (c checkout) licenses(ctx context.Context, d description, p v1.Platform) ([]file, error) {
	bundled, err := c.list(ctx, filepath.Join("hack", "image"), p, bundlePackage)
	if err != nil {
		return nil, err
	}
	return c.linkedLicenses(ctx, p, d.packages, bundled)
}

// linkedLicenses collects the licenses of all that is linked into programs, and of further packages: of Go itself, of each module, and of
// folders inside of a module that have one of their own, but of no module that is not linked.
func (c checkout) linkedLicenses(ctx context.Context, p v1.Platform, programs []string, further []goPackage) ([]file, error) {
	linked, err := c.list(ctx, "", p, programs...)
	if err != nil {
		return nil, err
	}
	files, err := moduleLicenses(slices.Concat(linked, further))
	if err != nil {
		return nil, err
	}
	toolchain, err := c.toolchain(ctx)
	if err != nil {
		return nil, err
	}
	own, err := os.ReadFile(filepath.Join(c.root, "LICENSE"))
	if err != nil {
		return nil, fmt.Errorf("read the project's license: %w", err)
	}
	files = append(files, file{path: path.Join(licensesFolder, "LICENSE"), mode: 0o644, content: own})
	return append(files, toolchain...), nil
}

// list returns what is linked into packages, themselves included.
func (c checkout) list(ctx context.Context, folder string, p v1.Platform, packages ...string) ([]goPackage, error) {
	out, err := c.output(ctx, folder, environment(p), "go", append([]string{"list", "-deps", "-json=ImportPath,Dir,Standard,Module"}, packages...)...)
	if err != nil {
		return nil, err
	}
	var list []goPackage
	decoder := json.NewDecoder(bytes.NewReader(out))
	for {
		var pkg goPackage
		if err := decoder.Decode(&pkg); errors.Is(err, io.EOF) {
			return list, nil
		} else if err != nil {
			return nil, fmt.Errorf("read what go list printed: %w", err)
		}
		list = append(list, pkg)
	}
}

// toolchain has the license of Go's runtime and standard library.
func (c checkout) toolchain(ctx context.Context) ([]file, error) {
	out, err := c.output(ctx, "", []string{"GOFLAGS="}, "go", "env", "GOROOT", "GOVERSION")
	if err != nil {
		return nil, err
	}
	root, version, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	files, err := licensesIn(root, path.Join(licensesFolder, "third_party", "go@"+version))
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(files, isGrant) {
		return nil, fmt.Errorf("no license file in %s, the folder of Go", root)
	}
	return files, nil
}

// moduleLicenses looks into the folder of each package and those above it, up to its module's. A module without a license is an error:
// nobody may pass it on.
func moduleLicenses(packages []goPackage) ([]file, error) {
	var files []file
	var problems []error
	seen := map[string]bool{}
	for _, pkg := range packages {
		folders, err := foldersInside(pkg)
		if err != nil {
			return nil, err
		}
		for _, folder := range folders {
			target := path.Join(licensesFolder, "third_party", pkg.Module.Path+"@"+pkg.Module.Version, filepath.ToSlash(folder))
			if seen[target] {
				continue
			}
			seen[target] = true
			found, err := licensesIn(filepath.Join(pkg.Module.Dir, folder), target)
			if err != nil {
				return nil, err
			}
			if folder == "." && !slices.ContainsFunc(found, isGrant) {
				problems = append(problems, fmt.Errorf("the module %s@%s has no license file", pkg.Module.Path, pkg.Module.Version))
			}
			files = append(files, found...)
		}
	}
	return files, errors.Join(problems...)
}

// foldersInside are a package's folder and those above it, relative to its module's, which is the last. What is Go's or the project's own
// has none.
func foldersInside(pkg goPackage) ([]string, error) {
	m := pkg.Module
	if pkg.Standard || m == nil || m.Main {
		return nil, nil
	}
	folder, err := filepath.Rel(m.Dir, pkg.Dir)
	if err != nil || !filepath.IsLocal(folder) {
		return nil, fmt.Errorf("the package %s is not in the folder of its module, %s", pkg.ImportPath, m.Dir)
	}
	folders := []string{folder}
	for folder != "." {
		folder = filepath.Dir(folder)
		folders = append(folders, folder)
	}
	return folders, nil
}

// isLicense matches names by which licenses go, and what has to be passed on with them: but no source that is named so.
func isLicense(name string) bool {
	return regexp.MustCompile(`(?i)^(licen[cs]e|copying|unlicense|copyright|notice|patents)([-._].*)?$`).MatchString(name) && path.Ext(name) != ".go"
}

// isGrant tells a license from a notice that comes with it.
func isGrant(f file) bool {
	return regexp.MustCompile(`(?i)^(licen[cs]e|copying|unlicense)`).MatchString(path.Base(f.path))
}

func licensesIn(folder, target string) ([]file, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("look for licenses: %w", err)
	}
	var files []file
	for _, entry := range entries {
		if !entry.Type().IsRegular() || !isLicense(entry.Name()) {
			continue
		}
		content, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			return nil, fmt.Errorf("read a license: %w", err)
		}
		files = append(files, file{path: path.Join(target, entry.Name()), mode: 0o644, content: content})
	}
	return files, nil
}
