// SPDX-License-Identifier: Apache-2.0

// Package e2e installs the product on a real Kubernetes node and tells the story of the demo there, with what goes wrong on a node: rollouts,
// killed containers, deleted Pods, a target that is cut off. make e2e makes the node and the images, and runs it; see docs/e2e.md.
package e2e
