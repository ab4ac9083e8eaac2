#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Sees to what a node needs from the system: root, Linux, and Debian's packages, which it installs where it can. Otherwise it fails, and
# says what is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=hack/node/lib.sh
. hack/node/lib.sh

[ "$(uname -s)" = Linux ] || die "a node needs Linux; this is $(uname -s)"
[ "$(id -u)" = 0 ] || die "a node needs root, for network namespaces and containers: use sudo -E"

# program:package
needed=(
  containerd:containerd runc:runc ip:iproute2 nsenter:util-linux sysctl:procps nft:nftables iptables:iptables
  conntrack:conntrack
)
missing=()
for pair in "${needed[@]}"; do
  PATH="$PATH:/usr/sbin:/sbin" command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
[ -x /usr/lib/cni/bridge ] || [ -x /opt/cni/bin/bridge ] || missing+=(containernetworking-plugins)

install_missing() {
  command -v apt-get >/dev/null || die "missing on this machine, and there is no apt-get to install it: ${missing[*]}"
  say "installing ${missing[*]} ..."
  # The packages' own services are not wanted: the node starts its programs itself.
  export DEBIAN_FRONTEND=noninteractive
  {
    apt-get update -q
    RUNLEVEL=1 apt-get install -qy --no-install-recommends -o Dpkg::Use-Pty=0 "${missing[@]}"
  } >&2 || die "could not install: ${missing[*]}"
}

[ "${#missing[@]}" -eq 0 ] || install_missing

# Root in a container may be less than root.
unshare --net --mount true || die "root may not make network and mount namespaces here: run it on the machine itself, or in a privileged container"
