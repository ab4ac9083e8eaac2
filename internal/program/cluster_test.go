// SPDX-License-Identifier: Apache-2.0

package program

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func written(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const kubeconfig = `{"apiVersion": "v1", "kind": "Config", "current-context": "a", "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
"users": [{"name": "a", "user": {}}], "clusters": [{"name": "a", "cluster": {"server": "https://api.example.com"}}]}`

func TestTheClusterIsFound(t *testing.T) {
	path := written(t, kubeconfig)
	for name, tc := range map[string]struct{ flag, variable string }{
		"by the flag":                  {flag: path},
		"by the variable":              {variable: path},
		"by the flag, if there is one": {flag: path, variable: "/nowhere"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("KUBECONFIG", tc.variable)
			got, err := Cluster{Kubeconfig: tc.flag, UserAgent: "program/v1", QPS: 3, Burst: 5}.Config()
			if err != nil {
				t.Fatal(err)
			}
			if got.Host != "https://api.example.com" || got.UserAgent != "program/v1" || got.QPS != 3 || got.Burst != 5 {
				t.Errorf("%s as %s, %g calls a second, %d at once", got.Host, got.UserAgent, got.QPS, got.Burst)
			}
		})
	}
	if _, err := (Cluster{Kubeconfig: "/nowhere/kubeconfig"}).Config(); err == nil || !strings.Contains(err.Error(), "find the cluster: ") {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestTheNamespaceOfThePod(t *testing.T) {
	if got := namespaceIn(written(t, "operator\n")); got != "operator" {
		t.Errorf("%q, want operator", got)
	}
	if got := namespaceIn("/nowhere/namespace"); got != "" {
		t.Errorf("outside a cluster it is %q", got)
	}
}
