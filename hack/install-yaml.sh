#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Writes everything that config/default installs into one file: install-yaml.sh FILE [IMAGE [FOLDER]]. IMAGE takes the place of the one that
# the Deployments name; a release gives it by digest. FOLDER is another one than config/default.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

die() {
  printf 'install-yaml: %s\n' "$*" >&2
  exit 1
}

[ $# -ge 1 ] || die "usage: install-yaml.sh FILE [IMAGE [FOLDER]]"
file=$1 image=${2:-} folder=${3:-config/default}
name=$(basename "$file")
ours='image: ghcr\.io/cloudinary-operator/cloudinary-operator[:@].*$'

kustomize=$(hack/tools/build.sh kustomize)
manifests=$("$kustomize" build "$folder")
count=$(grep -c "^ *$ours" <<<"$manifests" || true)
[ "$count" = 2 ] || die "$count containers have the operator's image, want manager and receiver"
if [ -n "$image" ]; then
  case $image in *[!a-zA-Z0-9./:@_-]*) die "$image is no name of an image" ;; esac
  # shellcheck disable=SC2001 # it is a pattern over many lines
  manifests=$(sed "s|$ours|image: $image|" <<<"$manifests")
fi

mkdir -p "$(dirname "$file")"
{
  printf '# The Cloudinary operator: kubectl apply --server-side -f %s\n' "$name"
  # kubectl works from top to bottom: the namespace and the CRDs come first.
  printf '%s\n' "$manifests"
} >"$file"
printf '%s\n' "$file"
