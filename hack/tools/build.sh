#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds the tool named as the argument from Go modules and prints where it is. The linters are
# modules of their own, since each pins versions that nothing else may move, and so is cosign. On two cores,
# the first time: golangci-lint and cosign 4 minutes, the others less than one; nothing afterwards.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=hack/cache.sh
. ../cache.sh

tool="${1:?usage: build.sh TOOL}"
case "$tool" in
actionlint | cosign | golangci-lint | kube-api-linter) cd "$tool" ;;
esac
# The name of a tool is the end of its import path, a major version left out.
package=$(go list tool | grep -E "[/-]$tool(/v[0-9]+)?$") || {
  say "$tool is not among the tools of $PWD/go.mod"
  exit 1
}
dir="$cache_root/tools/$tool-$(cache_key go.mod go.sum)"
build_cached "$dir" "$tool" -ldflags "-s -w" "$package"
echo "$dir/$tool"
