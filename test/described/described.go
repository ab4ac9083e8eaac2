// SPDX-License-Identifier: Apache-2.0

// Package described makes what kubectl describe prints of the same situation the same text, so that tests hold it to files: times, ids, addresses
// and ages differ from run to run.
package described

import (
	"regexp"
	"strings"
)

// Rule makes the same of what differs from run to run. None takes away a line, but repeated Events.
type Rule struct {
	Name, Pattern, Replacement string
}

func rules() []Rule {
	return []Rule{
		{"instants", `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`, "<TIME>"},
		{"uids", `[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}`, "<UID>"},
		{"what the operator remembers", `(?m)^( +Remembered: +)\S+$`, "${1}<LINE>"},
		{"the ids of triggers, and hashes", `\b[0-9a-f]{32}\b`, "<ID>"},
		{"the names of assets", `sample_[0-9a-f]{12}`, "sample_<ID>"},
		{"addresses", `\b\d+\.\d+\.\d+\.\d+\b`, "<IP>"},
		{"versions of the object", `(?m)^(  Resource Version: +)\d+$`, "${1}<N>"},
		{"ages of Events", `(?m)^(  (?:Normal|Warning) +\S+ +)\S+(?: \(x\d+ over \S+\))? +`, "${1}<AGE>  "},
		{"the widths of the Events' columns", `(?m)^(  (?:Type|----|Normal|Warning)) +(\S+) +(\S+) +(\S+) +`, "${1}  ${2}  ${3}  ${4}  "},
	}
}

// Text is what kubectl printed, by the rules that always count and by more.
func Text(printed string, more ...Rule) string {
	for _, r := range append(rules(), more...) {
		printed = regexp.MustCompile(r.Pattern).ReplaceAllString(printed, r.Replacement)
	}
	var lines []string
	for line := range strings.Lines(strings.TrimSpace(printed) + "\n") {
		repeated := strings.Contains(line, "<AGE>") && len(lines) > 0 && lines[len(lines)-1] == line
		if !repeated {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}
