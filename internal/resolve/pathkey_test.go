// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
)

func TestTheKeyOfAddresses(t *testing.T) {
	t.Parallel()
	key := bytes.Repeat([]byte{7}, notification.PathKeyBytes)
	for name, test := range map[string]struct {
		data  map[string][]byte
		valid bool
	}{
		"as it was made":             {map[string][]byte{"key": key}, true},
		"beside something else":      {map[string][]byte{"key": key, "note": []byte("ours")}, true},
		"one byte is missing":        {map[string][]byte{"key": key[1:]}, false},
		"there is one byte too many": {map[string][]byte{"key": append(slices.Clip(key), 7)}, false},
		"under another name":         {map[string][]byte{"Key": key}, false},
		"nothing":                    {nil, false},
	} {
		got, err := ParsePathKey(test.data)
		if test.valid && (err != nil || !bytes.Equal(got, key)) {
			t.Errorf("%s: %x, %v", name, got, err)
		}
		if !test.valid && !errors.Is(err, ErrPathKeyInvalid) {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
}
