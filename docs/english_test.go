// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// maxWords is how many words a sentence may have.
const maxWords = 40

// riddles are phrases that readers have stumbled over, and what to write instead.
func riddles() map[string]string {
	return map[string]string{
		`to be had`:                         `"available", or say where to get it`,
		`puts? up with`:                     `"tolerates"`,
		`(that|which|who) (is|are) none`:    `"not a …", "not an …"`,
		`takes? it that`:                    `"assumes that"`,
		`whoever`:                           `"anyone who"`,
		`whatever`:                          `"any", "regardless of", or name the thing`,
		`be it`:                             `"whether"`,
		`lest`:                              `"so that … not"`,
		`shall`:                             `"must", "should" or "will"`,
		`for who`:                           `"if you", "for anyone who"`,
		`but for`:                           `"except for"`,
		`save (for|where|that)`:             `"except"`,
		`stands? in (the|a|an|its|that|no)`: `"is in"`,
		`reckon(s|ed|ing)?`:                 `"calculate", "count"`,
	}
}

// relative finds a sentence that begins with a relative clause without a noun: "Who may not list Secrets …".
var relative = regexp.MustCompile(`^Who (?:is|are|may|has|have|can|cannot|does|sees|wants|creates|writes) [^?]*$`)

// Pages for readers. The changelog and decisions are records of their day, and the API reference is generated.
func readable(page string) bool {
	return page != "CHANGELOG.md" && page != generated && path.Dir(page) != "docs/adr"
}

func TestSentencesAreShort(t *testing.T) {
	t.Parallel()
	for page, text := range pages(t) {
		if !readable(page) {
			continue
		}
		for _, s := range sentences(text) {
			if n := len(strings.Fields(s.text)); n > maxWords {
				t.Errorf("%s:%d: %d words, and %d are the most: %s", page, s.line, n, maxWords, s.text)
			}
		}
	}
}

func TestNoRiddles(t *testing.T) {
	t.Parallel()
	for page, text := range pages(t) {
		if !readable(page) {
			continue
		}
		for _, problem := range riddlesIn(text) {
			t.Errorf("%s:%s", page, problem)
		}
	}
}

func TestRiddlesAreFound(t *testing.T) {
	t.Parallel()
	text := "# It\n\nHelp is to be had. `whoever` is code,\nand Whatever\nwraps is found.\n\n| a | key that is none |\n\n```\nwhatever\n```\n\nWho may not read. Who may read?\n"
	want := []string{
		`3: "to be had": write "available", or say where to get it`,
		`3: "Whatever": write "any", "regardless of", or name the thing`,
		`7: "that is none": write "not a …", "not an …"`,
		`13: "Who may not read.": begin with a noun: "Anyone who", "If you"`,
	}
	if diff := cmp.Diff(want, riddlesIn(text)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func riddlesIn(text string) []string {
	var problems []string
	for _, s := range sentences(text) {
		for _, phrase := range sortedKeys(riddles()) {
			if found := regexp.MustCompile(`(?i)\b(?:` + phrase + `)\b`).FindString(s.text); found != "" {
				problems = append(problems, fmt.Sprintf("%d: %q: write %s", s.line, found, riddles()[phrase]))
			}
		}
		if relative.MatchString(s.text) {
			problems = append(problems, fmt.Sprintf(`%d: %q: begin with a noun: "Anyone who", "If you"`, s.line, s.text))
		}
	}
	return problems
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// sentence is one of a page's prose, and the line where the paragraph, the item or the row begins.
type sentence struct {
	line int
	text string
}

var (
	fence  = regexp.MustCompile("^ *```")
	item   = regexp.MustCompile(`^ *(?:[-*] |[0-9]+\. |#{1,6} |> |<!--)`)
	code   = regexp.MustCompile("`[^`\n]*`")
	anchor = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	end    = regexp.MustCompile(`[.?!]["')*_]*(?: |$)`)
)

// sentences are those of a page's paragraphs, items and cells. Code is one word.
func sentences(text string) []sentence {
	var all []sentence
	var paragraph []string
	begins, inCode := 0, false
	flush := func() {
		all = append(all, split(begins, strings.Join(paragraph, " "))...)
		paragraph = nil
	}
	for i, line := range strings.Split(text, "\n") {
		switch {
		case fence.MatchString(line):
			flush()
			inCode = !inCode
		case inCode:
		case strings.HasPrefix(strings.TrimSpace(line), "|"):
			flush()
			for cell := range strings.SplitSeq(code.ReplaceAllString(line, "CODE"), "|") {
				all = append(all, split(i+1, cell)...)
			}
		case strings.TrimSpace(line) == "":
			flush()
		default:
			if item.MatchString(line) {
				flush()
			}
			if len(paragraph) == 0 {
				begins = i + 1
			}
			paragraph = append(paragraph, line)
		}
	}
	flush()
	return all
}

func split(line int, text string) []sentence {
	text = anchor.ReplaceAllString(code.ReplaceAllString(text, "CODE"), "$1")
	var all []sentence
	for {
		at := end.FindStringIndex(text)
		if at == nil {
			break
		}
		all = append(all, sentence{line, strings.TrimSpace(text[:at[1]])})
		text = text[at[1]:]
	}
	if strings.TrimSpace(text) != "" {
		all = append(all, sentence{line, strings.TrimSpace(text)})
	}
	return all
}
