#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0

# Has the reference implementation of JSONLogic, from npm, say what the rules of the tests evaluate to. To be run, by hand, after a case
# was added to the file, without its "want" and "truthy". Needs node and npm.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=2.0.5
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
npm install --silent --no-save --ignore-scripts --prefix "$dir" "json-logic-js@$version"
node hack/jsonlogic/reference.js "$dir/node_modules/json-logic-js" "${1:-internal/jsonlogic/testdata/reference.json}"
