// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
)

// Parts of addresses as the manager makes them.
const (
	mediaToken = "/0123456789abcdef0123456789abcdef"
	otherToken = "/fedcba9876543210fedcba9876543210"
)

// at gives an endpoint an address below a base that proxies cut off, as the manager does.
func (s *receiverSetting) at(name, token string) {
	s.Helper()
	e := &v1alpha1.NotificationEndpoint{}
	s.must(cluster.Client.Get(s.Context(), client.ObjectKey{Namespace: s.namespace, Name: name}, e))
	before := e.DeepCopy()
	e.Status.URL = "https://hooks.example.com/base" + notificationPath(s.namespace, name) + token
	s.must(cluster.Client.Status().Patch(s.Context(), e, client.MergeFrom(before)))
}

// becomes waits until what a test sends is answered so.
func (s *receiverSetting) becomes(why, url string, n notification, status int) {
	s.Helper()
	testenv.Eventually(s.T, soon, func() error {
		a, err := s.post(url, n)
		if err != nil || a.status != status {
			return errNot("%s: answered %v, %w, want %d", why, a, err, status)
		}
		return nil
	})
}

// A signature covers neither the address nor the headers. So who has got a notification can send it to every address of the product environment
// that is known, with headers of one's own.
func TestARecordedNotificationGetsNowhereWithoutTheAddress(t *testing.T) {
	t.Parallel()
	s := newReceiverSetting(t)
	catalog := s.target()
	s.keys(theKey())
	for name, token := range map[string]string{"media": mediaToken, "other": otherToken} {
		s.endpoint(name, toCatalog())
		s.at(name, token)
	}
	s.startReady()
	n := upload("asset", 1)
	s.becomes("the endpoint is served", s.url("media")+mediaToken, n, http.StatusOK)
	s.becomes("the other one is served", s.url("other")+otherToken, notification{body: []byte("{}")}, http.StatusUnauthorized)
	for _, at := range []string{
		s.url("other"), s.url("media"), s.url("other") + mediaToken, s.url("other") + "/", s.url("other") + otherToken + "/",
		strings.Replace(s.url("other")+otherToken, "/v1/", "/v1/notifications/team-a/x/v1/", 1), strings.Replace(s.url("other")+otherToken, "/other/", "%2Fother/", 1),
	} {
		a, err := s.post(at, n)
		s.must(err)
		if a.status != http.StatusNotFound || a.reason != "unknown_endpoint" {
			t.Errorf("a replay at %s is answered %v", at, a)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, strings.Replace(s.url("media")+mediaToken, "/v1/", "/base/v1/", 1), nil)
	s.must(err)
	m := upload("asset", 2)
	req.Header, req.Body, req.ContentLength = m.header(), io.NopCloser(bytes.NewReader(m.body)), int64(len(m.body))
	req.Header.Set("Content-Type", "application/x-yaml")
	req.Header.Set("X-Cld-Anything", "of the replayer's")
	res, err := s.client.Do(req)
	s.must(err)
	s.must(res.Body.Close())
	testenv.Eventually(t, soon, func() error {
		if diff := cmp.Diff(map[string]int{string(n.body): 1, string(m.body): 1}, catalog.bodies()); diff != "" {
			return errNot("what has arrived (-want +got):\n%s", diff)
		}
		return nil
	})
	for _, got := range catalog.got() {
		if at := got.header.Get("X-Cloudinary-Operator-Endpoint"); at != s.namespace+"/media" {
			t.Errorf("delivered as from %s", at)
		}
		if got.header.Get("Content-Type") != "application/json" || got.header.Values("X-Cld-Anything") != nil {
			t.Errorf("headers that nobody signed reach the Service: %v", got.header)
		}
	}
}

func TestAnAddressBeforeIsServedAfterAMoveAndARestart(t *testing.T) {
	t.Parallel()
	s := newReceiverSetting(t)
	s.keys(theKey())
	s.endpoint("media")
	p := s.startReady("media")
	s.at("media", mediaToken)
	s.becomes("it has moved", s.url("media")+mediaToken, upload("moved", 1), http.StatusOK)
	s.send("media", upload("again", 1))
	s.at("media", otherToken)
	s.becomes("it has moved again", s.url("media")+otherToken, upload("moved", 2), http.StatusOK)
	p.terminate()
	s.startReady()
	s.becomes("after a restart", s.url("media")+otherToken, upload("moved", 3), http.StatusOK)
	s.send("media", upload("again", 2))
	s.becomes("the one between", s.url("media")+mediaToken, upload("moved", 4), http.StatusOK)
}

// response is all that comes back, but for the time.
func (s *receiverSetting) response(request string) string {
	s.Helper()
	c := s.stranger(request)
	defer func() { _ = c.Close() }()
	s.must(c.SetDeadline(time.Now().Add(soon)))
	raw, err := io.ReadAll(c)
	s.must(err)
	var kept []string
	for line := range strings.SplitSeq(string(raw), "\r\n") {
		if !strings.HasPrefix(line, "Date: ") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\r\n")
}

func TestStrangersCannotFindOutWhichEndpointsThereAre(t *testing.T) {
	t.Parallel()
	s := newReceiverSetting(t, "--verbose-refusals=false")
	s.keys(theKey())
	s.endpoint("media")
	s.endpoint("hidden")
	s.at("hidden", mediaToken)
	s.startReady()
	s.becomes("it is served", s.url("media"), upload("asset", 1), http.StatusOK)
	s.becomes("the hidden one as well", s.url("hidden")+mediaToken, upload("asset", 1), http.StatusOK)
	n := upload("asset", 2)
	genuine := "X-Cld-Timestamp: " + n.timestamp + "\r\nX-Cld-Signature: " + signature(n.body, n.timestamp, n.secret) + "\r\n"
	forged := "X-Cld-Timestamp: " + n.timestamp + "\r\nX-Cld-Signature: " + strings.Repeat("0", 40) + "\r\n"
	own, prefix := notificationPath(s.namespace, "media"), "/v1/notifications/"
	first := ""
	for _, path := range []string{
		own, own + "/", own + mediaToken, prefix + s.namespace + "/nothing", prefix + "nobody/media", prefix + s.namespace + "/hidden", prefix + s.namespace + "/hidden" + otherToken,
		prefix + "other-team/x" + own, prefix + s.namespace + "%2Fmedia", "/" + own, "/", "/metrics", own + "?x=y",
	} {
		for _, method := range []string{"GET", "POST", "PUT", "DELETE", "OPTIONS"} {
			for _, lines := range []string{"", forged, "X-Cld-Signature_v2: 00\r\n", genuine} {
				if (path == own || path == own+"?x=y") && method == "POST" && lines == genuine {
					continue // this is no stranger
				}
				got := s.response(method + " " + path + " HTTP/1.1\r\nHost: r\r\nConnection: close\r\n" + lines + "Content-Length: 2\r\n\r\n{}")
				if first == "" {
					first = got
				}
				if diff := cmp.Diff(first, got); diff != "" || !strings.Contains(got, " 401 ") {
					t.Fatalf("%s %s with %q is answered %q (-as the first +got):\n%s", method, path, lines, got, diff)
				}
			}
		}
	}
}
