#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Starts the demo in the background: a Kubernetes control plane, a simulated Cloudinary, and the manager, all on free
# ports of 127.0.0.1. Writes .local/demo.env, to be sourced. What runs already is left alone, so that a second start takes
# seconds, and one after a crash heals. SIM_FLAGS='--echo=openapi --list-lag=5s' makes the simulator another Cloudinary.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=hack/demo/lib.sh
. hack/demo/lib.sh

start_cluster() {
  localcluster up --assets "$assets"
  # What the manager needs before it starts. A kind is served only some moments after it was applied.
  kubectl apply --server-side --force-conflicts -k hack/demo/cluster >/dev/null
  kubectl wait --for=condition=Established --timeout=60s -f config/crd/bases >/dev/null
}

start_simulator() {
  local port
  port=$(localcluster port cloudinary-sim)
  sim_url="http://127.0.0.1:$port"
  cloudinary_url="cloudinary://$sim_key:$sim_secret@demo?upload_prefix=$sim_url"
  localcluster run --name cloudinary-sim --ready "$sim_url/_sim/calls" -- \
    bin/cloudinary-sim "--listen=127.0.0.1:$port" --cloud=demo "--api-key=$sim_key" "--api-secret=$sim_secret" \
    ${sim_flags[@]+"${sim_flags[@]}"} # an empty array is unset to bash 3
}

# The namespace and the Secret that config/samples expects.
write_credentials() {
  kubectl apply --server-side --force-conflicts -f - >/dev/null <<YAML
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Secret
metadata: {name: cloudinary, namespace: shop}
stringData: {CLOUDINARY_URL: "$cloudinary_url"}
YAML
}

# The manager gets the rights of its service account and no others, as in a cluster of its own.
start_manager() {
  local metrics health kubeconfig="$state/manager.kubeconfig"
  metrics=$(localcluster port manager/metrics)
  health=$(localcluster port manager/health)
  localcluster kubeconfig --as system:serviceaccount:cloudinary-operator-system:cloudinary-operator-manager >"$kubeconfig"
  localcluster run --name manager --ready "http://127.0.0.1:$health/readyz" -- \
    bin/manager "--kubeconfig=$kubeconfig" \
    --leader-elect --leader-election-namespace=cloudinary-operator-system \
    "--metrics-bind-address=127.0.0.1:$metrics" "--health-probe-bind-address=127.0.0.1:$health" \
    --receiver-base-url=https://hooks.example.com \
    --allow-insecure-api-base `# The simulator speaks http.` \
    --sync-interval=5s `# The default is a minute; nobody wants to watch that pass.`
}

write_env() {
  cat >"$state/demo.env" <<ENV
# Written by hack/demo/up.sh.
export KUBECONFIG='$KUBECONFIG'
export CLOUDINARY_URL='$cloudinary_url'
export CLOUDINARY_SIM_URL='$sim_url'
export PATH='$assets':"\$PATH"
ENV
}

# SIM_FLAGS, separated by spaces, are further flags of the simulator.
read -r -a sim_flags <<<"${SIM_FLAGS:-}"

begin=$SECONDS
umask 077 # Kubeconfigs and demo.env hold keys.
assets=$(kubernetes_programs)
build localcluster ./hack/localcluster
build show-triggers ./hack/demo/show-triggers
build cloudinary-sim ./cmd/cloudinary-sim
build manager ./cmd/manager

mkdir -p "$demo_dir"
state=$(cd "$demo_dir" && pwd)
export KUBECONFIG="$state/kubeconfig" PATH="$assets:$PATH"
start_cluster
start_simulator
write_credentials
start_manager
write_env
say "The demo runs (after $((SECONDS - begin)) s). To look around:"
say "  . $demo_dir/demo.env"
say "  kubectl apply --server-side -k config/samples"
say "  kubectl get cldt,nep --all-namespaces"
say "  curl -s -u $sim_key:$sim_secret \"\$CLOUDINARY_SIM_URL/v1_1/demo/triggers\" | bin/show-triggers"
say "To stop it: make demo-down"
