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
# Modules of their own, which ./... does not reach. Those that pin programs of others are left out: to tidy one, Go downloads what the tests
# of those programs need, up to 240 MB in two minutes. What is missing there shows when the programs are built.
pinned='^hack/(coredns|kubernetes|tools(/.+)?)$'
for module in $(git ls-files '*/go.mod' | xargs -n 1 dirname | grep -Ev "$pinned"); do
  check "$module/go.mod is tidy" go -C "$module" mod tidy -diff
  [ -z "$(git ls-files "$module/*.go")" ] ||
    check "golangci-lint $module" in_module "$module" "$golangci_lint" run --config "$PWD/.golangci.yml" ./...
done
check "golangci-lint test/e2e" "$golangci_lint" run --build-tags e2e ./test/e2e/...
check "actionlint" "$actionlint" .github/workflows/*.yaml
check "kube-api-linter" "$kube_api_linter" run --config .golangci-kal.yml ./api/...

# GitHub's runners have it. Elsewhere it may be missing, and a person without root cannot install it.
if command -v shellcheck >/dev/null; then
  mapfile -t scripts < <(git ls-files '*.sh')
  # SC2016: what a script evaluates later is in single quotes.
  check "shellcheck" shellcheck --external-sources --source-path=. --exclude=SC2016 "${scripts[@]}"
elif [ -n "${GITHUB_ACTIONS:-}" ]; then
  failed+=("shellcheck, which is not installed")
else
  echo "== shellcheck is left out, since it is not installed: apt-get install shellcheck"
fi

if [ "${#failed[@]}" -gt 0 ]; then
  printf 'lint: failed: %s\n' "${failed[*]}" >&2
  exit 1
fi
