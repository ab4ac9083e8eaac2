// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// listener answers what a test wants, and keeps what came.
type listener struct {
	*httptest.Server
	status int
	answer string
	stored string // what the bundled receiver would say of it
	path   string
	header http.Header
	body   []byte
}

func newListener(t *testing.T) *listener {
	t.Helper()
	l := &listener{status: http.StatusOK, stored: "7"}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.path, l.header = r.URL.RequestURI(), r.Header
		l.body, _ = io.ReadAll(r.Body)
		if l.stored != "" {
			w.Header().Set("X-Cloudinary-Operator-Notification", l.stored)
		}
		w.WriteHeader(l.status)
		_, _ = io.WriteString(w, l.answer)
	}))
	t.Cleanup(l.Close)
	return l
}

// pathToken is the part of an address that only the operator can compute.
const pathToken = "/0123456789abcdef0123456789abcdef"

func (f *fixture) receiverEndpoint(name string) *v1alpha1.NotificationEndpoint {
	ep := f.endpoint(name, "")
	ep.Spec.Receiver = &v1alpha1.ReceiverSpec{BaseURL: "https://hooks.example.com"}
	ep.Status.URL = "https://hooks.example.com/v1/notifications/" + f.namespace + "/" + name + pathToken
	ep.Status.ObservedGeneration = new(int64(1))
	return ep
}

func TestEverySampleIsSignedAsTheReceiverWantsIt(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	l := newListener(t)
	f.create(f.secret())
	f.withStatus(f.receiverEndpoint("media"))
	policy, err := notification.NewPolicy(notification.PolicyOptions{Keys: []notification.Key{{ID: "1", Secret: []byte(simulator.DefaultAPISecret)}}})
	f.must(err)
	for _, algorithm := range algorithms() {
		for _, eventType := range sampleEventTypes() {
			f.succeeds("send", "media", "--url", l.URL, "--event-type", eventType, "--algorithm", algorithm)
			_, rejection := policy.Verify(notification.Signed{
				Body: l.body, Timestamp: l.header.Get("X-Cld-Timestamp"), Signature: l.header.Get("X-Cld-Signature"),
			}, time.Now())
			if rejection != "" {
				t.Errorf("%s with %s: %s", eventType, algorithm, rejection)
			}
			var body struct {
				Type string `json:"notification_type"`
			}
			if err := json.Unmarshal(l.body, &body); err != nil || body.Type != eventType {
				t.Errorf("%s: body %s (%v)", eventType, l.body, err)
			}
		}
	}
	if want := "/v1/notifications/" + f.namespace + "/media" + pathToken; l.path != want {
		t.Errorf("path %q, want %q", l.path, want)
	}
}

func TestSendTellsWhatCame(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	l := newListener(t)
	f.create(f.secret(), f.endpoint("theirs", l.URL+"/hook?token=t0ken"))
	f.withStatus(f.receiverEndpoint("media"))
	cases := map[string]struct {
		endpoint string
		status   int
		answer   string
		stored   string
		says     []string
		code     int
	}{
		"the receiver stores it":      {"media", 200, "", "7", []string{"answer  200, after", "stored, as notification 7", "kubectl cloudinary status -n " + f.namespace}, 0},
		"the receiver had it":         {"media", 200, "", "known", []string{"answer  200, after", "had this notification already"}, 0},
		"a login page says 200":       {"media", 200, "<html>login</html>", "", []string{"NOT stored", "login page"}, 1},
		"a proxy says it has it":      {"media", 200, "", "yes", []string{"NOT stored"}, 1},
		"an error that names an id":   {"media", 500, "", "7", []string{"may have answered"}, 1},
		"the receiver refuses it":     {"media", 401, "signature_mismatch\n", "", []string{"answer  401 signature_mismatch, after", "condition Verifying"}, 1},
		"the receiver says no reason": {"media", 401, "unauthorized\n", "", []string{"answer  401 unauthorized, after", "Rejected", "cloudinary_receiver_requests_rejected_total", "status.url"}, 1},
		"the receiver has no room":    {"media", 503, "queue_full", "", []string{"503 queue_full", "cannot store it now"}, 1},
		"nobody has this path":        {"media", 404, "unknown_endpoint", "", []string{"no endpoint of the bundled receiver"}, 1},
		"a redirect":                  {"media", 302, "", "", []string{"redirects"}, 1},
		"somebody else takes it":      {"theirs", 200, "", "", []string{"whether the endpoint has it"}, 0},
		"somebody else takes it ill":  {"theirs", 204, "", "", []string{"only 200 counts for Cloudinary"}, 1},
		"escape sequences are tame":   {"theirs", 500, "\x1b[31mred", "", []string{"500  [31mred"}, 1},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			l.status, l.answer, l.stored = test.status, test.answer, test.stored
			args := []string{"send", test.endpoint}
			if test.endpoint == "media" {
				args = append(args, "--url", l.URL)
			}
			r := f.call(args...)
			if r.code != test.code {
				t.Errorf("code %d, want %d; errors %q", r.code, test.code, r.err)
			}
			for _, text := range test.says {
				if !strings.Contains(r.out, text) {
					t.Errorf("%q does not say %q", r.out, text)
				}
			}
			if strings.Contains(r.out+r.err, "t0ken") || strings.Contains(r.out+r.err, pathToken) {
				t.Errorf("shows a token: %q %q", r.out, r.err)
			}
		})
	}
}

