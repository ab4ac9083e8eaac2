#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Stops what up.sh started. The cluster keeps its objects for the next start; the simulated Cloudinary forgets its triggers.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=hack/demo/lib.sh
. hack/demo/lib.sh

# Without any state nothing was started here, and there is nothing to build a program for.
[ -e "$demo_dir/pids" ] || exit 0
[ -x bin/localcluster ] || build_programs 'Build what stops them'
localcluster down
rm -f "$demo_dir/demo.env"
