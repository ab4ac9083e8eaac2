#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Looks for known vulnerabilities in code that the modules named as arguments call (default: all of the project's), their tests
# included. VULNDB is the database: by default Go's own, https://vuln.go.dev. A database that cannot be reached is an error: a check
# that did not run is no pass.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

database="${VULNDB:-https://vuln.go.dev}"
govulncheck=$(hack/tools/build.sh govulncheck)

# Modules that pin programs of others have no code of their own. Dependabot watches those.
if [ "$#" -eq 0 ]; then
  set -- .
  for module in $(git ls-files '*/go.mod' | xargs -n 1 dirname | grep -Ev '^hack/(coredns|kubernetes|tools(/.+)?)$'); do
    [ -z "$(git ls-files "$module/*.go")" ] || set -- "$@" "$module"
  done
fi
failed=()
for module in "$@"; do
  printf '== %s\n' "$module"
  "$govulncheck" -C "$module" -db "$database" -test ./... || failed+=("$module")
done
if [ "${#failed[@]}" -gt 0 ]; then
  printf 'vulncheck: failed: %s\n' "${failed[*]}" >&2
  exit 1
fi
