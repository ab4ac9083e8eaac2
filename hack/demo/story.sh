# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Sourced by demo.sh after lib.sh: how the story is printed. A screen gets some lines of each command, cut at its width; all of them are
# in the file that story names. Bold is for terminals alone, and not where NO_COLOR is set.

story="${demo_dir:?}/demo.txt"
output="$demo_dir/output.txt" # what the last command printed
scenes=6
told=0
titles=()
checked=0
width=80

bold='' dim='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
  bold=$'\033[1m' dim=$'\033[2m' plain=$'\033[0m'
fi

begin_story() { : >"$story"; }

# scene TITLE WHY
scene() {
  told=$((told + 1))
  titles+=("$1")
  printf '\n%s\n%s\n' "$told/$scenes $1" "$2" >>"$story"
  printf '\n%s%s%s\n' "$bold" "$told/$scenes $1" "$plain"
  printf '%s\n' "$2" | fold -s -w $((width - 2)) | sed 's| *$||'
}

# show COMMAND [LINES] prints a command line, runs it, and prints so many lines of what it says, 6 where nothing is said.
show() {
  local lines="${2:-6}" all
  printf '\n%s$ %s%s\n' "$bold" "$1" "$plain"
  execute "$1"
  all=$(awk 'END { print NR }' "$output")
  head -n "$lines" "$output" | awk -v width="$width" '{ print (length($0) > width) ? substr($0, 1, width - 3) "..." : $0 }'
  if [ "$lines" -gt 0 ] && [ "$all" -gt "$lines" ]; then
    printf '%s(%d more lines in %s)%s\n' "$dim" $((all - lines)) "$story" "$plain"
  fi
}

# check COMMAND runs a command that must succeed; what it says is in the file alone.
check() {
  checked=$((checked + 1))
  execute "$1"
}

execute() {
  local code=0
  printf '\n$ %s\n' "$1" >>"$story"
  eval "$1" >"$output" 2>&1 || code=$?
  cat "$output" >>"$story"
  [ "$code" -ne 0 ] || return 0
  cat "$output" >&2
  die "exit code $code: $1"
}

# end_story SECONDS
end_story() {
  local title
  [ "$told" -eq "$scenes" ] || die "$told scenes were shown, and not $scenes"
  printf '\n%sWhat you saw, after %s%s\n' "$bold" "$(took "$1")" "$plain"
  for title in "${titles[@]}"; do
    printf '  ok  %s\n' "$title"
  done
  printf '  ok  %d more checks; every command with all its output: %s\n' "$checked" "$story"
  printf '\n%sNext%s\n' "$bold" "$plain"
  printf '  make demo-up                     # the same, left running to play with\n'
  printf '  kubectl cloudinary export --help # manifests of the triggers that you have\n'
  printf '  less docs/getting-started.md     # your cluster, your account\n'
}
