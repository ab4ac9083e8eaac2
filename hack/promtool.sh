#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# promtool in the version that the alerts are tested with, built where it is missing. PROMTOOL, where set, is run instead.
set -euo pipefail
promtool=$("$(dirname "${BASH_SOURCE[0]}")/promql/build.sh" promtool)
exec "$promtool" "$@"
