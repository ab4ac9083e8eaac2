// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// operatorImage is the image that the manifests run.
const operatorImage = "cloudinary-operator"

// image is one archive of the release.
type image struct {
	name   string // without registry and tag
	digest v1.Hash
	index  v1.ImageIndex
}

func (r release) ref(i image) string { return r.registry + "/" + i.name + ":" + r.version }

// images opens all archives of the release, and calls what is to be done with them: they are unpacked for as long as it takes.
func (r release) images(do func([]image) error) error {
	suffix := "-" + r.version + ".tar"
	archives, err := filepath.Glob(filepath.Join(r.dist, "image-*"+suffix))
	if err != nil {
		return fmt.Errorf("look for the images: %w", err)
	}
	if len(archives) == 0 {
		return fmt.Errorf("there is no image of %s in %s: make image VERSION=%[1]s builds them", r.version, r.dist)
	}
	slices.Sort(archives)
	work, err := os.MkdirTemp("", "release-")
	if err != nil {
		return fmt.Errorf("make a folder to unpack the images: %w", err)
	}
	defer os.RemoveAll(work) //nolint:errcheck // a temporary folder
	var all []image
	for _, archive := range archives {
		base := strings.TrimPrefix(strings.TrimSuffix(filepath.Base(archive), suffix), "image-")
		opened, err := openArchive(archive, filepath.Join(work, base))
		if err != nil {
			return fmt.Errorf("open %s: %w", archive, err)
		}
		opened.name = base
		all = append(all, opened)
	}
	return do(all)
}

// openArchive unpacks an OCI archive into a folder, and checks that each part has the digest by which it is named.
func openArchive(archive, folder string) (image, error) {
	if err := unpack(archive, folder); err != nil {
		return image{}, err
	}
	top, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		return image{}, fmt.Errorf("read the layout: %w", err)
	}
	manifest, err := top.IndexManifest()
	if err != nil {
		return image{}, fmt.Errorf("read the layout: %w", err)
	}
	if len(manifest.Manifests) != 1 {
		return image{}, fmt.Errorf("%d images in it, want one", len(manifest.Manifests))
	}
	digest := manifest.Manifests[0].Digest
	index, err := top.ImageIndex(digest)
	if err != nil {
		return image{}, fmt.Errorf("read the index: %w", err)
	}
	return image{digest: digest, index: index}, nil
}

func unpack(archive, folder string) error {
	in, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // it was read only
	for reader := tar.NewReader(in); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if header.Typeflag != tar.TypeReg || !filepath.IsLocal(header.Name) {
			return fmt.Errorf("%s is no plain file inside of the archive", header.Name)
		}
		found, err := writeFrom(reader, filepath.Join(folder, filepath.FromSlash(header.Name)))
		if err != nil {
			return err
		}
		if want, isBlob := strings.CutPrefix(header.Name, "blobs/sha256/"); isBlob && want != found {
			return fmt.Errorf("%s has the SHA-256 %s: the archive is damaged, build it again", header.Name, found)
		}
	}
}

// writeFrom writes a file and returns its SHA-256.
func writeFrom(in io.Reader, target string) (string, error) {
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return "", err
	}
	out, err := os.Create(target)
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	_, err = io.Copy(io.MultiWriter(out, hash), in)
	return hex.EncodeToString(hash.Sum(nil)), errors.Join(err, out.Close())
}

// writeImages tells by which digests the images are signed, and pinned.
func (r release) writeImages(out io.Writer) error {
	return r.images(func(all []image) error {
		var lines strings.Builder
		for _, i := range all {
			fmt.Fprintf(&lines, "%s@%s\n", r.ref(i), i.digest)
		}
		if _, err := io.WriteString(out, lines.String()); err != nil {
			return fmt.Errorf("print the images: %w", err)
		}
		return r.write("images.txt", []byte(lines.String()))
	})
}

// push writes the archives' own bytes into a registry, so that what was built, looked into and listed is what is signed.
func (r release) push(ctx context.Context, out io.Writer) error {
	return r.images(func(all []image) error {
		for _, i := range all {
			tag, err := r.pushOne(ctx, i)
			if err != nil {
				return fmt.Errorf("push %s: %w", r.ref(i), err)
			}
			if _, err := fmt.Fprintf(out, "%s@%s\n", tag, i.digest); err != nil {
				return fmt.Errorf("print the image: %w", err)
			}
		}
		return nil
	})
}

// pushOne does not move a tag that is there already: people have pinned it.
func (r release) pushOne(ctx context.Context, i image) (name.Tag, error) {
	var options []name.Option
	if r.insecure {
		options = append(options, name.Insecure)
	}
	tag, err := name.NewTag(r.ref(i), options...)
	if err != nil {
		return tag, err
	}
	access := []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)}
	there, err := remote.Head(tag, access...)
	var refusal *transport.Error
	switch {
	case err == nil && there.Digest != i.digest:
		return tag, fmt.Errorf("the registry has another image of that version, %s: a version is never released twice, take the next", there.Digest)
	case err == nil, errors.As(err, &refusal) && refusal.StatusCode < http.StatusInternalServerError:
		// Some registries deny what is not there yet.
		return tag, remote.WriteIndex(tag, i.index, access...)
	default:
		return tag, fmt.Errorf("look whether it is there: %w", err)
	}
}
