// SPDX-License-Identifier: Apache-2.0

// Package httpserver is net/http's server with bounds that can be multiplied: so many connections, each with so many bytes and lines of
// header, take so much memory, whatever strangers send. Each listener of both programs is served by it.
//
// Connections are always accepted. Where there are too many, one makes room: that of the stranger who has been there longest, then the
// one that has been idle longest of those that had brought what a stranger cannot. None is closed under a request of the latter kind.
// A handler says which kind a request is: see Trust and Refuse.
//
// The package must not know what is served.
package httpserver
