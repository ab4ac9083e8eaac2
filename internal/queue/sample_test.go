// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"crypto/sha256"
	"fmt"
	"time"
)

func sample(n int, targets ...string) *Record {
	return &Record{
		Key: sha256.Sum256([]byte(fmt.Sprint(n))), KeyExpires: time.Now().Add(time.Hour).UTC(), Endpoint: Endpoint{Namespace: "shop", Name: "media"},
		ReceivedAt: time.Unix(1_700_000_000, int64(n)).UTC(), EventType: "upload", OrderKey: uint64(n), Header: []Header{{"X-Cld-Timestamp", "1"}},
		Body: []byte(fmt.Sprintf("body %d", n)), Targets: targets,
	}
}
