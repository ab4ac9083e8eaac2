#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds a whole release into a folder: release.sh VERSION [FOLDER]. See docs/releases.md. It publishes nothing, and needs nothing but the
# Go module proxy. Two runs of one commit with one version of Go give the same bytes. A quarter of an hour on two cores the first time.
#   REGISTRY   where the images will be (default: ghcr.io/cloudinary-operator)
#   PLATFORMS  of the images; PLUGIN_PLATFORMS of the plugin. A release has the defaults.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

die() {
  printf 'release: %s\n' "$*" >&2
  exit 1
}
say() { printf '== %s\n' "$*" >&2; }
sha256() { if command -v sha256sum >/dev/null; then sha256sum "$@"; else shasum -a 256 "$@"; fi; } # macOS has the latter

[ -n "${1:-}" ] || die "usage: make release VERSION=v0.1.0"
version=$1 dist=${2:-dist}
registry=${REGISTRY:-ghcr.io/cloudinary-operator}
platforms=${PLATFORMS:-linux/amd64,linux/arm64}
plugin_platforms=${PLUGIN_PLATFORMS:-linux/amd64,linux/arm64,darwin/amd64,darwin/arm64,windows/amd64,windows/arm64}

[ -z "$(git status --porcelain)" ] || die "the checkout differs from what is committed: a release is built from a commit. See git status"
case $dist in /*) ;; *) dist=$PWD/$dist ;; esac
# What was left over would be published.
[ ! -d "$dist" ] || [ -z "$(ls -A "$dist")" ] || die "$dist is not empty: remove it, or run make clean"

commit=$(git rev-parse HEAD)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
umask 022
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

go -C hack/release build -trimpath -o "$work/release" .
release() {
  local command=$1
  shift
  "$work/release" "$command" --root "$PWD" --dist "$dist" --version "$version" --registry "$registry" "$@"
}

say "notes"
release check
release notes

say "images"
go -C hack/image run . archives --version "$version" --commit "$commit" --platforms "$platforms" --output "$dist" >&2
release images
operator=$(grep "/cloudinary-operator:" "$dist/images.txt")

say "manifests"
# By digest alone: what is there under the tag one day does not matter.
pinned="$registry/cloudinary-operator@${operator#*@}"
hack/install-yaml.sh "$dist/install.yaml" "$pinned" >&2
hack/install-yaml.sh "$dist/install-namespaced.yaml" "$pinned" config/namespaced >&2
kustomize=$(hack/tools/build.sh kustomize)
"$kustomize" build config/crd >"$dist/crds.yaml"

say "chart"
release chart --helm "$(hack/helm/build.sh)"

say "plugin"
for platform in ${plugin_platforms//,/ }; do
  go -C hack/image run . program --package ./cmd/kubectl-cloudinary --with hack/krew/kubectl_complete-cloudinary --platform "$platform" \
    --version "$version" --commit "$commit" --output "$dist/kubectl-cloudinary_${platform/\//_}.tar.gz"
done
[ -n "${PLUGIN_PLATFORMS:-}" ] || release krew

say "lists of parts, checksums"
release sboms
(LC_ALL=C && cd "$dist" && sha256 -- * >checksums.txt) # in the same order everywhere

say "$version of $commit is in $dist"
