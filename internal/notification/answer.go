// SPDX-License-Identifier: Apache-2.0

package notification

// HeaderStored is in each answer by which the bundled receiver takes a notification, and in nothing else that it answers: anybody's 200 is
// enough for Cloudinary, so that this alone tells the receiver from a login page. Its value is the id of what is stored, a number, or
// StoredBefore.
const HeaderStored = "X-Cloudinary-Operator-Notification"

// StoredBefore is the value of HeaderStored for a notification that was there already, and is not delivered again.
const StoredBefore = "known"
