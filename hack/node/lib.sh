# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Sourced by the node's scripts, from the root of the checkout. NODE_DIR moves the folder in which the node keeps everything; the
# network namespace is named after it, so that several nodes run side by side.

node_dir=$(realpath -m "${NODE_DIR:-.local/node}")
# The one address of the node, inside of its network namespace. Nothing leaves that.
# shellcheck disable=SC2034 # Used by the scripts that source this one.
node_ip=172.31.255.1
# shellcheck disable=SC2034 # As well.
node_name=node1

say() { printf '%s\n' "$*" >&2; }

die() {
  printf 'node: %s\n' "$*" >&2
  exit 1
}

# namespace prints the name of the network namespace.
namespace() { printf 'cldn-%s' "$(printf '%s' "$node_dir" | git hash-object --stdin | cut -c1-8)"; }

# inside COMMAND... runs it in the node's network. Not by ip netns exec, which mounts another /sys and hides the cgroups from the kubelet.
inside() { nsenter "--net=/var/run/netns/$(namespace)" "$@"; }

localcluster() { inside bin/localcluster --dir "$node_dir" "$@"; }

# keep NAME PROGRAM ARGUMENT... runs a program of the node in the background, as localcluster keeps it. What kubelet and containerd make for
# Pods is read by other users.
keep() (
  name="$1"
  shift
  umask 022
  localcluster run --name "$name" -- "$@"
)

# put FILE writes what it reads, and leaves a file alone that holds that already: some programs end when theirs is written.
put() {
  cat >"$1.new"
  if cmp -s "$1.new" "$1"; then rm "$1.new"; else mv "$1.new" "$1"; fi
}

# retry SECONDS COMMAND... until it succeeds; its last words where it never does.
retry() {
  local end=$((SECONDS + $1)) output
  shift
  until output=$("$@" 2>&1); do
    [ "$SECONDS" -lt "$end" ] || die "gave up on: $*"$'\n'"$output"
    sleep 0.5
  done
}
