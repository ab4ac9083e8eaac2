// SPDX-License-Identifier: Apache-2.0

// Package resolve finds out what leads to what: from the objects of the cluster, and what is known
// of Secrets, to the product environment that each belongs to, to what may be done for it, and to
// the objects that a plan is made of. It is pure.
//
//	World     all objects, and what is known of Secrets
//	Endpoint  an endpoint with its URL, its Secret and its environment, or why it cannot be used
//	Trigger   a trigger with its endpoint, its settings and its stance, or why it cannot be carried out
//	Unit      whose pass an object belongs to
//	Scope     all that belongs to one product environment
//	Keys      the verification keys that count in one product environment
package resolve
