# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Sourced by the demo's scripts, from the root of the checkout. DEMO_DIR moves the folder in which everything that runs
# keeps its state, so that several demos run side by side.

demo_dir="${DEMO_DIR:-.local}"
# The credentials of the simulated Cloudinary.
# shellcheck disable=SC2034 # Used by the scripts that source this one.
sim_key=123456789012345
# shellcheck disable=SC2034 # As above.
sim_secret=simulated-secret

say() { printf '%s\n' "$*" >&2; }

# die MESSAGE... ends the script with a message that says what is wrong.
die() {
  printf 'demo: %s\n' "$*" >&2
  exit 1
}

localcluster() { bin/localcluster --dir "$demo_dir" "$@"; }

# build NAME PACKAGE builds bin/NAME; Go does nothing where nothing has changed.
build() {
  local start=$SECONDS new=
  if [ ! -x "bin/$1" ]; then
    new=yes
    say "building bin/$1 (up to two minutes where Go has compiled none of its modules yet) ..."
  fi
  CGO_ENABLED=0 go build -trimpath -o "bin/$1" "$2"
  [ -z "$new" ] || say "built bin/$1 in $((SECONDS - start)) s"
}

# kubernetes_programs prints the folder with etcd, kube-apiserver, kube-controller-manager and kubectl, and builds them where
# they are missing. A KUBEBUILDER_ASSETS of the caller's may hold only what tests need, and is passed over then.
kubernetes_programs() {
  local program
  for program in etcd kube-apiserver kube-controller-manager kubectl; do
    [ -x "${KUBEBUILDER_ASSETS:-/nonexistent}/$program" ] || unset KUBEBUILDER_ASSETS
  done
  hack/kubernetes/build.sh etcd kube-apiserver kube-controller-manager kubectl
}
