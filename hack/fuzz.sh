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

count=0
while read -r package target; do
  echo "== $target in $package for $duration"
  go test -run '^$' -fuzz "^$target\$" -fuzztime "$duration" "$package" </dev/null
  count=$((count + 1))
done < <(targets "$@")
echo "fuzzed $count targets for $duration each"
