# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Sourced by the scripts that compile for minutes, after hack/cache.sh: says how far they are.

# took SECONDS prints a duration for people.
took() {
  if [ "$1" -lt 60 ]; then
    printf '%d s' "$1"
  else
    printf '%d min %d s' $(($1 / 60)) $(($1 % 60))
  fi
}

# compile LABEL FOLDER LDFLAGS PACKAGE... builds programs into the folder with one go build, so that nothing waits for the link of
# one program before the next is compiled. It tells how far it is: on a terminal in one line that changes, else twice a minute.
# What go says goes into a file, and is shown where it fails. Without what debuggers read, which -w would leave out, compiling takes a
# fifth less time; without inlining it takes a third less, and what is built is tried for minutes and not run for months. The flags are
# the same for all, so that what is compiled for one program serves the others.
compile() (
  label="$1" folder="$2" ldflags="$3"
  shift 3
  log=$(mktemp)
  begin=$SECONDS
  mkdir -p "$folder"
  go_build -v -gcflags='all=-dwarf=false -l' -ldflags "$ldflags" -o "$folder/" "$@" >"$log" 2>&1 &
  build=$!
  trap 'kill "$build" 2>/dev/null || true; rm -f "$log"; exit 130' INT TERM
  show_progress "$label" "$build" "$log" "$@"
  if ! wait "$build"; then
    clear_line
    cat "$log" >&2
    say "$label: failed after $(took $((SECONDS - begin)))"
    rm -f "$log"
    exit 1
  fi
  clear_line
  say "$label: done in $(took $((SECONDS - begin)))"
  rm -f "$log"
)

# show_progress LABEL PROCESS LOG PACKAGE... tells how far a build is until it has ended.
show_progress() {
  local label="$1" process="$2" log="$3" begin=$SECONDS next=3 total='' seconds compiled
  shift 3
  while kill -0 "$process" 2>/dev/null; do
    sleep 0.2
    seconds=$((SECONDS - begin))
    [ "$seconds" -ge "$next" ] || continue
    # What was compiled before is among them, so it is the most that there can be to do.
    [ -n "$total" ] || total=$(go list -deps "$@" 2>/dev/null | wc -l | tr -d ' ')
    compiled=$(grep -cv '^go: ' "$log" || true)
    if [ -t 2 ]; then
      printf '\r\033[K%s: %d of at most %d packages, %s' "$label" "$compiled" "$total" "$(took "$seconds")" >&2
      next=$((seconds + 1))
    else
      say "$label: $compiled of at most $total packages, $(took "$seconds")"
      next=$((seconds + 30))
    fi
  done
}

clear_line() { [ ! -t 2 ] || printf '\r\033[K' >&2; }
