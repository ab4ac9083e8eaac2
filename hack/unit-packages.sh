#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Prints those of the packages given whose tests start no control plane, that is, do not reach envtest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# A test's main package is the one that ends in .test, and lists everything the test is made of.
go list -test -f '{{.ImportPath}} {{.Deps}}' "$@" |
  awk '$1 ~ /\.test$/ && !/ (\[)?sigs\.k8s\.io\/controller-runtime\/pkg\/envtest[] ]/ { sub(/\.test$/, "", $1); print $1 }'
