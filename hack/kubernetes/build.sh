#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds etcd and the Kubernetes programs named as arguments (default: what the tests need) from Go modules, and prints the folder
# they are in. The first time etcd and kube-apiserver take 4 min 18 s on two idle cores; afterwards nothing. KUBEBUILDER_ASSETS, where set,
# wins. build.sh --folder prints the folder and builds nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=hack/cache.sh
. ../cache.sh
# shellcheck source=hack/progress.sh
. ../progress.sh

if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then
  echo "$KUBEBUILDER_ASSETS"
  exit 0
fi

version=$(sed -n 's/^\tk8s.io\/kubernetes \(v[0-9.]*\)$/\1/p' go.mod)
dir="$cache_root/kubernetes/$version-$(cache_key go.mod go.sum cmd/etcd/main.go)"
if [ "${1:-}" = --folder ]; then
  echo "$dir"
  exit 0
fi
[ "$#" -gt 0 ] || set -- etcd kube-apiserver kubectl kube-controller-manager

missing=()
packages=()
for program in "$@"; do
  [ ! -x "$dir/$program" ] || continue
  missing+=("$program")
  case "$program" in
  etcd) packages+=(./cmd/etcd) ;;
  *) packages+=("k8s.io/kubernetes/cmd/$program") ;;
  esac
done
if [ "${#missing[@]}" -gt 0 ]; then
  # Without a version of their own the programs call themselves v0.0.0, over which kubectl and Helm stumble.
  ldflags="-s -w -X k8s.io/component-base/version.gitVersion=$version"
  new="$dir/.new.$$"
  trap 'rm -rf "$new"' EXIT
  compile "${STEP:-}Build ${missing[*]} $version, once" "$new" "$ldflags" "${packages[@]}"
  # Each appears whole or not at all.
  for program in "${missing[@]}"; do
    mv "$new/$program" "$dir/$program"
  done
fi
echo "$dir"
