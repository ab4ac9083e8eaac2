#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Measures what a durable write costs with each storage engine, beside a handler that only reads the body: three
# rounds in which the modes take turns, at 64 and 256 connections, and the medians as ratios to that handler.
#   run.sh [MODE ...]     all modes unless some are named; bare is always measured
# ROUNDS, SECONDS_EACH and CONNECTIONS change what their names say; STORE is the directory of the stores, on the disk to be measured.
set -euo pipefail
cd "$(dirname "$0")"

if ! command -v wrk >/dev/null; then
  echo "wrk is needed and not installed; Debian has it: apt-get install wrk" >&2
  exit 1
fi
rounds=${ROUNDS:-3} seconds=${SECONDS_EACH:-5} connections=${CONNECTIONS:-64 256}
modes=("$@")
if [ ${#modes[@]} -eq 0 ]; then
  modes=(verify bbolt pebble-random-keys pebble raft-wal ring-log queue queue-no-target)
fi

work=$(mktemp -d)
store=${STORE:-$work/store}
server=
cleanup() {
  if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; fi
  rm -rf "$work" "$store"
}
trap cleanup EXIT
echo "building the server" >&2
CGO_ENABLED=0 go build -o "$work/engines" .
"$work/engines" -requests "$work/requests.lua"
export REQUESTS=$work/requests.lua

# measure MODE CONNECTIONS appends "mode connections rate p99 rss" to the results; rss is the peak in MiB, p99 in ms.
measure() {
  local address=127.0.0.1:9371
  "$work/engines" -mode "$1" -address "$address" -dir "$store" &
  server=$!
  until (exec 3<>"/dev/tcp/${address/:/\/}") 2>/dev/null; do
    kill -0 "$server" # it must not have ended
  done
  wrk -t2 -c"$2" -d"${seconds}s" --latency -s load.lua "http://$address" >"$work/out"
  if grep -q 'Non-2xx' "$work/out"; then
    echo "$1 refused requests:" >&2
    cat "$work/out" >&2
    exit 1
  fi
  awk -v mode="$1" -v connections="$2" -v rss="$(awk '/VmHWM/ { print $2 / 1024 }' "/proc/$server/status")" '
    /99%/ { p99 = $2 + 0; if ($2 ~ /us$/) p99 /= 1000; else if ($2 !~ /ms$/) p99 *= 1000 }
    /Requests\/sec/ { print mode, connections, $2, p99, rss }' "$work/out" | tee -a "$work/results" >&2
  kill "$server"
  wait "$server" || true
  server=
  rm -rf "$store"
}

for ((round = 1; round <= rounds; round++)); do
  for c in $connections; do
    for mode in bare "${modes[@]}"; do
      measure "$mode" "$c"
    done
  done
done

echo "$(nproc) cores, $(go env GOVERSION), $(go env GOARCH), $rounds rounds of $seconds s, $(date -u +%Y-%m-%d)"
echo
echo "| Connections | Mode | Share of bare | Requests/s | p99, ms | Peak memory, MiB |"
echo "|---|---|---|---|---|---|"
for c in $connections; do
  base=
  for mode in bare "${modes[@]}"; do
    median() { awk -v m="$mode" -v c="$c" -v f="$1" '$1 == m && $2 == c { print $f }' "$work/results" | sort -n | sed -n "$(((rounds + 1) / 2))p"; }
    rate=$(median 3)
    base=${base:-$rate}
    awk -v c="$c" -v m="$mode" -v r="$rate" -v b="$base" -v p="$(median 4)" -v rss="$(median 5)" \
      'BEGIN { printf "| %d | %s | %.2f | %.0f | %.1f | %.0f |\n", c, m, r / b, r, p, rss }'
  done
done