func TestSendOfABodyOfOnesOwn(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	l := newListener(t)
	f.create(f.secret(), f.endpoint("theirs", l.URL+"/hook"))
	const body = "{ \"a\" : 1.0 }\n"
	if r := f.callWith(body, "send", "theirs", "--payload", "-"); r.code != 0 || string(l.body) != body {
		t.Errorf("from the standard input: %+v, body %q", r, l.body)
	}
	f.succeeds("send", "theirs", "--payload", f.file("body.json", body))
	if diff := cmp.Diff(body, string(l.body)); diff != "" {
		t.Errorf("from a file (-want +got):\n%s", diff)
	}
}

func TestSendSignsWithAKeyThatCounts(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	l := newListener(t)
	secret, token := f.secret(), f.secret()
	secret.Data["signing.222"], secret.Data["signing.333"] = []byte("two"), []byte("three")
	token.Name = "token"
	token.Data = map[string][]byte{cloudinary.KeyCloudName: []byte("my-cloud"), cloudinary.KeyOAuthToken: []byte("t0ken"), "signing.222": []byte("two")}
	f.create(secret, token)
	for name, test := range map[string]struct {
		secret  string
		apiKeys []string
		signs   string
	}{
		"by-default":    {"cloudinary", nil, simulator.DefaultAPISecret},
		"named":         {"cloudinary", []string{"222", simulator.DefaultAPIKey}, simulator.DefaultAPISecret},
		"another-named": {"cloudinary", []string{"999", "333"}, "three"},
		"beside-oauth":  {"token", nil, "two"},
	} {
		ep := f.receiverEndpoint(name)
		ep.Spec.CredentialsSecretRef.Name = test.secret
		if len(test.apiKeys) > 0 {
			ep.Spec.Receiver.Verification = &v1alpha1.Verification{APIKeys: test.apiKeys}
		}
		f.withStatus(ep)
		f.succeeds("send", name, "--url", l.URL)
		policy, err := notification.NewPolicy(notification.PolicyOptions{Keys: []notification.Key{{ID: "1", Secret: []byte(test.signs)}}})
		f.must(err)
		signed := notification.Signed{Body: l.body, Timestamp: l.header.Get("X-Cld-Timestamp"), Signature: l.header.Get("X-Cld-Signature")}
		if _, rejection := policy.Verify(signed, time.Now()); rejection != "" {
			t.Errorf("%s: it is not signed with %s: %s", name, test.signs, rejection)
		}
	}
	none := f.receiverEndpoint("none")
	none.Spec.Receiver.Verification = &v1alpha1.Verification{APIKeys: []string{"998", "999"}}
	f.withStatus(none)
	f.fails([]string{"send", "none", "--url", l.URL}, "spec.receiver.verification.apiKeys: 998, 999", "signing.<API_KEY>")
}

func TestSendRefuses(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	token := f.secret()
	token.Name, token.Data = "token", map[string][]byte{cloudinary.KeyCloudName: []byte("my-cloud"), cloudinary.KeyOAuthToken: []byte("t0ken")}
	ep := f.endpoint("token", "https://example.com/")
	ep.Spec.CredentialsSecretRef.Name = "token"
	early := f.endpoint("early", "")
	early.Spec.Receiver = &v1alpha1.ReceiverSpec{}
	plain := f.endpoint("plain", "")
	plain.Spec.Receiver = &v1alpha1.ReceiverSpec{Path: v1alpha1.ReceiverPathPlain}
	f.create(token, ep, early, plain, f.endpoint("media", "http://127.0.0.1:1/hook?token=t0ken"))
	f.fails([]string{"send", "nosuch"}, "there is no nep/nosuch in namespace "+f.namespace, "--namespace")
	f.fails([]string{"send", "media"}, "there is no Secret cloudinary in namespace "+f.namespace)
	f.create(f.secret())
	f.fails([]string{"send", "media"}, "http://127.0.0.1:1/…", "port-forward")
	f.fails([]string{"send", "token"}, "OAuth token", "api_secret")
	f.fails([]string{"send", "early"}, "has no status.url yet")
	f.fails([]string{"send", "early", "--url", "http://127.0.0.1:1"}, "has no status.url yet", "nobody but the manager", "--url")
	f.fails([]string{"send", "plain", "--url", "http://127.0.0.1:1"}, "http://127.0.0.1:1/v1/notifications/"+f.namespace+"/plain: ")
	f.fails([]string{"send", "media", "--event-type", "uplod"}, `did you mean "upload"?`)
	f.fails([]string{"send", "media", "--event-type", "all"}, "all is for triggers")
	f.fails([]string{"send", "media", "--algorithm", "md5"}, "sha1, sha256")
	f.fails([]string{"send", "media", "--url", "ftp://x"}, "--url must be")
	f.fails([]string{"send", "media", "--payload", "/nonexistent"}, "--payload")
	f.fails([]string{"send", "media", "--wait"}, "--wait needs an endpoint with spec.receiver")
}
