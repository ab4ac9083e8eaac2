// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A badge is a claim like any other.
func TestBadgesAreTrue(t *testing.T) {
	t.Parallel()
	text := readme(t)
	for badge, source := range map[string]struct{ file, says string }{
		"badge/go-1.26%2B-":           {"../go.mod", "\ngo 1.26."},
		"badge/license-Apache--2.0-":  {"../LICENSE", "Apache License"},
		"badge/kubernetes-1.30%2B-":   {"../charts/cloudinary-operator/Chart.yaml", "kubeVersion: \">=1.30.0-0\""},
		"badge/status-alpha-":         {"../config/crd/bases/notifications.cloudinary.dev_cloudinarytriggers.yaml", "name: v1alpha1"},
		"actions/workflows/ci.yaml/b": {"../.github/workflows/ci.yaml", "name: ci\n"},
	} {
		content, err := os.ReadFile(source.file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(text, badge) || !strings.Contains(string(content), source.says) {
			t.Errorf("the badge %q of README.md does not go with %q in %s", badge, source.says, path.Base(source.file))
		}
	}
	if n := strings.Count(text, "[!["); n != 5 {
		t.Errorf("%d badges, of which 5 are checked", n)
	}
}

// What the README says of speed and size stands in the page that tells how it was measured.
func TestNumbersOfTheReadmeAreMeasured(t *testing.T) {
	t.Parallel()
	text := readme(t)
	benchmarks, err := os.ReadFile("benchmarks.md")
	if err != nil {
		t.Fatal(err)
	}
	for claim, measured := range map[string]string{
		"23,045 notifications a second":        `\| 64 \| durable \| 23045 \| [^|]* \| [^|]* \| 9\.8ms `,
		"p99 9.8 ms":                           `\| 64 \| durable \| 23045 \| [^|]* \| [^|]* \| 9\.8ms `,
		"0.80 of a bare handler's rate at 256": `\| 256 \| verify \| [0-9]+ \| 0\.80 `,
		"56 to 58 calls an hour":               `56 to 58, the same with 30 or 900 objects`,
		"receiver 31 MiB at rest":              `with 1,000 endpoints at rest \| 31 MiB`,
		"manager 67 to 72 MB":                  `67 to 72 MB at rest`,
		"0.2 % less beside":                    `at most 5 % \| 0\.2 %`,
	} {
		if !strings.Contains(text, claim) {
			t.Errorf("README.md does not say %q any more: take it out of this test", claim)
		}
		if !regexp.MustCompile(measured).Match(benchmarks) {
			t.Errorf("README.md says %q, and benchmarks.md has nothing like %s", claim, measured)
		}
	}
}

// The versions that are said to be run are those that CI builds.
func TestCompatibilityIsThatOfCI(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("compatibility.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(raw)
	kubernetes := found(t, "../hack/kubernetes/go.mod", `(?m)^\tk8s\.io/kubernetes v([0-9.]+)$`)[0]
	helm := found(t, "../hack/helm/go.mod", `(?m)^\thelm\.sh/helm/v4 v([0-9.]+)`)[0]
	minor := kubernetes[:strings.LastIndex(kubernetes, ".")]
	for _, want := range []string{"| " + minor + " (" + kubernetes + ") | **yes**", "| kubectl | " + kubernetes + ",", "| Helm | " + helm + ", in CI"} {
		if !strings.Contains(page, want) {
			t.Errorf("compatibility.md does not say %q", want)
		}
	}
}
