// SPDX-License-Identifier: Apache-2.0

package metricsserver

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/cloudinary-operator/cloudinary-operator/internal/kube"
	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
)

var api *testenv.Env

func TestMain(m *testing.M) { os.Exit(testenv.Run(m, func(e *testenv.Env) { api = e })) }

const (
	soon     = 10 * time.Second
	patience = 2 * time.Minute
)

// serve serves until the test ends, and returns the address.
func serve(t *testing.T, o Options) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.Address, o.Logger = listener.Addr().String(), logr.Discard()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheus.NewCounter(prometheus.CounterOpts{Name: "cloudinary_test_total", Help: "For this test."}))
	o.Registry = registry
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, o) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Errorf("Serve ended with %v", err)
		}
	})
	testenv.Eventually(t, soon, func() error {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", o.Address)
		if err == nil {
			err = c.Close()
		}
		return err
	})
	return o.Address
}

func client(t *testing.T, config *rest.Config) *kube.Client {
	t.Helper()
	c, err := kube.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// get returns the answer's status and body.
func get(t *testing.T, url, authorization string) (int, string) {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	res, err := (&http.Client{Transport: transport, Timeout: soon}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

func create(t *testing.T, objects ...kube.Object) {
	t.Helper()
	for _, o := range objects {
		if err := api.Client.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
}

func account(t *testing.T, namespace, name string) *corev1.ServiceAccount {
	t.Helper()
	a := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}}
	create(t, a)
	return a
}

// bearer is a token of an account, another one each time. It is for the API server unless audiences say otherwise.
func bearer(t *testing.T, of *corev1.ServiceAccount, audiences ...string) string {
	t.Helper()
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: audiences}}
	if err := api.Client.SubResource("token").Create(t.Context(), of, request); err != nil {
		t.Fatal(err)
	}
	return "Bearer " + request.Status.Token
}

func allow(t *testing.T, a *corev1.ServiceAccount) *rbacv1.ClusterRoleBinding {
	t.Helper()
	name := a.Namespace + "-" + a.Name
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: a.Name, Namespace: a.Namespace}},
	}
	create(t, &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: []rbacv1.PolicyRule{{NonResourceURLs: []string{path}, Verbs: []string{"get"}}},
	}, binding)
	return binding
}

func TestWhoMayReadMetrics(t *testing.T) {
	address := serve(t, Options{Secure: true, Client: client(t, api.Config)})
	namespace := api.NewNamespace(t)
	may, mayNot := account(t, namespace, "may"), account(t, namespace, "may-not")
	allow(t, may)
	for name, tc := range map[string]struct {
		authorization string
		want          int
	}{
		"nothing":                   {"", http.StatusUnauthorized},
		"no token":                  {"Bearer ", http.StatusUnauthorized},
		"another scheme":            {"Basic YWRtaW46YWRtaW4=", http.StatusUnauthorized},
		"what is no token":          {"Bearer guessed", http.StatusUnauthorized},
		"a token nobody has given":  {"Bearer " + forged(t, map[string]any{"sub": "system:serviceaccount:monitoring:prometheus-k8s"}), http.StatusUnauthorized},
		"an account without rights": {bearer(t, mayNot), http.StatusForbidden},
	} {
		if got, text := get(t, "https://"+address+path, tc.authorization); got != tc.want || strings.Contains(text, "cloudinary_test_total") {
			t.Errorf("%s is answered %d, want %d:\n%s", name, got, tc.want, text)
		}
	}
	token := ""
	testenv.Eventually(t, soon, func() error { // the API server may take a moment to see its own rules
		token = bearer(t, may)
		got, text := get(t, "https://"+address+path, token)
		if got != http.StatusOK || !strings.Contains(text, "cloudinary_test_total 0") {
			return fmt.Errorf("an account with rights is answered %d:\n%s", got, text)
		}
		return nil
	})
	if got, _ := get(t, "https://"+address+path, strings.Replace(token, "Bearer", "bearer", 1)); got != http.StatusOK {
		t.Errorf("a scheme in small letters is answered %d: it is the same one", got)
	}
	if got, _ := get(t, "https://"+address+"/debug/pprof/", token); got != http.StatusNotFound {
		t.Errorf("another path is answered %d, want 404", got)
	}
}

func TestVerdictsAreRememberedForAWhile(t *testing.T) {
	var minutes atomic.Int64
	begin := time.Now()
	now := func() time.Time { return begin.Add(time.Duration(minutes.Load()) * time.Minute) }
	address := serve(t, Options{Secure: true, Client: client(t, api.Config), Now: now})
	a := account(t, api.NewNamespace(t), "scraper")
	binding := allow(t, a)
	token := ""
	testenv.Eventually(t, soon, func() error {
		token = bearer(t, a)
		if got, _ := get(t, "https://"+address+path, token); got != http.StatusOK {
			return fmt.Errorf("answered %d", got)
		}
		return nil
	})
	if err := api.Client.Delete(t.Context(), binding); err != nil {
		t.Fatal(err)
	}
	if got, _ := get(t, "https://"+address+path, token); got != http.StatusOK {
		t.Errorf("answered %d within a minute: the API server was asked again", got)
	}
	testenv.Eventually(t, soon, func() error {
		minutes.Add(1)
		if got, _ := get(t, "https://"+address+path, token); got != http.StatusForbidden {
			return fmt.Errorf("answered %d a minute after the right was taken away", got)
		}
		return nil
	})
}

func TestNobodySeesMetricsWhileTheAPIServerIsAway(t *testing.T) {
	config := rest.CopyConfig(api.Config)
	config.Host = "https://127.0.0.1:1"
	address := serve(t, Options{Secure: true, Client: client(t, config)})
	got, text := get(t, "https://"+address+path, "Bearer "+forged(t, nil))
	if got != http.StatusServiceUnavailable || strings.Contains(text, "127.0.0.1") {
		t.Errorf("answered %d %q, want 503 and nothing about where the API server is", got, text)
	}
}

func TestMetricsForAnybody(t *testing.T) {
	address := serve(t, Options{})
	if got, text := get(t, "http://"+address+path, ""); got != http.StatusOK || !strings.Contains(text, "cloudinary_test_total 0") {
		t.Errorf("answered %d:\n%s", got, text)
	}
}

func TestAddressThatIsTaken(t *testing.T) {
	address := serve(t, Options{})
	err := Serve(t.Context(), Options{Address: address, Registry: prometheus.NewRegistry()})
	if err == nil || !strings.Contains(err.Error(), "listen for metrics") {
		t.Errorf("error %v, want one that says what could not be listened for", err)
	}
}
