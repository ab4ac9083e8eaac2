#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Measures what a durable write costs with each storage engine, beside a handler that only reads the body: three
# rounds in which the modes take turns, at 64 and 256 connections, and the medians, with rates as shares of that handler.
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

# measure MODE CONNECTIONS appends "mode connections rate p99 rss cpu" to the results: p99 in ms, peak memory in MiB, CPU time of the
# server in µs a request, which depends least on what else the machine does.
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
  awk -v mode="$1" -v connections="$2" -v rss="$(awk '/VmHWM/ { print $2 / 1024 }' "/proc/$server/status")" \
    -v cpu="$(awk -v hz="$(getconf CLK_TCK)" '{ print ($14 + $15) / hz * 1000000 }' "/proc/$server/stat")" '
    /99%/ { p99 = $2 + 0; if ($2 ~ /us$/) p99 /= 1000; else if ($2 !~ /ms$/) p99 *= 1000 }
    /requests in/ { requests = $1 }
    /Requests\/sec/ { print mode, connections, $2, p99, rss, cpu / requests }' "$work/out" | tee -a "$work/results" >&2
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
echo "| Connections | Mode | Share of bare | Requests/s | p99, ms | CPU, µs a request | Peak memory, MiB |"
echo "|---|---|---|---|---|---|---|"
# The share is the median of the rounds' shares: what else the machine does changes from round to round.
awk '
  function median(values, n,   i, j, v) {
    for (i = 2; i <= n; i++) {
      v = values[i]
      for (j = i - 1; j > 0 && values[j] > v; j--) values[j + 1] = values[j]
      values[j + 1] = v
    }
    return values[int((n + 1) / 2)]
  }
  function column(key, field,   i, values) {
    for (i = 1; i <= count[key]; i++) values[i] = result[key, i, field]
    return median(values, count[key])
  }
  {
    key = $2 " " $1
    if (!count[key]++) keys[++n] = key
    if ($1 == "bare") bare[$2] = $3
    result[key, count[key], 1] = $3 / bare[$2]
    for (i = 3; i <= 6; i++) result[key, count[key], i] = $i
  }
  END {
    for (i = 1; i <= n; i++) {
      split(keys[i], name, " ")
      printf "| %d | %s | %.2f | %.0f | %.1f | %.0f | %.0f |\n", name[1], name[2],
        column(keys[i], 1), column(keys[i], 3), column(keys[i], 4), column(keys[i], 6), column(keys[i], 5)
    }
  }' "$work/results"
