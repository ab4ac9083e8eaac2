// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

var (
	media  = types.NamespacedName{Namespace: "shop", Name: "media"}
	stored = &queue.Record{EventType: "upload", Targets: []string{"catalog", "describe"}, Body: []byte(`{"public_id": "shoe"}`)}
)

func withTrigger() *route.Endpoint {
	images := types.NamespacedName{Namespace: "shop", Name: "images"}
	return &route.Endpoint{Key: media, Triggers: []route.Trigger{{Key: images, EventTypes: []string{"upload"}}}}
}

// A key has one type in all lines, or what reads the log as JSON refuses some of them.
func TestANotificationIsOneLineOfTheLog(t *testing.T) {
	for name, tc := range map[string]struct {
		endpoint *route.Endpoint
		want     map[string]any
	}{
		"with a trigger": {
			endpoint: withTrigger(),
			want: map[string]any{
				"level": "info", "msg": "Stored", "id": 7.0, "eventType": "upload", "targets": 2.0,
				"endpoint": map[string]any{"namespace": "shop", "name": "media"}, "trigger": map[string]any{"namespace": "shop", "name": "images"},
			},
		},
		"without": {
			endpoint: &route.Endpoint{Key: media},
			want: map[string]any{
				"level": "info", "msg": "Stored", "id": 7.0, "eventType": "upload", "targets": 2.0,
				"endpoint": map[string]any{"namespace": "shop", "name": "media"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			logStored(zap.New(zap.WriteTo(&log)), tc.endpoint, 7, stored)
			var got map[string]any
			if err := json.Unmarshal(log.Bytes(), &got); err != nil {
				t.Fatalf("%v in %q", err, log.String())
			}
			if diff := cmp.Diff(tc.want, got, cmpopts.IgnoreMapEntries(func(key string, _ any) bool { return key == "ts" })); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
