#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs kubectl: the one on the PATH, else one built from Go modules.
set -euo pipefail
if command -v kubectl >/dev/null; then
  exec kubectl "$@"
fi
# KUBEBUILDER_ASSETS need not hold a kubectl.
assets=$(env -u KUBEBUILDER_ASSETS "$(dirname "${BASH_SOURCE[0]}")/kubernetes/build.sh" kubectl)
exec "$assets/kubectl" "$@"
