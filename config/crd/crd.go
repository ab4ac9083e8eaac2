// SPDX-License-Identifier: Apache-2.0

// Package crd has the CustomResourceDefinitions as they are installed, for programs that go by them.
package crd

import "embed"

// Bases are the definitions that are generated from api/, one file a kind.
//
//go:embed bases/*.yaml
var Bases embed.FS
