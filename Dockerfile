# SPDX-License-Identifier: Apache-2.0
#
#   docker build --build-arg VERSION=v0.1.0 --build-arg COMMIT="$(git rev-parse HEAD)" -t cloudinary-operator .
#   docker build --target simulator -t cloudinary-sim .
#   docker build --target sample-listener -t sample-listener .
#
# hack/image puts the files of each image together, here and in "make image", which needs no Docker daemon. See docs/image.md.

FROM --platform=$BUILDPLATFORM golang:1.26.8 AS build
WORKDIR /src
ENV CGO_ENABLED=0
# A layer of its own, which stays as long as the dependencies do.
COPY go.mod go.sum ./
COPY hack/image/go.mod hack/image/go.sum ./hack/image/
RUN --mount=type=cache,target=/go/pkg/mod go mod download && go -C hack/image mod download
COPY . .
ARG TARGETOS TARGETARCH
ARG VERSION=unknown COMMIT=unknown
# The time of all files in the images.
ARG SOURCE_DATE_EPOCH=0
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    go -C hack/image run . rootfs --platform "$TARGETOS/$TARGETARCH" --version "$VERSION" --commit "$COMMIT" --output /out

# Nothing but the programs, CA certificates, licenses, and a user that is not root: no shell, no package manager.
FROM scratch AS base
ARG VERSION=unknown COMMIT=unknown
LABEL org.opencontainers.image.source="https://github.com/cloudinary-operator/cloudinary-operator" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$COMMIT"
# By number, so that runAsNonRoot can be checked.
USER 65532:65532

# A Cloudinary product environment to try things out on, without an account.
FROM base AS simulator
LABEL org.opencontainers.image.title="cloudinary-sim" \
      org.opencontainers.image.description="A simulated Cloudinary product environment: the triggers of the Admin API"
COPY --from=build /out/cloudinary-sim/ /
ENTRYPOINT ["/cloudinary-sim"]

# What stands behind a target, as a sample: config/samples/listener.
FROM base AS sample-listener
LABEL org.opencontainers.image.title="sample-listener" \
      org.opencontainers.image.description="Verifies a forwarded notification of Cloudinary's again, and tags the uploaded asset"
COPY --from=build /out/sample-listener/ /
ENTRYPOINT ["/listener"]

# The manager and the receiver. The last stage is what is built where no target is named.
FROM base AS operator
LABEL org.opencontainers.image.title="cloudinary-operator" \
      org.opencontainers.image.description="Keeps Cloudinary's webhook triggers equal to Kubernetes manifests, and delivers their notifications"
COPY --from=build /out/cloudinary-operator/ /
ENTRYPOINT ["/manager"]
