#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Copies what the chart has in common with config/ into it, and removes what is no longer: a packaged chart
# reaches no file outside of itself.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

files=charts/cloudinary-operator/files
rm -rf "$files"
mkdir -p "$files/crds"
cp config/crd/bases/*.yaml "$files/crds/"
cp config/rbac/role.yaml "$files/manager-role.yaml"
cp config/monitoring/rules.yaml "$files/rules.yaml"
cp config/grafana/cloudinary-operator.json "$files/dashboard.json"
