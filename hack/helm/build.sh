#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds Helm from its Go module and prints where it is. A module of its own, since Helm pins versions
# that the product must not get. On two cores, the first time: 3 minutes; nothing afterwards. HELM,
# where set, is used instead.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=hack/cache.sh
. ../cache.sh

if [ -n "${HELM:-}" ]; then
  echo "$HELM"
  exit 0
fi

version=$(sed -n 's/^.*helm.sh\/helm\/v4 \(v[0-9.]*\).*$/\1/p' go.mod)
dir="$cache_root/helm/$version-$(cache_key go.mod go.sum)"
# Without a version of its own Helm knows its minor one alone.
build_cached "$dir" helm -ldflags "-s -w -X helm.sh/helm/v4/internal/version.version=$version" helm.sh/helm/v4/cmd/helm
echo "$dir/helm"
