# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Sourced by the demo's scripts, from the root of the checkout. DEMO_DIR moves the folder in which everything that runs
# keeps its state, so that several demos run side by side.

# shellcheck source=hack/cache.sh
. hack/cache.sh
# shellcheck source=hack/progress.sh
. hack/progress.sh

demo_dir="${DEMO_DIR:-.local}"
# The credentials of the simulated Cloudinary.
# shellcheck disable=SC2034 # Used by the scripts that source this one.
sim_key=123456789012345
# shellcheck disable=SC2034 # As above.
sim_secret=simulated-secret

# die MESSAGE... ends the script with a message that says what is wrong.
die() {
  printf 'demo: %s\n' "$*" >&2
  exit 1
}

localcluster() { bin/localcluster --dir "$demo_dir" "$@"; }

# build_programs LABEL builds the demo's programs into bin/; Go does nothing where nothing has changed.
build_programs() {
  compile "$1" bin '-s -w' ./cmd/cloudinary-sim ./cmd/kubectl-cloudinary ./cmd/manager ./cmd/receiver \
    ./hack/localcluster ./hack/demo/namespaces ./hack/demo/show-deliveries ./hack/demo/show-triggers ./hack/demo/target
}

# kubernetes_programs prints a folder with etcd and kube-apiserver, and says where they are from: KUBEBUILDER_ASSETS, what was built or
# fetched before, Kubernetes' own binaries where they can be had at once, and else Go modules. The folder holds
# kubectl, too, unless the one on the PATH is new enough.
kubernetes_programs() {
  local needed="etcd kube-apiserver" folder why
  recent_kubectl || needed="$needed kubectl"
  if holds "${KUBEBUILDER_ASSETS:-}"; then
    say "${STEP:-}Kubernetes is the one in KUBEBUILDER_ASSETS"
    echo "$KUBEBUILDER_ASSETS"
    return
  fi
  unset KUBEBUILDER_ASSETS
  folder=$(hack/kubernetes/build.sh --folder)
  if holds "$folder"; then
    say "${STEP:-}Kubernetes was built before"
  elif folder=$(hack/kubernetes/fetch.sh 2>"$demo_dir/fetch.log"); then
    say "${STEP:-}Kubernetes' own binaries, checksum verified"
  else
    why=$(tail -n 1 "$demo_dir/fetch.log")
    say "${STEP:-}Kubernetes is built from source: its binaries cannot be fetched ($why)"
    # shellcheck disable=SC2086 # One word for each program.
    folder=$(hack/kubernetes/build.sh $needed)
  fi
  echo "$folder"
}

# holds FOLDER says whether all that is needed is there.
holds() {
  local program
  for program in $needed; do
    [ -x "${1:-/nonexistent}/$program" ] || return 1
  done
}

# recent_kubectl says whether kubectl on the PATH is 1.30 or newer.
recent_kubectl() {
  local minor
  command -v kubectl >/dev/null || return 1
  minor=$(kubectl version --client -o json 2>/dev/null | sed -n 's/.*"gitVersion": *"v1\.\([0-9]*\).*/\1/p')
  [ "${minor:-0}" -ge 30 ]
}
