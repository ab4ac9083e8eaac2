// SPDX-License-Identifier: Apache-2.0

package service

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

const uploadBody = `{"notification_type":"upload","public_id":"dogs/rex \"1\" 50%","asset_id":"b8f0","resource_type":"image"}`

// aDelivery is one of an upload to the Service shop/catalog.
func aDelivery(change func(*delivery.Delivery)) *delivery.Delivery {
	endpoint := &route.Endpoint{
		Key:     types.NamespacedName{Namespace: "shop", Name: "media"},
		Targets: []route.Target{{Name: "catalog", Service: &route.Service{Name: "catalog", Port: intstr.FromInt32(8080), Path: "/hooks?token=s3cret"}}},
	}
	d := &delivery.Delivery{
		ID: 1, Attempt: 3, Endpoint: endpoint, Target: &endpoint.Targets[0],
		Record: &queue.Record{
			Key: [32]byte{0xab, 31: 0xcd}, Endpoint: queue.Endpoint{Namespace: "shop", Name: "media"},
			ReceivedAt: time.Date(2024, 3, 20, 10, 12, 34, 567891000, time.FixedZone("CET", 3600)), EventType: "upload",
			Header: []queue.Header{
				{Name: "Content-Type", Value: "application/json"},
				{Name: "User-Agent", Value: "Cloudinary"},
				{Name: "X-Cld-Timestamp", Value: "1710929554"},
				{Name: "X-Cld-Signature", Value: "bac9"},
			},
			Body: []byte(uploadBody),
		},
	}
	if change != nil {
		change(d)
	}
	return d
}

const aKey = "ab000000000000000000000000000000000000000000000000000000000000cd"

func headerLines(lines ...queue.Header) func(*delivery.Delivery) {
	return func(d *delivery.Delivery) { d.Record.Header = append(d.Record.Header, lines...) }
}

func TestOriginalHeader(t *testing.T) {
	base := http.Header{
		"Content-Type": {"application/json"}, "User-Agent": {"Cloudinary"}, "X-Cld-Timestamp": {"1710929554"}, "X-Cld-Signature": {"bac9"},
		"Idempotency-Key": {aKey}, "X-Cloudinary-Operator-Attempt": {"3"}, "X-Cloudinary-Operator-Endpoint": {"shop/media"},
		"X-Cloudinary-Operator-Event-Type": {"upload"}, "X-Cloudinary-Operator-Received": {"2024-03-20T09:12:34.567891Z"},
	}
	cases := map[string]struct {
		change func(*delivery.Delivery)
		want   func(http.Header)
		why    string
	}{
		"as it came": {nil, func(http.Header) {}, ""},
		"a line twice": {
			headerLines(queue.Header{Name: "X-Cld-Extra", Value: "1"}, queue.Header{Name: "x-cld-extra", Value: "2"}),
			func(h http.Header) { h["X-Cld-Extra"] = []string{"1", "2"} }, "both belong to the request",
		},
		"none of its own": {
			func(d *delivery.Delivery) { d.Record.Header = nil },
			func(h http.Header) {
				h.Del("X-Cld-Timestamp")
				h.Del("X-Cld-Signature")
				h.Set("User-Agent", "cloudinary-operator")
			}, "a request has both",
		},
		"lines that would pass for ours": {
			headerLines(queue.Header{Name: "X-Cloudinary-Operator-Endpoint", Value: "other/one"}, queue.Header{Name: "idempotency-key", Value: "x"}, queue.Header{Name: "ce-id", Value: "x"}),
			func(http.Header) {}, "a target relies on them",
		},
		"lines that belong to the connection": {
			headerLines(queue.Header{Name: "Connection", Value: "close"}, queue.Header{Name: "Content-Length", Value: "7"}, queue.Header{Name: "Transfer-Encoding", Value: "chunked"},
				queue.Header{Name: "Host", Value: "example.com"}, queue.Header{Name: "Expect", Value: "100-continue"}),
			func(http.Header) {}, "it is another connection",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			want, got := base.Clone(), http.Header{}
			c.want(want)
			originalHeader(got, aDelivery(c.change))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got): %s\n%s", c.why, diff)
			}
		})
	}
}

