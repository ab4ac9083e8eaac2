// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// vulnerabilities writes a database in the form of https://vuln.go.dev. It knows one vulnerability, of a function of a module.
func vulnerabilities(t *testing.T, module, function string) string {
	t.Helper()
	const id, modified = "GO-2000-0001", "2000-01-01T00:00:00Z"
	dir := t.TempDir()
	dot := strings.LastIndex(function, ".")
	pkg, name := function[:dot], function[dot+1:]
	for file, text := range map[string]string{
		"index/db.json":      fmt.Sprintf(`{"modified":%q}`, modified),
		"index/modules.json": fmt.Sprintf(`[{"path":%q,"vulns":[{"id":%q,"modified":%q}]}]`, module, id, modified),
		"index/vulns.json":   fmt.Sprintf(`[{"id":%q,"modified":%q}]`, id, modified),
		"ID/" + id + ".json": fmt.Sprintf(`{"schema_version":"1.3.1","id":%q,"modified":%q,"published":%q,"details":"Made up.","affected":[{"package":{"name":%q,"ecosystem":"Go"},
			"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}],"ecosystem_specific":{"imports":[{"path":%q,"symbols":[%q]}]}}]}`, id, modified, modified, module, pkg, name),
	} {
		put(t, filepath.Join(dir, filepath.FromSlash(file)), []byte(text), 0o600)
	}
	return (&url.URL{Scheme: "file", Path: dir}).String()
}

// The database of the internet changes every day, so that its findings are no test of the check itself.
func TestTheCheckForVulnerabilitiesFindsOne(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		database string
		fails    bool
		says     string
	}{
		"in a function that is called":     {vulnerabilities(t, "sigs.k8s.io/yaml", "sigs.k8s.io/yaml.Unmarshal"), true, "GO-2000-0001"},
		"in a function that nobody calls":  {vulnerabilities(t, "sigs.k8s.io/yaml", "sigs.k8s.io/yaml.YAMLToJSONStrict"), false, "No vulnerabilities found"},
		"in a module that nobody requires": {vulnerabilities(t, "example.com/other", "example.com/other.Do"), false, "No vulnerabilities found"},
		"without a database":               {"file:///there-is-none", true, "failed: hack/release"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check := exec.CommandContext(t.Context(), filepath.Join("..", "vulncheck.sh"), "hack/release")
			check.Env = append(os.Environ(), "VULNDB="+tc.database)
			out, err := check.CombinedOutput()
			if (err != nil) != tc.fails || !strings.Contains(string(out), tc.says) {
				t.Errorf("it ended with %v, and should say %q:\n%s", err, tc.says, out)
			}
		})
	}
}
