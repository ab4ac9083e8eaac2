#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Starts the demo in the background: a Kubernetes control plane, a simulated Cloudinary, the manager, the receiver and a target for it,
# on free ports of 127.0.0.1, the target on those of the machine. Writes .local/demo.env, to be sourced. What runs already is left
# alone, so that a second start takes seconds, and one after a crash heals. SIM_FLAGS='--echo=openapi --list-lag=5s' makes the simulator another Cloudinary.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=hack/demo/lib.sh
. hack/demo/lib.sh

# cluster is localcluster with its messages in a file, and on the screen where it fails.
cluster() {
  localcluster "$@" 2>"$state/localcluster.log" && return 0
  cat "$state/localcluster.log" >&2
  return 1
}

start_cluster() {
  cluster up --assets "$assets" --controller-manager=false # Its build takes minutes, and no Pod runs here.
  cluster run --name namespaces -- bin/namespaces "--kubeconfig=$KUBECONFIG"
  # What the manager needs before it starts. A kind is served only some moments after it was applied.
  kubectl apply --server-side --force-conflicts -k hack/demo/cluster >/dev/null
  kubectl wait --for=condition=Established --timeout=60s -f config/crd/bases >/dev/null
}

start_simulator() {
  local port
  port=$(localcluster port cloudinary-sim)
  sim_url="http://127.0.0.1:$port"
  cloudinary_url="cloudinary://$sim_key:$sim_secret@demo?upload_prefix=$sim_url"
  cluster run --name cloudinary-sim --ready "$sim_url/_sim/calls" -- \
    bin/cloudinary-sim "--listen=127.0.0.1:$port" --cloud=demo "--api-key=$sim_key" "--api-secret=$sim_secret" \
    "--forward=https://hooks.example.com=$receiver_url" `# The load balancer in front of the receiver.` \
    ${sim_flags[@]+"${sim_flags[@]}"} # an empty array is unset to bash 3
}

# The namespaces and the Secret that config/samples expects.
write_credentials() {
  kubectl apply --server-side --force-conflicts -f - >/dev/null <<YAML
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Namespace
metadata: {name: catalog}
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
  cluster run --name manager --ready "http://127.0.0.1:$health/readyz" -- \
    bin/manager "--kubeconfig=$kubeconfig" \
    --leader-elect --leader-election-namespace=cloudinary-operator-system \
    "--metrics-bind-address=127.0.0.1:$metrics" "--health-probe-bind-address=127.0.0.1:$health" \
    --receiver-base-url=https://hooks.example.com \
    --allow-insecure-api-base "--allowed-api-bases=$sim_url" `# The simulator speaks http, and is not Cloudinary's.` \
    --sync-interval=5s `# The default is a minute; nobody wants to watch that pass.`
}

# The receiver, too, has the rights of its service account alone.
start_receiver() {
  local health kubeconfig="$state/receiver.kubeconfig"
  health=$(localcluster port receiver/health)
  localcluster kubeconfig --as system:serviceaccount:cloudinary-operator-system:cloudinary-operator-receiver >"$kubeconfig"
  cluster run --name receiver --ready "http://127.0.0.1:$health/readyz" -- \
    bin/receiver "--kubeconfig=$kubeconfig" --namespace=cloudinary-operator-system \
    "--store-dir=$state/receiver" "--notifications-bind-address=${receiver_url#http://}" \
    "--metrics-bind-address=127.0.0.1:$(localcluster port receiver/metrics)" --metrics-secure=false \
    "--health-probe-bind-address=127.0.0.1:$health" \
    "--admin-bind-address=${admin_url#http://}" \
    --service-routing=Endpoints `# There is no node, and so nothing that a cluster IP could lead through.` \
    --allow-selectorless-services `# Nor Pods: where the Service leads is written below, by hand.` \
    --shutdown-delay=0s
}

# The Service of config/samples leads to a program on this machine. Pods would be found by the Service's selector; there are none.
start_target() {
  local address port
  port=$(localcluster port target)
  address=$(bin/target -print-address) || die "the demo's target needs an address that a Service can lead to"
  target_url="http://$address:$port"
  cluster run --name target --ready "$target_url/received" -- \
    bin/target "-listen=$address:$port" "-secret=$sim_secret"
  kubectl apply --server-side --force-conflicts -f - >/dev/null <<YAML
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: catalog-demo
  namespace: shop
  labels: {kubernetes.io/service-name: catalog}
addressType: IPv4
ports: [{name: http, port: $port}]
endpoints: [{addresses: ["$address"], conditions: {ready: true}}]
YAML
}

write_env() {
  cat >"$state/demo.env" <<ENV
# Written by hack/demo/up.sh.
export KUBECONFIG='$KUBECONFIG'
export CLOUDINARY_URL='$cloudinary_url'
export CLOUDINARY_SIM_URL='$sim_url'
export RECEIVER_URL='$receiver_url'
export RECEIVER_ADMIN_URL='$admin_url'
export TARGET_URL='$target_url'
export PATH='$PWD/bin:$assets':"\$PATH"
ENV
}

# SIM_FLAGS, separated by spaces, are further flags of the simulator.
read -r -a sim_flags <<<"${SIM_FLAGS:-}"

begin=$SECONDS
umask 077 # Kubeconfigs and demo.env hold keys.
mkdir -p "$demo_dir"
state=$(cd "$demo_dir" && pwd)
assets=$(STEP='[1/4] ' kubernetes_programs)
build_programs '[2/4] Build manager, receiver, plugin and simulator'
export KUBECONFIG="$state/kubeconfig" PATH="$PWD/bin:$assets:$PATH"
receiver_url="http://127.0.0.1:$(localcluster port receiver)"
admin_url="http://127.0.0.1:$(localcluster port receiver/admin)"
say '[3/4] Start Kubernetes'
start_cluster
say '[4/4] Start the simulated Cloudinary, the manager, the receiver and a Service'
start_simulator
write_credentials
start_manager
start_receiver
start_target
write_env
say "The demo runs (after $(took $((SECONDS - begin))))."
[ -z "${DEMO_QUIET:-}" ] || exit 0 # demo.sh goes on by itself.
say "To look around:"
say "  . $demo_dir/demo.env"
say "  kubectl apply --server-side -k config/samples"
say "  kubectl get cldt,nep --all-namespaces"
say "  curl -s -u $sim_key:$sim_secret \"\$CLOUDINARY_SIM_URL/v1_1/demo/triggers\" | bin/show-triggers"
say "  curl -s -X POST -d '{\"event_type\":\"upload\"}' \"\$CLOUDINARY_SIM_URL/_sim/notify\"   # something is uploaded"
say "  curl -s \"\$CLOUDINARY_SIM_URL/_sim/deliveries\" | bin/show-deliveries"
say "  kubectl cloudinary status -A; kubectl cloudinary send media -n shop --wait"
say "  kubectl describe -n shop cldt/uploads; curl -s \"\$TARGET_URL/received\""
say "To stop it: make demo-down"