// The rules of CloudEvents 1.0 and of its HTTP protocol binding, 3.1, held against what is sent.
func TestCloudEventHeaderConforms(t *testing.T) {
	got := http.Header{}
	cloudEventHeader(got, aDelivery(headerLines(queue.Header{Name: "Ce-Id", Value: "forged"}, queue.Header{Name: "Cookie", Value: "a=b"})))
	want := http.Header{
		"Content-Type": {"application/json"}, "User-Agent": {"cloudinary-operator"}, "X-Cld-Timestamp": {"1710929554"}, "X-Cld-Signature": {"bac9"},
		"Idempotency-Key": {aKey}, "X-Cloudinary-Operator-Attempt": {"3"},
		"Ce-Specversion": {"1.0"}, "Ce-Id": {aKey}, "Ce-Type": {"com.cloudinary.notification.upload"},
		"Ce-Source": {"/apis/notifications.cloudinary.dev/v1alpha1/namespaces/shop/notificationendpoints/media"},
		"Ce-Time":   {"2024-03-20T09:12:34.567891Z"}, "Ce-Subject": {"dogs/rex%20%221%22%2050%25"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	for _, required := range []string{"Ce-Id", "Ce-Source", "Ce-Specversion", "Ce-Type"} {
		if got.Get(required) == "" {
			t.Errorf("%s is required and must not be empty", required)
		}
	}
	if _, err := url.Parse(got.Get("Ce-Source")); err != nil {
		t.Errorf("source must be a URI-reference: %v", err)
	}
	if _, err := time.Parse(time.RFC3339, got.Get("Ce-Time")); err != nil {
		t.Errorf("time must be as in RFC 3339: %v", err)
	}
	for name := range got {
		if attribute, ok := strings.CutPrefix(name, "Ce-"); ok && !regexp.MustCompile(`^[A-Za-z0-9]{1,20}$`).MatchString(attribute) {
			t.Errorf("%s: names of attributes are letters and digits, 20 at most", name)
		}
	}
	if got.Get("Ce-Datacontenttype") != "" || got.Get("Ce-Data") != "" {
		t.Error("in binary mode datacontenttype is Content-Type, and data the body")
	}
}

func TestCloudEventSubject(t *testing.T) {
	cases := map[string]struct{ body, want, why string }{
		"a public id":                 {`{"public_id":"dogs/rex"}`, "dogs/rex", ""},
		"one that is not ASCII":       {`{"public_id":"Euro € 😀"}`, "Euro%20%E2%82%AC%20%F0%9F%98%80", "the example of the binding"},
		"an asset id alone":           {`{"asset_id":"b8f0"}`, "b8f0", ""},
		"one of several":              {`{"resources":[{"public_id":"a"},{"public_id":"b"}]}`, "", "there is no one subject"},
		"the one of a list":           {`{"resources":[{"public_id":"a"}]}`, "a", ""},
		"no asset":                    {`{"notification_type":"report"}`, "", "absent rather than empty"},
		"a line break":                {`{"public_id":"a\r\nX-Evil: 1"}`, "", "strings have no control characters"},
		"a noncharacter":              {`{"public_id":"a\ufffe"}`, "", "strings have none"},
		"longer than a header can be": {`{"public_id":"` + strings.Repeat("a", 5000) + `"}`, "", "the target would refuse it"},
		"not JSON":                    {`nonsense`, "", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			h := http.Header{}
			cloudEventHeader(h, aDelivery(func(d *delivery.Delivery) { d.Record.Body = []byte(c.body) }))
			if got := h.Get("Ce-Subject"); got != c.want {
				t.Errorf("subject %q, want %q: %s", got, c.want, c.why)
			}
		})
	}
}

// A receiver decodes by percent-decoding once; what is sent is printable ASCII without a space or a quote.
func TestEncodedIsDecodable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.String().Draw(t, "value")
		got := encoded(value)
		if got == "" {
			return // see TestCloudEventSubject
		}
		if !regexp.MustCompile(`^[!#-~]+$`).MatchString(got) {
			t.Fatalf("%q has other characters than the binding allows", got)
		}
		if back, err := url.PathUnescape(got); err != nil || back != value || !utf8.ValidString(back) {
			t.Fatalf("%q is decoded to %q, %v", got, back, err)
		}
	})
}
