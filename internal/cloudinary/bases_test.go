// SPDX-License-Identifier: Apache-2.0

package cloudinary_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
)

// baseOf is the API base of a Secret with an upload_prefix.
func baseOf(t *testing.T, prefix string) (cloudinary.Credentials, error) {
	t.Helper()
	return cloudinary.ParseSecret(map[string][]byte{
		"cloud_name": []byte("demo"), "api_key": []byte("123"), "api_secret": []byte("abc"), "upload_prefix": []byte(prefix),
	})
}

func TestWhichAPIBasesAreAllowed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		added, prefix     string
		allowed, trusted  bool
		refusedBeforeThat bool // it is no upload_prefix at all
		why               string
	}{
		"Cloudinary's":                          {prefix: "https://api.cloudinary.com", allowed: true, trusted: true},
		"in Europe":                             {prefix: "https://api-eu.cloudinary.com", allowed: true, trusted: true},
		"in the Asia-Pacific":                   {prefix: "https://api-ap.cloudinary.com", allowed: true, trusted: true},
		"with the version":                      {prefix: "https://api-eu.cloudinary.com/v1_1/", allowed: true, trusted: true},
		"in upper case":                         {prefix: "https://API-EU.Cloudinary.COM", allowed: true, trusted: true},
		"with the root's dot":                   {prefix: "https://api.cloudinary.com.", allowed: true, trusted: true},
		"with the port that it has anyway":      {prefix: "https://api.cloudinary.com:443", allowed: true, trusted: true},
		"at another port":                       {prefix: "https://api.cloudinary.com:8443", why: "nothing of Cloudinary's is there"},
		"a suffix without a dot":                {prefix: "https://evilcloudinary.com"},
		"a suffix without a dot, as an API":     {prefix: "https://api.evilcloudinary.com"},
		"a prefix":                              {prefix: "https://api.cloudinary.com.example.com"},
		"a label more":                          {prefix: "https://x.api.cloudinary.com"},
		"the domain itself":                     {prefix: "https://cloudinary.com"},
		"what customers put there":              {prefix: "https://res.cloudinary.com", why: "it answers what anybody has uploaded"},
		"a customer's own name":                 {prefix: "https://demo-res.cloudinary.com"},
		"a label that begins alike":             {prefix: "https://apix.cloudinary.com"},
		"a dash and nothing":                    {prefix: "https://api-.cloudinary.com"},
		"an underscore":                         {prefix: "https://api_eu.cloudinary.com"},
		"an address":                            {prefix: "https://169.254.169.254"},
		"loopback":                              {prefix: "https://[::1]:6443"},
		"a Service":                             {prefix: "https://kubernetes.default.svc"},
		"a user before another host":            {prefix: "https://api.cloudinary.com@example.com", refusedBeforeThat: true},
		"a password before another host":        {prefix: "https://api.cloudinary.com:443@example.com", refusedBeforeThat: true},
		"a backslash":                           {prefix: `https://example.com\@api.cloudinary.com`, refusedBeforeThat: true},
		"a fragment":                            {prefix: "https://example.com#.cloudinary.com", refusedBeforeThat: true},
		"a query":                               {prefix: "https://example.com?api.cloudinary.com", refusedBeforeThat: true},
		"a percent-encoded dot":                 {prefix: "https://api%2Ecloudinary.com", refusedBeforeThat: true},
		"a percent-encoded slash":               {prefix: "https://example.com%2F.cloudinary.com", refusedBeforeThat: true},
		"letters that look alike":               {prefix: "https://api.cloud\u0456nary.com", refusedBeforeThat: true},
		"a full-width dot":                      {prefix: "https://api.cloudinary\uff0ecom", refusedBeforeThat: true},
		"a soft hyphen":                         {prefix: "https://api.cloud\u00adinary.com", refusedBeforeThat: true},
		"two dots":                              {prefix: "https://api..cloudinary.com", refusedBeforeThat: true},
		"a path that looks like it":             {prefix: "https://example.com/api.cloudinary.com"},
		"one that was added":                    {added: "proxy.example.com", prefix: "https://proxy.example.com", allowed: true, trusted: true},
		"one that was added in upper case":      {added: "Proxy.Example.com.", prefix: "https://proxy.example.com", allowed: true, trusted: true},
		"one of several":                        {added: "a.example.com, https://b.example.com/", prefix: "https://b.example.com", allowed: true, trusted: true},
		"below one that was added":              {added: "proxy.example.com", prefix: "https://proxy.example.com/team-a", allowed: true, trusted: true},
		"a path that was added":                 {added: "proxy.example.com/cloudinary", prefix: "https://proxy.example.com/cloudinary/eu", allowed: true, trusted: true},
		"beside a path that was added":          {added: "proxy.example.com/cloudinary", prefix: "https://proxy.example.com/cloudinary-not", why: "a path ends at a slash"},
		"above a path that was added":           {added: "proxy.example.com/cloudinary", prefix: "https://proxy.example.com"},
		"another port than was added":           {added: "proxy.example.com", prefix: "https://proxy.example.com:8443"},
		"the port that was added":               {added: "proxy.example.com:8443", prefix: "https://proxy.example.com:8443", allowed: true, trusted: true},
		"no port, and one was added":            {added: "proxy.example.com:8443", prefix: "https://proxy.example.com"},
		"http, and https was added":             {added: "proxy.example.com", prefix: "http://proxy.example.com"},
		"http that was added":                   {added: "http://127.0.0.1:8080", prefix: "http://127.0.0.1:8080", allowed: true, trusted: true},
		"an IPv6 address that was added":        {added: "[fd00::0:1]:8443", prefix: "https://[fd00::1]:8443", allowed: true, trusted: true},
		"by a pattern":                          {added: "*.example.com", prefix: "https://proxy.example.com", allowed: true},
		"a pattern's own domain":                {added: "*.example.com", prefix: "https://example.com"},
		"two labels before a pattern's domain":  {added: "*.example.com", prefix: "https://a.b.example.com", why: "as with certificates"},
		"a suffix of a pattern without its dot": {added: "*.example.com", prefix: "https://evilexample.com"},
		"by a pattern and by its name":          {added: "*.example.com,proxy.example.com", prefix: "https://proxy.example.com", allowed: true, trusted: true},
		"by all":                                {added: "*", prefix: "https://10.0.0.7:8443", allowed: true},
		"by all, with http":                     {added: "*", prefix: "http://10.0.0.7", allowed: true, why: "--allow-insecure-api-base decides on that"},
		"Cloudinary's by all":                   {added: "*", prefix: "https://api.cloudinary.com", allowed: true, trusted: true},
		"Cloudinary's beside another":           {added: "proxy.example.com", prefix: "https://api-eu.cloudinary.com", allowed: true, trusted: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bases, err := cloudinary.ParseAPIBases(test.added)
			if err != nil {
				t.Fatal(err)
			}
			creds, err := baseOf(t, test.prefix)
			if (err != nil) != test.refusedBeforeThat {
				t.Fatalf("as an upload_prefix: %v, want an error: %v", err, test.refusedBeforeThat)
			}
			if err != nil {
				return
			}
			if got := bases.Allows(creds.APIBase); got != test.allowed {
				t.Errorf("Allows(%s) is %v, want %v: %s", creds.APIBase, got, test.allowed, test.why)
			}
			if got := bases.Trusts(creds.APIBase); got != test.trusted {
				t.Errorf("Trusts(%s) is %v, want %v: %s", creds.APIBase, got, test.trusted, test.why)
			}
			// What a message tells people to add has to help.
			again, err := cloudinary.ParseAPIBases(creds.APIBaseToAllow())
			if err != nil || !again.Allows(creds.APIBase) {
				t.Errorf("%s as an entry of its own: %v", creds.APIBaseToAllow(), err)
			}
		})
	}
}

