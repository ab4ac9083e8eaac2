#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs each fuzz target of the packages given for a time, one after the other: fuzz.sh 10s ./...
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

duration="$1"
shift

# Prints a package and a target a line.
targets() {
  # shellcheck disable=SC2016 # $package is a variable of the template
  go list -f '{{$package := .}}{{range .TestGoFiles}}{{$package.ImportPath}} {{$package.Dir}}/{{.}}{{"\n"}}{{end}}{{range .XTestGoFiles}}{{$package.ImportPath}} {{$package.Dir}}/{{.}}{{"\n"}}{{end}}' "$@" |
    while read -r package file; do
      [ -z "$file" ] || sed -nE "s|^func (Fuzz[A-Za-z0-9_]*)\(.*|$package \1|p" "$file"
    done
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT

fuzz() { # package target
  echo "== $2 in $1 for $duration"
  go test -run '^$' -fuzz "^$2\$" -fuzztime "$duration" "$1" </dev/null 2>&1 | tee "$log"
}

# Go up to 1.26 may take the end of the time for a failure (https://go.dev/issue/75804). A failure that was found has an input.
ended_early() {
  grep -q '^ *context deadline exceeded$' "$log" && ! grep -q 'Failing input' "$log"
}

count=0
failed=()
while read -r package target; do
  fuzz "$package" "$target" || { ended_early && fuzz "$package" "$target"; } || failed+=("$target")
  count=$((count + 1))
done < <(targets "$@")
echo "fuzzed $count targets for $duration each"
[ ${#failed[@]} -eq 0 ] || {
  echo "failed: ${failed[*]}" >&2
  exit 1
}
