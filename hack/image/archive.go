// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	spec "github.com/opencontainers/image-spec/specs-go/v1"
)

// assemble makes an image of one layer.
func assemble(d description, e edition, p v1.Platform, files []file) (v1.Image, error) {
	raw, err := writeTar(files, e.created)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil },
		tarball.WithMediaType(types.OCILayer), tarball.WithCompressionLevel(gzip.DefaultCompression), tarball.WithCompressedCaching)
	if err != nil {
		return nil, fmt.Errorf("make the layer: %w", err)
	}
	created := v1.Time{Time: e.created}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.ConfigFile(image, &v1.ConfigFile{
		OS: p.OS, Architecture: p.Architecture, Created: created,
		RootFS: v1.RootFS{Type: "layers"},
		Config: config(d, e),
	})
	if err != nil {
		return nil, fmt.Errorf("make the configuration: %w", err)
	}
	image, err = mutate.Append(image, mutate.Addendum{Layer: layer, History: v1.History{Created: created, CreatedBy: "hack/image"}})
	if err != nil {
		return nil, fmt.Errorf("add the layer: %w", err)
	}
	return image, nil
}

// combine makes one index of the images of several platforms. It is written as the OCI's own types are: older versions of skopeo write
// an index anew that has fields in another order, or some that they do not know, and so change the digest.
func combine(d description, e edition, platforms []v1.Platform, images []v1.Image) ([]byte, error) {
	index := spec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: spec.MediaTypeImageIndex,
		Annotations: labels(d, e), // A registry shows what the index says, not what its images do.
	}
	for i, image := range images {
		found, err := partial.Descriptor(image)
		if err != nil {
			return nil, fmt.Errorf("describe the image: %w", err)
		}
		index.Manifests = append(index.Manifests, spec.Descriptor{
			MediaType: string(found.MediaType), Digest: digest.Digest(found.Digest.String()), Size: found.Size,
			Platform: &spec.Platform{OS: platforms[i].OS, Architecture: platforms[i].Architecture},
		})
	}
	raw, err := json.Marshal(index)
	if err != nil {
		return nil, fmt.Errorf("write the index: %w", err)
	}
	return raw, nil
}

// writeArchive writes an OCI archive with one name in it. The archive appears whole or not at all.
func writeArchive(target, ref string, index []byte, images []v1.Image, created time.Time) error {
	folder, err := os.MkdirTemp("", "image-")
	if err != nil {
		return fmt.Errorf("make a folder for the layout: %w", err)
	}
	defer os.RemoveAll(folder) //nolint:errcheck // a temporary folder
	if err := writeLayout(folder, ref, index, images); err != nil {
		return err
	}
	part, err := os.CreateTemp(filepath.Dir(target), "."+filepath.Base(target)+".*")
	if err != nil {
		return fmt.Errorf("make the archive: %w", err)
	}
	defer os.Remove(part.Name()) //nolint:errcheck // it is not there any more where all went well
	if err := errors.Join(tarFolder(part, folder, created), part.Chmod(0o644), part.Close()); err != nil {
		return fmt.Errorf("write the archive: %w", err)
	}
	if err := os.Rename(part.Name(), target); err != nil {
		return fmt.Errorf("put the archive in place: %w", err)
	}
	return nil
}

// writeLayout writes an OCI layout. containerd goes by the one annotation, what reads oci-archive: by the other, which is a tag alone.
// docker load knows no OCI layout where it stores images in its own way: for that there is the manifest of docker save beside it, which can
// name one platform only.
func writeLayout(folder, ref string, index []byte, images []v1.Image) error {
	l, err := layout.Write(folder, mutate.IndexMediaType(empty.Index, types.OCIImageIndex))
	if err != nil {
		return fmt.Errorf("begin the layout: %w", err)
	}
	for _, image := range images {
		if err := l.WriteImage(image); err != nil {
			return fmt.Errorf("write an image: %w", err)
		}
	}
	hash, size, err := v1.SHA256(bytes.NewReader(index))
	if err != nil {
		return fmt.Errorf("find the digest: %w", err)
	}
	if err := l.WriteBlob(hash, io.NopCloser(bytes.NewReader(index))); err != nil {
		return fmt.Errorf("write the index: %w", err)
	}
	err = l.AppendDescriptor(v1.Descriptor{
		MediaType: types.OCIImageIndex, Digest: hash, Size: size,
		Annotations: map[string]string{
			"io.containerd.image.name":          ref,
			"org.opencontainers.image.ref.name": ref[strings.LastIndex(ref, ":")+1:],
		},
	})
	if err != nil {
		return fmt.Errorf("name the index: %w", err)
	}
	manifest, err := dockerManifest(ref, images[0])
	if err != nil {
		return err
	}
	return l.WriteFile("manifest.json", manifest, 0o644)
}

// dockerManifest names an image's blobs as docker save does.
func dockerManifest(ref string, image v1.Image) ([]byte, error) {
	manifest, err := image.Manifest()
	if err != nil {
		return nil, fmt.Errorf("read back the image: %w", err)
	}
	item := tarball.Descriptor{Config: blob(manifest.Config), RepoTags: []string{ref}}
	for _, layer := range manifest.Layers {
		item.Layers = append(item.Layers, blob(layer))
	}
	raw, err := json.Marshal(tarball.Manifest{item})
	if err != nil {
		return nil, fmt.Errorf("write the manifest for docker load: %w", err)
	}
	return raw, nil
}

// blob is where a layout has a blob.
func blob(d v1.Descriptor) string { return path.Join("blobs", d.Digest.Algorithm, d.Digest.Hex) }

// tarFolder writes a folder's files, sorted by name, as they are to be on every machine.
func tarFolder(out io.Writer, folder string, created time.Time) error {
	archive := tar.NewWriter(out)
	err := filepath.WalkDir(folder, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		inside, err := filepath.Rel(folder, name)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		header := &tar.Header{Typeflag: tar.TypeReg, Name: filepath.ToSlash(inside), Mode: 0o644, Size: int64(len(content)), ModTime: created}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		_, err = archive.Write(content)
		return err
	})
	return errors.Join(err, archive.Close())
}
