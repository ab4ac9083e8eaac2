#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Writes everything in the checkout that is generated, and removes what is no longer.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

controller_gen=$(hack/tools/build.sh controller-gen)
crd_ref_docs=$(hack/tools/build.sh crd-ref-docs)
stamp=$(mktemp)
trap 'rm -f "$stamp"' EXIT

"$controller_gen" \
  object:headerFile=hack/boilerplate.go.txt \
  crd output:crd:artifacts:config=config/crd/bases \
  paths=./api/...

# A type that is gone leaves its file behind.
find config/crd/bases -type f ! -newer "$stamp" -print -delete

if [ -d controllers ]; then
  "$controller_gen" rbac:roleName=manager output:rbac:artifacts:config=config/rbac paths=./controllers/...
fi

mkdir -p docs/reference
"$crd_ref_docs" --source-path=api --config=hack/crd-ref-docs.yaml --renderer=markdown \
  --output-path=docs/reference/api.md --log-level=ERROR --max-depth=20

# The images' stages of the Dockerfile.
go -C hack/image run . dockerfile

# What pages, manifests and the chart say of the newest release.
go run ./hack/pages/write