func TestAPIBasesThatCannotBeAreNamed(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"https://", "ftp://example.com", "https://user@example.com", "example.com?x", "example.com#x", "*example.com", "a.*.com", "*.*.com", "*.",
		"*.0.0.1", "*.[::1]", "exa mple.com", "example.com:0", "example.com:99999", "example.com/../x", "http://*", "api.cloud\u0456nary.com",
	} {
		_, err := cloudinary.ParseAPIBases("good.example.com," + text)
		if err == nil || !strings.Contains(err.Error(), `"`+text+`"`) && !strings.Contains(err.Error(), "cloud") {
			t.Errorf("%q: %v, want an error that names it", text, err)
		}
	}
}

// The owner of a Secret may name a server of the network's. What that answers is none of theirs.
func TestNothingOfAnAnswerFromElsewhereIsShown(t *testing.T) {
	t.Parallel()
	const words = "user svc-billing: quota 17 of 20, node db-3.prod.internal"
	for name, answer := range map[string]http.HandlerFunc{
		"401":                       answering(401, `{"error":{"message":"`+words+`"}}`),
		"400":                       answering(400, `{"error":{"message":"`+words+`"}}`),
		"400 limit_reached":         answering(400, `{"error":{"message":"limit_reached `+words+`"}}`),
		"404":                       answering(404, `{"error":"`+words+`"}`),
		"409":                       answering(409, `{"error":{"message":"`+words+`"}}`),
		"420":                       answering(420, `{"error":{"message":"`+words+`"}}`),
		"500":                       answering(500, words),
		"a redirect":                answering(302, words, "Location", "https://db-3.prod.internal"),
		"200 and something else":    answering(200, `{"user":"`+words+`"}`),
		"200 and too much":          answering(200, strings.Repeat(words, 1<<20)),
		"200 and another list":      answering(200, `{"triggers":[{"uri":"`+words+`"}]}`),
		"200 that is cut off":       answering(200, words, "Content-Length", "100000"),
		"a connection that is cut":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"a header that is no clock": answering(503, words, "Retry-After", words),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(answer)
			t.Cleanup(server.Close)
			client := cloudinary.NewClient(cloudinary.Credentials{APIBase: server.URL, CloudName: "c", APIKey: "1", APISecret: "2"},
				cloudinary.ClientOptions{Bases: cloudinary.AnyAPIBase()})
			for operation, call := range calls(client) {
				_, err := call(t.Context())
				if err == nil {
					continue // a message of success is not read
				}
				text := err.Error()
				for word := range strings.FieldsSeq(words) {
					if word != "of" && strings.Contains(text, word) {
						t.Errorf("%s: %q has %q of the answer", operation, text, word)
					}
				}
				if e := new(cloudinary.Error); !asError(err, &e) || e.Message != "" {
					t.Errorf("%s: the message is kept: %q", operation, e.Message)
				}
			}
		})
	}
}

