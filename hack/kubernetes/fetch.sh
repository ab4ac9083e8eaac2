#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Fetches etcd, kube-apiserver and kubectl as the Kubernetes project publishes them for tests (envtest), and prints the folder they are
# in. Where that takes longer than building them, or does not work, it ends with an error of one line. What comes must
# have the checksum in envtest.sha512, which is from envtest-releases.yaml of the Go module sigs.k8s.io/controller-tools v0.23.0, and so
# held by Go's checksum database. ENVTEST_BASE_URL is a mirror; "off" fetches nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=hack/cache.sh
. ../cache.sh

fail() {
  say "$*"
  exit 1
}

# checksum FILE
checksum() {
  if command -v sha512sum >/dev/null; then sha512sum "$1"; else shasum -a 512 "$1"; fi | cut -d ' ' -f 1
}

base="${ENVTEST_BASE_URL:-https://github.com/kubernetes-sigs/controller-tools/releases/download}"
version=$(sed -n 's/^.* envtest-\(v[0-9.]*\)-linux-amd64\.tar\.gz$/\1/p' envtest.sha512)
platform="$(go env GOOS)-$(go env GOARCH)"
archive="envtest-$version-$platform.tar.gz"
dir="$cache_root/envtest/$version-$platform"
if [ -x "$dir/kube-apiserver" ]; then
  echo "$dir"
  exit 0
fi
[ "$base" != off ] || fail "ENVTEST_BASE_URL is off"
expected=$(awk -v name="$archive" '$2 == name { print $1 }' envtest.sha512)
[ -n "$expected" ] || fail "none are published for $platform"

mkdir -p "$cache_root/envtest"
new=$(mktemp -d "$cache_root/envtest/.new.XXXXXX")
trap 'rm -rf "$new"' EXIT
# Building takes minutes, so there is no waiting for a slow answer: less than 200 kB/s for 8 s is one.
why=$(curl -fsSL --connect-timeout 4 --speed-limit 200000 --speed-time 8 --max-time 240 \
  -o "$new/$archive" "$base/envtest-$version/$archive" 2>&1) ||
  fail "$(printf '%s' "${why:-curl failed}" | tail -n 1)"
[ "$(checksum "$new/$archive")" = "$expected" ] || fail "$base/envtest-$version/$archive has not the checksum that is expected"

mkdir "$new/programs"
tar -xzf "$new/$archive" -C "$new/programs"
for program in etcd kube-apiserver kubectl; do
  found=$(find "$new/programs" -type f -name "$program")
  [ -n "$found" ] || fail "$archive holds no $program"
  mv "$found" "$new/$program"
  chmod +x "$new/$program"
done
rm -rf "$new/programs" "${new:?}/$archive"
mv "$new" "$dir"
trap - EXIT
echo "$dir"
