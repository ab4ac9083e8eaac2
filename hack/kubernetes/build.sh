#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds etcd and the Kubernetes programs named as arguments (default: what the tests and the demo
# need) from Go modules, and prints the folder they are in. About 8 minutes on two cores the first
# time, most of it kube-apiserver; nothing afterwards. KUBEBUILDER_ASSETS, where set, wins.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=hack/cache.sh
. ../cache.sh

if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then
  echo "$KUBEBUILDER_ASSETS"
  exit 0
fi

version=$(sed -n 's/^\tk8s.io\/kubernetes \(v[0-9.]*\)$/\1/p' go.mod)
dir="$cache_root/kubernetes/$version-$(cache_key go.mod go.sum cmd/etcd/main.go)"
[ "$#" -gt 0 ] || set -- etcd kube-apiserver kubectl kube-controller-manager

# Without a version of their own the programs call themselves v0.0.0, over which kubectl and Helm stumble.
ldflags="-s -w -X k8s.io/component-base/version.gitVersion=$version"
for program in "$@"; do
  case "$program" in
  etcd) package=./cmd/etcd ;;
  *) package="k8s.io/kubernetes/cmd/$program" ;;
  esac
  build_cached "$dir" "$program" -ldflags "$ldflags" "$package"
done
echo "$dir"
