#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs every check that needs no test, and writes nothing. All of them run, so that one call shows all findings.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

actionlint=$(hack/tools/build.sh actionlint)
golangci_lint=$(hack/tools/build.sh golangci-lint)
kube_api_linter=$(hack/tools/build.sh kube-api-linter)

in_module() (
  cd "$1"
  shift
  "$@"
)

failed=()
check() {
  local name="$1"
  shift
  printf '== %s\n' "$name"
  "$@" || failed+=("$name")
}

check "go.mod is tidy" go mod tidy -diff
check "golangci-lint" "$golangci_lint" run ./...
# Modules of their own, which ./... does not reach.
for module in hack/image hack/promql hack/release test/gitops/kstatus; do
  check "$module/go.mod is tidy" go -C "$module" mod tidy -diff
  check "golangci-lint $module" in_module "$module" "$golangci_lint" run --config "$PWD/.golangci.yml" ./...
done
check "hack/helm/go.mod is tidy" go -C hack/helm mod tidy -diff
check "golangci-lint test/e2e" "$golangci_lint" run --build-tags e2e ./test/e2e/...
check "actionlint" "$actionlint" .github/workflows/*.yaml
check "kube-api-linter" "$kube_api_linter" run --config .golangci-kal.yml ./api/...

if [ "${#failed[@]}" -gt 0 ]; then
  printf 'lint: failed: %s\n' "${failed[*]}" >&2
  exit 1
fi
