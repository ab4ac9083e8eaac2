#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Stops what up.sh started, and only that: the Pods' containers, the programs by the ids that were noted, then mounts, network and data.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export PATH="$PATH:/usr/sbin:/sbin"
# shellcheck source=hack/node/lib.sh
. hack/node/lib.sh

# Containers, the shim that keeps each, and each Pod's network outlive the kubelet and containerd.
end_containers() {
  local ctr=(ctr --address "$state/containerd.sock" --namespace k8s.io) id network
  for id in $("${ctr[@]}" containers list -q 2>/dev/null); do
    network=$("${ctr[@]}" containers info "$id" | sed -n 's|.*"path": "/var/run/netns/\(cni-[^"]*\)".*|\1|p')
    "${ctr[@]}" tasks delete --force "$id" >/dev/null 2>&1 || true # It may have ended by itself.
    [ -z "$network" ] || ip netns delete "$network" 2>/dev/null || true # A Pod's containers share one.
  done
}

[ -d "$node_dir" ] || exit 0
state=$(cd "$node_dir" && pwd)
CGO_ENABLED=0 go build -trimpath -o bin/localcluster ./hack/localcluster
if ip netns list | grep -qw "$(namespace)"; then
  localcluster stop kubelet # First, or it starts again what ends.
  end_containers
  localcluster down
  ip netns delete "$(namespace)"
else
  bin/localcluster --dir "$node_dir" down
fi
# What the kubelet and containerd mounted, the innermost first.
awk -v root="$state/" 'index($2, root) == 1 { print $2 }' /proc/mounts | sort -r | xargs -r -n1 umount -l
rm -rf "$state"
