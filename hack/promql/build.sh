#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds what checks PromQL from Go modules and prints where it is: promtool (the default), selectors,
# which lists what expressions refer to, or prometheus itself, for make e2e. A module of their own,
# since Prometheus pins versions that the product must not get. On two cores, the first time: promtool 4
# minutes, selectors 10 seconds, prometheus 4 minutes after promtool; nothing afterwards. PROMTOOL, where
# set, is used as promtool.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=hack/cache.sh
. ../cache.sh

name="${1:-promtool}"
sources=(go.mod go.sum)
case "$name" in
promtool)
  if [ -n "${PROMTOOL:-}" ]; then
    echo "$PROMTOOL"
    exit 0
  fi
  # Without the discovery of targets at some 25 clouds, none of which a check of rules asks.
  arguments=(-tags remove_all_sd github.com/prometheus/prometheus/cmd/promtool)
  ;;
prometheus)
  # With the one discovery that docs/monitoring.md uses.
  arguments=(-tags "remove_all_sd,enable_kubernetes_sd" github.com/prometheus/prometheus/cmd/prometheus)
  ;;
selectors)
  arguments=(./selectors)
  sources+=(selectors/main.go)
  ;;
*)
  say "usage: build.sh [promtool | selectors | prometheus]"
  exit 2
  ;;
esac
dir="$cache_root/promql/$name-$(cache_key "${sources[@]}")"
build_cached "$dir" "$name" -ldflags "-s -w" "${arguments[@]}"
echo "$dir/$name"
