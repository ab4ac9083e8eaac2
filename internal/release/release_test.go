// SPDX-License-Identifier: Apache-2.0

package release

import (
	"bytes"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheCommitThatGoNotes(t *testing.T) {
	for name, tc := range map[string]struct {
		settings []debug.BuildSetting
		want     string
		why      string
	}{
		"a clean checkout":   {settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "false"}}, want: "abc"},
		"a changed checkout": {settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"}}, want: "abc-dirty", why: "the commit alone does not tell what runs"},
		"no checkout":        {settings: []debug.BuildSetting{{Key: "GOOS", Value: "linux"}}, want: "unknown"},
		"no commit yet":      {settings: []debug.BuildSetting{{Key: "vcs.modified", Value: "true"}}, want: "unknown", why: "a suffix of nothing tells nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := commitOf(tc.settings); got != tc.want {
				t.Errorf("%q, want %q: %s", got, tc.want, tc.why)
			}
		})
	}
}

func TestWhatTheBuildSetsIsTold(t *testing.T) {
	want := Info{Version: "v1.2.3", Commit: "abc", GoVersion: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if diff := cmp.Diff(want, Of("v1.2.3", "abc")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCommand(t *testing.T) {
	info := Info{Version: "v1.2.3", Commit: "abc", GoVersion: "go1.26.8", Platform: "linux/arm64"}
	for name, tc := range map[string]struct {
		args    []string
		want    string
		problem string
	}{
		"text by default": {want: "version   v1.2.3\ncommit    abc\ngo        go1.26.8\nplatform  linux/arm64\n"},
		"text":            {args: []string{"-o", "text"}, want: "version   v1.2.3\ncommit    abc\ngo        go1.26.8\nplatform  linux/arm64\n"},
		"json": {
			args: []string{"-o", "json"},
			want: "{\n  \"version\": \"v1.2.3\",\n  \"commit\": \"abc\",\n  \"goVersion\": \"go1.26.8\",\n  \"platform\": \"linux/arm64\"\n}\n",
		},
		"another format":  {args: []string{"-o=yaml"}, problem: `-o is "yaml", must be text or json`},
		"another flag":    {args: []string{"--short"}, problem: "-short"},
		"a word too much": {args: []string{"json"}, problem: `unexpected argument "json"`},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			err := Command(&out, info, tc.args)
			if (err != nil) != (tc.problem != "") || err != nil && !strings.Contains(err.Error(), tc.problem) {
				t.Fatalf("error %v, want one that says %q", err, tc.problem)
			}
			if diff := cmp.Diff(tc.want, out.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAVersionThatIsNotSetIsTheModules(t *testing.T) {
	for name, tc := range map[string]struct{ set, noted, want string }{
		"set by the build":                 {"v1.2.3", "v9.9.9", "v1.2.3"},
		"go install of a version":          {"dev", "v1.2.3", "v1.2.3"},
		"go install of no release":         {"dev", "v0.0.0-20260301120000-0123456789ab", "v0.0.0-20260301120000-0123456789ab"},
		"a build that Go knows nothing of": {"dev", "(devel)", "dev"},
		"a build without modules":          {"dev", "", "dev"},
	} {
		if got := versionOf(tc.set, tc.noted); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}
