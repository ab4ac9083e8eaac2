#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Starts a real Kubernetes node with its control plane in a network namespace of its own: etcd, kube-apiserver,
# kube-controller-manager, kube-scheduler, containerd, kubelet, kube-proxy and CoreDNS. Pods run, Services and names work, nothing
# leaves the machine. What runs already is left alone. Writes NODE_DIR/node.env, to be sourced. See hack/node/README.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export PATH="$PATH:/usr/sbin:/sbin"
# shellcheck source=hack/node/lib.sh
. hack/node/lib.sh

make_network() {
  local n
  n=$(namespace)
  if ! ip netns list | grep -qw "$n"; then
    ip netns add "$n"
    # Both ends stay inside: there is a way for what is sent to Services, and none to the outside.
    inside ip link set lo up
    inside ip link add node0 type veth peer name node1
    inside ip addr add "$node_ip/24" dev node0
    inside ip link set node0 up
    inside ip link set node1 up
    inside ip route add default dev node0
    inside sysctl -qw net.ipv4.ip_forward=1
  fi
}

write_containerd_config() {
  local plugins=/usr/lib/cni
  [ -x "$plugins/bridge" ] || plugins=/opt/cni/bin
  mkdir -p "$state/cni"
  put "$state/containerd.toml" <<TOML
version = 2
root = "$state/containerd/root"
state = "$state/containerd/state"
[grpc]
  address = "$socket"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true # Where root may not lower it, runc would fail.
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$plugins"
    conf_dir = "$state/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native" # Works on every file system, also on an overlay.
TOML
  put "$state/cni/10-bridge.conflist" <<'JSON'
{"cniVersion": "0.4.0", "name": "bridge", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}
]}
JSON
}

write_kubelet_config() {
  put "$state/resolv.conf" <<<"nameserver $node_ip"
  put "$state/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {x509: {clientCAFile: $state/pki/ca.crt}, webhook: {enabled: true}, anonymous: {enabled: false}}
authorization: {mode: Webhook}
tlsCertFile: $state/pki/kubelet-server.crt
tlsPrivateKeyFile: $state/pki/kubelet-server.key
address: $node_ip
containerRuntimeEndpoint: unix://$socket
resolvConf: $state/resolv.conf
clusterDNS: [10.96.0.10]
clusterDomain: cluster.local
# The machine's cgroups are not the node's to arrange: it is a guest, and may meet cgroups of version 1.
cgroupDriver: cgroupfs
cgroupsPerQOS: false
enforceNodeAllocatable: []
failCgroupV1: false
failSwapOn: false
localStorageCapacityIsolation: false
makeIPTablesUtilChains: false
evictionHard: {memory.available: 100Mi}
imageGCHighThresholdPercent: 100
YAML
}

write_proxy_config() {
  put "$state/kube-proxy.yaml" <<YAML
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: $state/kube-proxy.kubeconfig}
mode: nftables
clusterCIDR: 10.244.0.0/24
hostnameOverride: $node_name
bindAddress: $node_ip
conntrack: {maxPerCore: 0}
YAML
}

write_dns_config() {
  put "$state/Corefile" <<COREFILE
.:53 {
  bind $node_ip
  kubernetes cluster.local {
    kubeconfig $state/kubeconfig local
  }
}
COREFILE
}

# start_runtime starts containerd and gives it the sandboxes' image.
start_runtime() {
  keep containerd "$(command -v containerd)" --config "$state/containerd.toml"
  retry 30 ctr --address "$socket" version
  [ -z "$(ctr --address "$socket" --namespace k8s.io images list -q 'name==localhost/pause:1')" ] || return 0
  go -C hack/image run . single --package ./hack/node/pause --ref localhost/pause:1 --output "$state/pause.tar"
  ctr --address "$socket" --namespace k8s.io images import "$state/pause.tar" >/dev/null
}

start_node() {
  keep kube-scheduler "$assets/kube-scheduler" "--kubeconfig=$state/kube-scheduler.kubeconfig" \
    "--authentication-kubeconfig=$state/kube-scheduler.kubeconfig" "--authorization-kubeconfig=$state/kube-scheduler.kubeconfig" \
    --leader-elect=false --bind-address=127.0.0.1 "--cert-dir=$state/kube-scheduler"
  keep kubelet "$assets/kubelet" "--kubeconfig=$state/kubelet.kubeconfig" "--config=$state/kubelet.yaml" \
    "--root-dir=$state/kubelet" "--hostname-override=$node_name" "--node-ip=$node_ip"
  keep kube-proxy "$assets/kube-proxy" "--config=$state/kube-proxy.yaml"
  keep coredns "$dns" -conf "$state/Corefile"
}

# The Service that Pods ask for names leads to CoreDNS, which runs on the node itself.
apply_dns() {
  kubectl apply --server-side --force-conflicts -f - >/dev/null <<YAML
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec:
  clusterIP: 10.96.0.10
  ports:
  - {name: dns, port: 53, protocol: UDP, targetPort: 53}
  - {name: dns-tcp, port: 53, protocol: TCP, targetPort: 53}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kube-dns-node, namespace: kube-system, labels: {kubernetes.io/service-name: kube-dns}}
addressType: IPv4
ports:
- {name: dns, port: 53, protocol: UDP}
- {name: dns-tcp, port: 53, protocol: TCP}
endpoints: [{addresses: ["$node_ip"], conditions: {ready: true}}]
YAML
}

kubectl() { inside env "KUBECONFIG=$state/kubeconfig" "$assets/kubectl" "$@"; }

write_env() {
  put "$state/node.env" <<ENV
# Written by hack/node/up.sh. kubectl works inside of the node's network alone.
export KUBECONFIG='$state/kubeconfig'
export NODE_NAMESPACE='$(namespace)'
export NODE_CONTAINERD='$socket'
export PATH='$PWD/bin:$assets':"\$PATH"
kubectl() { nsenter --net=/var/run/netns/$(namespace) '$assets/kubectl' "\$@"; }
ENV
}

begin=$SECONDS
umask 077
hack/node/packages.sh
assets=$(KUBEBUILDER_ASSETS='' hack/kubernetes/build.sh etcd kube-apiserver kube-controller-manager kubectl kube-scheduler kubelet kube-proxy)
dns=$(hack/coredns/build.sh)
CGO_ENABLED=0 go build -trimpath -o bin/localcluster ./hack/localcluster
mkdir -p "$node_dir"
state=$(cd "$node_dir" && pwd)
socket="$state/containerd.sock"
make_network
localcluster up --assets "$assets" --node "$node_ip"
write_containerd_config
write_kubelet_config
write_proxy_config
write_dns_config
start_runtime
start_node
apply_dns
retry 120 kubectl wait --for=condition=Ready "node/$node_name" --timeout=5s
write_env
say "the node is ready after $((SECONDS - begin)) s: . $node_dir/node.env; to stop it: hack/node/down.sh"
