// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package coredns pins the name server of the end-to-end tests' node; build.sh builds it.
package coredns

import _ "github.com/coredns/coredns"
