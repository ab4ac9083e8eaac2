// SPDX-License-Identifier: Apache-2.0

// Package kstatus holds tests of what kstatus, and with it Flux and kpt, makes of what the operator writes. It is a module of its own,
// since github.com/fluxcd/cli-utils would raise the versions of twenty modules that the product is made of. It has no code that
// anything else uses.
package kstatus