func asError(err error, to **cloudinary.Error) bool {
	e, ok := err.(*cloudinary.Error) //nolint:errorlint // a client's errors are these, unwrapped
	*to = e
	return ok
}

// Whether nobody listens, nobody answers, or no TLS is spoken would tell what there is in the
// network.
func TestNoAnswerFromElsewhereReadsLikeAnyOther(t *testing.T) {
	t.Parallel()
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	untrusted := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(untrusted.Close)
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	waits := roundTripper(func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
	texts := map[string]string{}
	for name, test := range map[string]struct {
		base      string
		transport http.RoundTripper
	}{
		"nobody listens":           {"https" + strings.TrimPrefix(closed.URL, "http"), nil},
		"no TLS":                   {"https" + strings.TrimPrefix(plain.URL, "http"), nil},
		"an untrusted certificate": {untrusted.URL, nil},
		"no such name":             {"https://host.invalid", nil},
		"no answer":                {"https://host.example.com", waits},
	} {
		client := cloudinary.NewClient(cloudinary.Credentials{APIBase: test.base, CloudName: "c"},
			cloudinary.ClientOptions{Bases: cloudinary.AnyAPIBase(), Transport: test.transport, Timeout: time.Second})
		_, _, err := client.ListTriggers(t.Context())
		texts[err.Error()] += name + "; "
		if detail := cloudinary.Detail(err); detail == err.Error() {
			t.Errorf("%s: the log says no more than the condition: %s", name, detail)
		}
	}
	if len(texts) != 1 {
		t.Errorf("they differ: %v", texts)
	}
}

func TestAServerThatIsNotAllowedIsNotCalled(t *testing.T) {
	t.Parallel()
	var called atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called.Add(1) }))
	t.Cleanup(server.Close)
	client := cloudinary.NewClient(cloudinary.Credentials{APIBase: server.URL, CloudName: "c", APIKey: "1", APISecret: "2"}, cloudinary.ClientOptions{})
	for operation, call := range calls(client) {
		if _, err := call(t.Context()); err == nil || !strings.Contains(err.Error(), "not allowed") || cloudinary.IsAmbiguous(err) {
			t.Errorf("%s: %v, want that the address is not allowed", operation, err)
		}
	}
	if n := called.Load(); n != 0 {
		t.Errorf("the server was called %d times", n)
	}
}
