#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0

# Has Cloudinary's own SDK for Node, from npm, sign what a web application's route for signing uploads may be asked to sign, and compares that
# with the file that the tests go by. With --write it fills in the file, after a case was added to it. Where there is no node or npm, or no registry to
# be reached, it says so: then the tests go by the file alone.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=2.11.0
file=internal/notification/testdata/upload_signatures.json
not_checked() {
  echo "NOT CHECKED against Cloudinary's SDK: $1. The tests go by $file as it is."
  exit 0
}
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
  not_checked "node and npm are needed"
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
npm install --silent --no-save --no-audit --no-fund --ignore-scripts --prefix "$dir" "cloudinary@$version" >"$dir/log" 2>&1 ||
  not_checked "npm could not install cloudinary@$version: $(tail -n 1 "$dir/log")"
node hack/cloudinarysdk/reference.js "$dir/node_modules/cloudinary" "$file" "${1:-}"
