// SPDX-License-Identifier: Apache-2.0

// Package gitops holds tests of what tools that keep a cluster like a repository make of this project's objects: their health, that
// nothing differs from the manifests for ever, and that objects may come and go in any order. It has no code that anything else uses.
package gitops
