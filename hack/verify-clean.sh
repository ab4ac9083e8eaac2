#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Fails, and names the files, where the checkout differs from what is committed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

changed=$(git status --porcelain --untracked-files=all)
[ -n "$changed" ] || exit 0

{
  echo "These files differ from what is committed (M: changed, D: gone, ??: not committed):"
  printf '%s\n' "$changed"
  git --no-pager diff --stat
  echo "What is generated belongs into the commit that changes its source: run 'make generate' and commit the result."
} >&2
exit 1
