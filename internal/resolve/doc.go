// SPDX-License-Identifier: Apache-2.0

// Package resolve decides where objects lead. The input is the objects of the cluster and the
// knowledge about Secrets. The output is, for each object, its product environment, what the
// operator may do for it, and the object of a plan. It is pure.
//
//	World     all objects, and what is known of Secrets
//	Endpoint  an endpoint with its URL, its Secret and its environment, or why it cannot be used
//	Trigger   a trigger with its endpoint, its settings and its stance, or why it cannot be carried out
//	Unit      whose pass an object belongs to
//	Scope     all that belongs to one product environment
//	Keys      the verification keys that count in one product environment
package resolve
