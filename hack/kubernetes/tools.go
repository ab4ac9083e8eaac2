// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package kubernetes pins the control plane's programs; build.sh builds them.
package kubernetes

import (
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kube-controller-manager"
	_ "k8s.io/kubernetes/cmd/kubectl"
)
