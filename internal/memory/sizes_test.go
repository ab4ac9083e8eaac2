// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"testing"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
)

func TestTheSizeOfAList(t *testing.T) {
	t.Parallel()
	bare := cloudinary.Trigger{}
	long := cloudinary.Trigger{ID: "12", URI: "https://a", EventType: "upload", Filter: []byte("{}"), PayloadTemplate: []byte("{ }")}
	for name, test := range map[string]struct {
		triggers []cloudinary.Trigger
		want     int
	}{
		"none":                 {nil, 0},
		"one without anything": {[]cloudinary.Trigger{bare}, 256},
		"all that it has":      {[]cloudinary.Trigger{long}, 256 + 2 + 9 + 6 + 2 + 3},
		"several are added up": {[]cloudinary.Trigger{bare, long, bare}, 3*256 + 22},
	} {
		if got := SizeOf(test.triggers); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}

func TestTheSoonerOfTwoWaits(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ a, b, want time.Duration }{
		"the first":     {time.Second, time.Minute, time.Second},
		"the second":    {time.Minute, time.Second, time.Second},
		"there is one":  {0, time.Minute, time.Minute},
		"or the other":  {time.Second, 0, time.Second},
		"there is none": {0, 0, 0},
	} {
		if got := Sooner(test.a, test.b); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}
