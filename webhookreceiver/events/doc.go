// SPDX-License-Identifier: Apache-2.0

// Package events turns a notification into a Kubernetes Event on the CloudinaryTrigger that fired, so that kubectl describe tells what
// happened, and when.
//
//	Event    decides, without I/O, what the Event of a notification looks like
//	Sender   writes it, within a budget
//
// The name of an Event is made of what is stored of the notification, so that a second write of the same one, after a crash or
// a lost answer, finds the first one: that is success. It also sorts by time, which is the order in which kubectl describe
// shows Events of this API. Events are the last hour's view: what is over the budget is counted and dropped, not written late.
//
// The package must not read objects, nor tell more of a notification than notification.Note does.
package events
