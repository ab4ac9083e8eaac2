// SPDX-License-Identifier: Apache-2.0

// Package admin lets a person look at dead letters, and have them delivered again or discarded, over HTTP:
//
//	GET  /v1/deadletters?namespace=&endpoint=&target=&limit=&continue=
//	GET  /v1/deadletters/{id}
//	GET  /v1/notifications/{id}?namespace=&endpoint=
//	POST /v1/deadletters/redrive   {"namespace", "endpoint", "target", "ids"}
//	POST /v1/deadletters/discard   likewise
//
// It asks nobody who they are, and shows notifications whole. So it listens at loopback addresses alone, which those reach who may forward
// a port to the Pod, and keeps off what a browser, or a server that is made to send requests, could be talked into: every
// request has the header Header, and names the loopback as its host.
//
// The package must not change the queue itself, nor log what a notification says.
package admin
