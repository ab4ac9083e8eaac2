#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Measures what a target that hangs costs another: deliveries a second to a fast target, alone and beside one that answers nothing and has
# a backlog, in turns, and the median of the pairs' ratios. A machine that is busy for a while slows both of a pair.
#   isolation.sh [PAIRS]     25 unless another number is given
set -euo pipefail
cd "$(dirname "$0")/../../webhookreceiver/delivery/service"
pairs=${1:-25}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go test -c -o "$work/test" .
for _ in $(seq "$pairs"); do
  for name in Alone Hanging; do
    "$work/test" -test.run '^$' -test.bench "^BenchmarkBesideAHangingTarget$/^$name\$" -test.benchtime 40000x >"$work/out"
    # The figure is the word before the unit.
    awk '{ for (i = 2; i <= NF; i++) if ($i == "deliveries/s") print $(i-1) }' "$work/out" >>"$work/$name"
  done
done
median() { sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
printf 'alone %s/s, beside a hanging target %s/s; ratio %s (%s pairs)\n' \
  "$(median <"$work/Alone")" "$(median <"$work/Hanging")" "$(paste "$work/Alone" "$work/Hanging" | awk '{ printf "%.3f\n", $2 / $1 }' | median)" "$pairs"
