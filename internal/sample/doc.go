// SPDX-License-Identifier: Apache-2.0

// Package sample makes notifications as Cloudinary sends them: a made-up body of an event type, and
// the headers that sign it. The kubectl plugin sends them, and so does the simulator.
//
// It shares no code with internal/notification, which verifies: so each can test the other.
package sample
