// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

// Before a write is made again after a conflict, what is stored is compared with what was written:
// a difference would be taken for somebody else's write.
func TestARecordIsReadAsItWasWritten(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 123456789, time.FixedZone("", 3600))
	written := fromRecord(plan.Record{
		EventType: "upload", ID: "1", Origin: plan.Created, IntendedAt: at, SentHash: "sent", SentAt: at, ConfirmedHash: "confirmed",
		Echoed: []string{"filter"}, Repair: plan.Repair{ReadHash: "read", LastAt: at, Updates: 1, Replacements: 2, Total: 3},
		Differences: []plan.Difference{{Field: "filter", Want: "a", Have: "b"}},
	}, maxShownValue)
	raw, err := json.Marshal(written)
	if err != nil {
		t.Fatal(err)
	}
	var read v1alpha1.RegisteredTrigger
	if err := json.Unmarshal(raw, &read); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(written, read); diff != "" {
		t.Errorf("(-written +read):\n%s", diff)
	}
}
