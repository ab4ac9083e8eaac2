// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const theScript, thePicture = "../demo.sh", "../../../docs/images/demo.svg"

// The picture in the README tells what the demo tells.
func TestRecordingIsOfTheStory(t *testing.T) {
	scenes, err := scenesOf(theScript)
	if err != nil {
		t.Fatal(err)
	}
	picture, err := os.ReadFile(thePicture)
	if err != nil {
		t.Fatal(err)
	}
	if err := check(picture, scenes); err != nil {
		t.Errorf("docs/images/demo.svg is not of hack/demo/demo.sh any more: make demo-recording writes it anew\n%v", err)
	}
}

const script = `
first() {
  scene 'One <thing>' \
    'Why it matters & more.'
  show 'ls'
}
second() {
  scene 'Another' \
    'Why that does.'
}
`

const printed = `
1/2 One <thing>
Why it
matters & more.

$ ls \
    -l
total 0
(3 more lines in .local/demo.txt)

2/2 Another
Why that does.

What you saw, after 3 s
  ok  One <thing>
  ok  Another
`

func TestRun(t *testing.T) {
	for name, c := range map[string]struct{ script, printed, wrong string }{
		"the story":          {script, printed, ""},
		"another title":      {script, strings.Replace(printed, "2/2 Another", "2/2 Others", 1), `does not begin with "2/2 Another`},
		"another sentence":   {strings.Replace(script, "Why that", "What that", 1), printed, `does not begin with "2/2 Another What`},
		"a scene is missing": {script, strings.Replace(printed, "2/2 Another\n", "", 1), "has 2 frames"},
		"not in the end":     {script, strings.Replace(printed, "  ok  Another\n", "", 1), `does not name "Another"`},
		"a failed demo":      {script, "", "has 0 frames"},
		"another quoting":    {strings.Replace(script, "'Another'", `"Another"`, 1), printed, "1 of its 2 scenes"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			from, to := filepath.Join(dir, "demo.sh"), filepath.Join(dir, "demo.svg")
			if err := os.WriteFile(from, []byte(c.script), 0o600); err != nil {
				t.Fatal(err)
			}
			err := run(strings.NewReader(c.printed), from, to)
			if c.wrong == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.wrong) {
				t.Errorf("got %v, want an error with %q", err, c.wrong)
			}
			if _, err := os.Stat(to); err == nil {
				t.Error("it wrote a picture of another story")
			}
		})
	}
}

func TestLinesAreToldApart(t *testing.T) {
	picture := string(draw(framesOf(printed), nil))
	for _, want := range []string{
		`class="title" x="16" y="64" xml:space="preserve">1/2 One &lt;thing&gt;<`,
		`class="why" x="16" y="102" xml:space="preserve">matters &amp; more.<`,
		`class="command" x="16" y="140" xml:space="preserve">$ ls \<`,
		`class="command" x="16" y="159" xml:space="preserve">    -l<`,
		`class="" x="16" y="178" xml:space="preserve">total 0<`,
		`class="more" x="16" y="197" xml:space="preserve">(3 more lines in .local/demo.txt)<`,
	} {
		if !strings.Contains(picture, want) {
			t.Errorf("the picture lacks %s:\n%s", want, picture)
		}
	}
}
