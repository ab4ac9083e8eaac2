#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs the manager of this checkout against the cluster of the current kubectl context, until Ctrl-C. The CRDs are applied first.
# Arguments are further flags of the manager.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf 'run: %s\n' "$*" >&2; }

# The lease is where an installed manager has it, so that of the two only one works at a time.
namespace=cloudinary-operator-system
installed=deployment/cloudinary-operator-manager

context=$(hack/kubectl.sh config current-context) || {
  say "kubectl has no cluster to work with: set KUBECONFIG, or start one with make demo-up and source .local/demo.env"
  exit 1
}
say "applying the CRDs of this checkout, and namespace $namespace, to the cluster of context $context"
hack/kubectl.sh apply --server-side -k config/crd >/dev/null
hack/kubectl.sh apply --server-side -f - >/dev/null <<YAML
apiVersion: v1
kind: Namespace
metadata: {name: $namespace}
YAML
hack/kubectl.sh wait --for=condition=Established --timeout=60s -f config/crd/bases >/dev/null

say "building the manager"
mkdir -p bin
go build -o bin/manager ./cmd/manager

replicas=$(hack/kubectl.sh -n "$namespace" get "$installed" --ignore-not-found -o 'jsonpath={.spec.replicas}')
if [ "${replicas:-0}" -gt 0 ]; then
  say "a manager is installed there, and works until you end it: kubectl -n $namespace scale $installed --replicas=0"
fi
say "the manager of this checkout starts, with your rights; Ctrl-C ends it"
exec bin/manager "--leader-election-namespace=$namespace" --metrics-bind-address=0 --health-probe-bind-address=0 --zap-devel "$@"
