# SPDX-License-Identifier: Apache-2.0
#
#   docker build --build-arg VERSION=v0.1.0 --build-arg COMMIT="$(git rev-parse HEAD)" -t cloudinary-operator .
#   docker build --target simulator -t cloudinary-sim .
#   docker build --target sample-listener -t sample-listener .
#
# hack/image makes the images, here and in "make image", which needs no Docker daemon. See docs/image.md. Nothing is in them but the
# programs, CA certificates, licenses, and a user that is not root: no shell, no package manager.

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
    go -C hack/image run . layers --platform "$TARGETOS/$TARGETARCH" --version "$VERSION" --commit "$COMMIT" --output /out && \
    for layer in /out/*.tar; do mkdir "${layer%.tar}" && tar -xf "$layer" -C "${layer%.tar}" && rm "$layer" || exit 1; done

# All below this line is written by make generate, from hack/image/images.go.

FROM scratch AS sample-listener
ARG VERSION=unknown COMMIT=unknown
LABEL org.opencontainers.image.description="Verifies a forwarded notification of Cloudinary's again, and tags the uploaded asset"
LABEL org.opencontainers.image.licenses="Apache-2.0"
LABEL org.opencontainers.image.revision="$COMMIT"
LABEL org.opencontainers.image.source="https://github.com/cloudinary-operator/cloudinary-operator"
LABEL org.opencontainers.image.title="sample-listener"
LABEL org.opencontainers.image.version="$VERSION"
COPY --from=build /out/sample-listener/ /
USER 65532:65532
ENTRYPOINT ["/listener"]

FROM scratch AS simulator
ARG VERSION=unknown COMMIT=unknown
LABEL org.opencontainers.image.description="A simulated Cloudinary product environment: the triggers of the Admin API"
LABEL org.opencontainers.image.licenses="Apache-2.0"
LABEL org.opencontainers.image.revision="$COMMIT"
LABEL org.opencontainers.image.source="https://github.com/cloudinary-operator/cloudinary-operator"
LABEL org.opencontainers.image.title="cloudinary-sim"
LABEL org.opencontainers.image.version="$VERSION"
COPY --from=build /out/cloudinary-sim/ /
USER 65532:65532
ENTRYPOINT ["/cloudinary-sim"]

FROM scratch AS operator
ARG VERSION=unknown COMMIT=unknown
LABEL org.opencontainers.image.description="Keeps Cloudinary's webhook triggers equal to Kubernetes manifests, and delivers their notifications"
LABEL org.opencontainers.image.licenses="Apache-2.0"
LABEL org.opencontainers.image.revision="$COMMIT"
LABEL org.opencontainers.image.source="https://github.com/cloudinary-operator/cloudinary-operator"
LABEL org.opencontainers.image.title="cloudinary-operator"
LABEL org.opencontainers.image.version="$VERSION"
COPY --from=build /out/cloudinary-operator/ /
USER 65532:65532
ENTRYPOINT ["/manager"]
