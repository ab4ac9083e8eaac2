// SPDX-License-Identifier: Apache-2.0

package test

import (
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
)

func (s *receiverSetting) account(name string) *corev1.ServiceAccount {
	s.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: s.namespace}}
	s.must(cluster.Client.Create(s.Context(), account))
	return account
}

// token is another one each time.
func (s *receiverSetting) token(of *corev1.ServiceAccount) string {
	s.Helper()
	request := &authenticationv1.TokenRequest{}
	s.must(cluster.Client.SubResource("token").Create(s.Context(), of, request))
	return request.Status.Token
}

// mayReadMetrics grants what config/receiver/rbac does.
func (s *receiverSetting) mayReadMetrics(account string) {
	s.Helper()
	name := s.namespace + "-" + account
	s.must(cluster.Client.Create(s.Context(), &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: []rbacv1.PolicyRule{{NonResourceURLs: []string{"/metrics"}, Verbs: []string{"get"}}},
	}))
	s.must(cluster.Client.Create(s.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: account, Namespace: s.namespace}},
	}))
}

func TestMetricsAreForThoseWhoMayReadThem(t *testing.T) {
	t.Parallel()
	s := newReceiverSetting(t)
	s.flags = []string{"--metrics-bind-address=" + s.metrics}
	s.keys(theKey())
	s.endpoint("media")
	s.startReady("media")
	s.send("media", upload("asset", 1))
	may, mayNot := s.account("may"), s.account("may-not")
	s.mayReadMetrics("may")
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(transport.CloseIdleConnections)
	scrape := func(token string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+s.metrics+"/metrics", http.NoBody)
		s.must(err)
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		res, err := (&http.Client{Transport: transport, Timeout: soon}).Do(req)
		s.must(err)
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		s.must(err)
		return res.StatusCode, string(text)
	}
	for name, tc := range map[string]struct {
		token string
		want  int
	}{
		"no token":            {"", http.StatusUnauthorized},
		"a token of nobody's": {"guessed", http.StatusUnauthorized},
		"one without rights":  {s.token(mayNot), http.StatusForbidden},
	} {
		if got, text := scrape(tc.token); got != tc.want || strings.Contains(text, "cloudinary_receiver") {
			t.Errorf("%s: answered %d, want %d\n%s", name, got, tc.want, text)
		}
	}
	// The API server may take a moment to see its own rules, and the receiver remembers what was said of a token.
	testenv.Eventually(t, soon, func() error {
		if got, text := scrape(s.token(may)); got != http.StatusOK || !strings.Contains(text, "cloudinary_receiver_") {
			return errNot("one with rights is answered %d, %.100s", got, text)
		}
		return nil
	})
}
