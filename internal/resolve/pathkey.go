// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"fmt"

	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
)

// PathKeyEntry is the name of the key in the data of its Secret.
const PathKeyEntry = "key"

// ErrPathKeyInvalid is no reason to overwrite what somebody may have put there for a purpose.
var ErrPathKeyInvalid = fmt.Errorf("its %s has not %d bytes; restore it, or delete the Secret: the manager makes another, and moves every address that rests on it",
	PathKeyEntry, notification.PathKeyBytes)

// ParsePathKey is the key in the data of its Secret, with which addresses are computed.
func ParsePathKey(data map[string][]byte) ([]byte, error) {
	key := data[PathKeyEntry]
	if len(key) != notification.PathKeyBytes {
		return nil, ErrPathKeyInvalid
	}
	return key, nil
}
