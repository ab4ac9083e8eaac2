#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs the product on a real Kubernetes node and runs test/e2e there. The node is made for it, and removed again unless E2E_KEEP is
# set. Needs Linux and root; what else it needs, it installs or builds. See docs/e2e.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export NODE_DIR="${NODE_DIR:-.local/e2e}"
# shellcheck source=hack/node/lib.sh
. hack/node/lib.sh

version=$(sed -n 's|^ *image: ghcr.io/cloudinary-operator/cloudinary-operator:||p' config/manager/deployment.yaml)
[ -n "$version" ] || die "config/manager/deployment.yaml names no version"

finish() {
  local code=$?
  trap - EXIT
  [ -n "${E2E_KEEP:-}" ] || hack/node/down.sh || code=1
  exit "$code"
}

import() {
  local start=$SECONDS archive
  for archive in "$@"; do
    ctr --address "$NODE_CONTAINERD" --namespace k8s.io images import "$archive" >/dev/null || die "containerd does not take $archive"
  done
  say "imported $# images in $((SECONDS - start)) s"
}

trap finish EXIT
trap 'exit 130' INT TERM

hack/node/packages.sh # First, since what is missing may take minutes to build in vain.
prometheus=$(hack/promql/build.sh prometheus)
helm=$(hack/helm/build.sh)
hack/node/up.sh
# shellcheck disable=SC1091 # Written by the line above.
. "$node_dir/node.env"
state=$node_dir

go -C hack/image run . archives --version "$version" --platforms "linux/$(go env GOARCH)" --output "$state/images"
go -C hack/image run . single --package ./hack/demo/target --ref localhost/target:1 --output "$state/target.tar"
import "$state"/images/*.tar "$state/target.tar"
install -D -m 0755 "$prometheus" "$state/prometheus/prometheus" # a hostPath of a Pod

CGO_ENABLED=0 go test -c -tags e2e -o "$state/e2e.test" ./test/e2e
# What fails leaves the node as it is.
flags=(-test.v -test.failfast -test.timeout 30m -test.run "${E2E_RUN:-.}")
[ -z "${E2E_UPDATE:-}" ] || flags+=(-update)
(
  cd test/e2e # where go test would run it
  inside env E2E_DIR="$state" E2E_HELM="$helm" E2E_VERSION="$version" "$state/e2e.test" "${flags[@]}"
)
