// SPDX-License-Identifier: Apache-2.0

package notification

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cloudinary/cloudinary-go/v2/api/uploader"
	"github.com/cloudinary/cloudinary-go/v2/config"
)

// sdkAccepts asks Cloudinary's SDK as its users do: they read the header as a number.
func sdkAccepts(a Algorithm, s Signed, secret string) bool {
	seconds, err := strconv.ParseInt(s.Timestamp, 10, 64)
	if err != nil {
		return false
	}
	var api uploader.API
	api.Config = config.Configuration{Cloud: config.Cloud{APISecret: secret, SignatureAlgorithm: strings.ToLower(string(a))}}
	return api.VerifyNotificationSignature(string(s.Body), seconds, s.Signature, int64(DefaultMaxAge/time.Second))
}

// The only differences there may be: what the SDK takes and we do not. There is nothing that we take and it does not.
// That it compares with == is a difference in time, which this test cannot see.
func allowedDifference(s Signed, now time.Time, rejection Rejection) bool {
	seconds, err := strconv.ParseInt(s.Timestamp, 10, 64)
	if err != nil {
		return false
	}
	canonical := strconv.FormatInt(seconds, 10) == s.Timestamp && len(s.Timestamp) == 10
	switch rejection {
	case RejectedFuture:
		// It lets in every timestamp that is ahead.
		return time.Unix(seconds, 0).Sub(now) > DefaultMaxFuture
	case RejectedMalformedTimestamp:
		// It writes the number anew before it hashes, so that +1, 01 and 1 are the same to it; and in the year 2286 and
		// later there are eleven digits, which is the future again.
		return !canonical
	default:
		return false
	}
}

// How a fuzzed notification is signed.
const (
	asGiven      = iota // with a signature that was made up
	asReceived          // right, for the header as it stands
	asTheSDKDoes        // right, for the header read as a number
)

func FuzzVerifyAgainstCloudinarysSDK(f *testing.F) {
	for _, sha256 := range []bool{false, true} {
		for _, offset := range []int64{0, -7199, -7200, -7201, 299, 300, 301, 1 << 40, -1 << 40} {
			f.Add([]byte(uploadBody), "", offset, "someApiSecret", "", byte(asReceived), sha256)
		}
		for _, prefix := range []string{"+", "0", " ", "-", "00000", "1", "_"} {
			f.Add([]byte("{}"), prefix, int64(0), "someApiSecret", "", byte(asReceived), sha256)
			f.Add([]byte("{}"), prefix, int64(0), "someApiSecret", "", byte(asTheSDKDoes), sha256)
		}
		f.Add([]byte("{}"), "", int64(0), "", "", byte(asReceived), sha256)
		for _, signature := range []string{"", strings.Repeat("0", sha1Digits), strings.Repeat("F", sha256Digits)} {
			f.Add([]byte("{}"), "", int64(0), "shhh", signature, byte(asGiven), sha256)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, prefix string, offset int64, secret, signature string, how byte, sha256 bool) {
		algorithm := SHA1
		if sha256 {
			algorithm = SHA256
		}
		s := Signed{Body: body, Timestamp: prefix + strconv.FormatInt(time.Now().Unix()+offset, 10), Signature: signature}
		switch how {
		case asReceived:
			s.Signature = sign(algorithm, body, s.Timestamp, []byte(secret))
		case asTheSDKDoes:
			if seconds, err := strconv.ParseInt(s.Timestamp, 10, 64); err == nil {
				s.Signature = sign(algorithm, body, strconv.FormatInt(seconds, 10), []byte(secret))
			}
		}
		p := mustPolicy(t, PolicyOptions{Keys: []Key{{ID: "1", Secret: []byte(secret)}}, Algorithms: []Algorithm{algorithm}})

		// The SDK reads the clock itself. Where a second begins between one verdict and the other, either is right.
		now := time.Now()
		_, before := p.Verify(s, now)
		accepted := sdkAccepts(algorithm, s, secret)
		_, after := p.Verify(s, time.Now())

		switch {
		case before != after:
		case before == "" && !accepted:
			t.Errorf("taken here, not by the SDK: %+v", s)
		case before != "" && accepted && !allowedDifference(s, now, before):
			t.Errorf("rejected here (%s), not by the SDK: %+v", before, s)
		}
	})
}

// A difference that is gone should be struck from the list.
func TestTheSDKStillDiffers(t *testing.T) {
	const secret = "someApiSecret"
	now := time.Now()
	number := strconv.FormatInt(now.Unix(), 10)
	ahead := strconv.FormatInt(now.Add(24*time.Hour).Unix(), 10)
	p := mustPolicy(t, PolicyOptions{Keys: []Key{{ID: "1", Secret: []byte(secret)}}})
	for name, tc := range map[string]struct {
		timestamp, signed string
		want              Rejection
	}{
		"a day ahead":    {ahead, ahead, RejectedFuture},
		"a sign":         {"+" + number, number, RejectedMalformedTimestamp},
		"a leading zero": {"0" + number, number, RejectedMalformedTimestamp},
		"the year 2317":  {"10950000000", "10950000000", RejectedMalformedTimestamp},
	} {
		s := Signed{Body: []byte("{}"), Timestamp: tc.timestamp, Signature: sign(SHA1, []byte("{}"), tc.signed, []byte(secret))}
		_, rejection := p.Verify(s, now)
		if accepted := sdkAccepts(SHA1, s, secret); !accepted || rejection != tc.want || !allowedDifference(s, now, rejection) {
			t.Errorf("%s: accepted by the SDK %t, rejected here %q, want %q", name, accepted, rejection, tc.want)
		}
	}
}
