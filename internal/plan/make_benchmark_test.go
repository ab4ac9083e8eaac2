// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"testing"
	"time"
)

// inSyncInput has what Cloudinary allows at most, 30 URLs with 30 event types each, divided among
// objects.
func inSyncInput(objects int) Input {
	const urls, types = 30, 30
	in := Input{ListedAt: listed, Now: listed.Add(time.Second), URLLimit: urls, Settle: settle}
	for i := range objects {
		in.Objects = append(in.Objects, Object{
			Key: key(fmt.Sprintf("object%03d", i)), Created: start, Settings: filtered(), Secret: key("secret"),
		})
	}
	hash := func(url string) string { return SentHash(url, filtered()) }
	for i := range urls * types {
		o := &in.Objects[i*objects/(urls*types)]
		url, eventType, id := fmt.Sprintf("https://hooks.example.com/v1/notifications/shop/%d", i/types), fmt.Sprintf("type_%d", i%types), fmt.Sprintf("%032x", i)
		o.URL = url
		o.EventTypes = append(o.EventTypes, eventType)
		o.Records = append(o.Records, Record{
			EventType: eventType, URL: url, Secret: key("secret"), ID: id, Origin: Created,
			SentHash: hash(url), ConfirmedHash: hash(url), SentAt: start, Echoed: []string{fieldAdditive, fieldAuthScheme, fieldFilter, fieldPayloadTemplate},
		})
		in.Observed = append(in.Observed, there(id, url, eventType, filtered()))
	}
	return in
}

func BenchmarkMake(b *testing.B) {
	for _, objects := range []int{30, 900} {
		b.Run(fmt.Sprintf("900TriggersInSyncOf%dObjects", objects), func(b *testing.B) {
			in := inSyncInput(objects)
			b.ReportAllocs()
			for b.Loop() {
				if p := Make(in); len(p.Steps) > 0 {
					b.Fatal("not in sync")
				}
			}
		})
		b.Run(fmt.Sprintf("900TriggersToCreateOf%dObjects", objects), func(b *testing.B) {
			in := inSyncInput(objects)
			in.Observed = nil
			b.ReportAllocs()
			for b.Loop() {
				if p := Make(in); len(p.Steps) != 900 {
					b.Fatal("not all to be created")
				}
			}
		})
	}
}

func BenchmarkMakeWithAURLForEach(b *testing.B) {
	in := inSyncInput(900)
	in.Observed, in.URLLimit = nil, 30
	for i := range in.Objects {
		in.Objects[i].URL = fmt.Sprintf("https://hooks.example.com/%d", i)
	}
	b.ReportAllocs()
	for b.Loop() {
		if p := Make(in); len(p.Steps) != 30 {
			b.Fatal("not as many as the limit allows")
		}
	}
}
