# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Sourced by the scripts that build something expensive. A build is cached by the content it is made
# from, outside the checkout, so that every clone of the same version shares it and a changed pin
# never meets a stale binary. CLOUDINARY_OPERATOR_CACHE moves the folder.

# shellcheck disable=SC2034 # for those that source this
cache_root="${CLOUDINARY_OPERATOR_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/cloudinary-operator}"

say() { printf '%s\n' "$*" >&2; }

# cache_key FILE... prints a short hash of the files' contents, the Go version and the platform.
cache_key() {
  {
    go env GOVERSION GOOS GOARCH
    cat "$@"
  } | git hash-object --stdin | cut -c1-16
}

# go_build ARGUMENT... is go build without cgo. Its compilers collect no garbage as long as each takes less than 1 GiB, which saves a
# third of the CPU time.
go_build() { CGO_ENABLED=0 GOGC=off GOMEMLIMIT=1GiB go build -trimpath "$@"; }

# build_cached FOLDER NAME GO-BUILD-ARGUMENT... builds FOLDER/NAME from the module in the current
# folder unless it is there, and says what it does and how long it took. The result appears whole or not at all.
build_cached() {
  local dir="$1" name="$2" start
  shift 2
  [ -x "$dir/$name" ] && return 0
  mkdir -p "$dir"
  start=$(date +%s)
  say "building $name (once for this version; kept in $dir) ..."
  go_build -o "$dir/.$name.$$" "$@"
  mv "$dir/.$name.$$" "$dir/$name"
  say "built $name in $(($(date +%s) - start)) s"
}
