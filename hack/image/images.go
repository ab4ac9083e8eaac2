// SPDX-License-Identifier: Apache-2.0

package main

import (
	"path"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// description is what tells one image from another. The stages of the Dockerfile are written from it.
type description struct {
	name, text string

	// stage is the name of the image's stage in the Dockerfile.
	stage string

	// packages are the programs, each named as its folder is and put into the image's root. The first is what runs.
	packages []string

	// distributed images have the licenses of what is in them.
	distributed bool
}

func descriptions() []description {
	return []description{
		{
			name: "cloudinary-operator", stage: "operator", packages: []string{"./cmd/manager", "./cmd/receiver"}, distributed: true,
			text: "Keeps Cloudinary's webhook triggers equal to Kubernetes manifests, and delivers their notifications",
		},
		{
			name: "cloudinary-sim", stage: "simulator", packages: []string{"./cmd/cloudinary-sim"}, distributed: true,
			text: "A simulated Cloudinary product environment: the triggers of the Admin API",
		},
		{
			name: "sample-listener", stage: "sample-listener", packages: []string{"./config/samples/listener"}, distributed: true,
			text: "Verifies a forwarded notification of Cloudinary's again, and tags the uploaded asset",
		},
	}
}

// user is given by number, so that the kubelet can check runAsNonRoot; passwd and group name it for what looks it up.
const (
	user   = "65532:65532"
	passwd = "nonroot:x:65532:65532:nonroot:/:/sbin/nologin\n"
	group  = "nonroot:x:65532:\n"
)

// edition is what tells one build of an image from another. With the same version of Go, two builds of one edition are equal, byte for byte.
type edition struct {
	version, commit string
	created         time.Time
}

// epoch stands for no time at all.
func epoch() time.Time { return time.Unix(0, 0).UTC() }

// config is what a container runtime is told of an image.
func config(d description, e edition) v1.Config {
	return v1.Config{
		User: user, WorkingDir: "/", Labels: labels(d, e),
		Entrypoint: []string{"/" + path.Base(filepath.ToSlash(d.packages[0]))},
	}
}

func labels(d description, e edition) map[string]string {
	if !d.distributed {
		return map[string]string{"org.opencontainers.image.title": d.name}
	}
	return map[string]string{
		"org.opencontainers.image.title":       d.name,
		"org.opencontainers.image.description": d.text,
		"org.opencontainers.image.source":      "https://github.com/cloudinary-operator/cloudinary-operator",
		"org.opencontainers.image.licenses":    "Apache-2.0",
		"org.opencontainers.image.version":     e.version,
		"org.opencontainers.image.revision":    e.commit,
	}
}
