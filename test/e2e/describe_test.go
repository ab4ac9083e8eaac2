// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write testdata/ anew")

// rule makes the same of what differs from run to run. None takes away a line, but repeated Events.
type rule struct {
	name, pattern, replacement string
}

func rules() []rule {
	return []rule{
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

// whileFailing are what differs, too, while deliveries fail: it depends on the moment.
func whileFailing() []rule {
	return []rule{
		{"numbers of notifications and attempts", `(?m)^( +(?:Attempts|Delivered|Discarded|Duplicates|Received|Retrying|Waiting): +)\d+$`, "${1}<N>"},
		// What is dropped may be a new connection, or a request on one from before.
		{"the packet that gets no answer", `no (?:connection within 5s|answer within 15s)`, "no <CONNECTION OR ANSWER>"},
		// What was cut off or restarted before may have left Events, too.
		{"earlier turns", `(?m)(?:^  (?:Normal  Delivered|Warning  TargetFailing)  .*\n)*^(  Warning  TargetFailing  .*)$(?:\n  Normal  Delivered  .*$)*`, "${1}"},
	}
}

func normalize(text string, more []rule) string {
	for _, r := range append(rules(), more...) {
		text = regexp.MustCompile(r.pattern).ReplaceAllString(text, r.replacement)
	}
	var lines []string
	for line := range strings.Lines(strings.TrimSpace(text) + "\n") {
		repeated := strings.Contains(line, "<AGE>") && len(lines) > 0 && lines[len(lines)-1] == line
		if !repeated {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// numbersWithin is how old the numbers of a status may be: a minute, as docs/receiver.md has it, and the time to write them.
const numbersWithin = 90 * time.Second

// describes holds the real output of kubectl describe, of a trigger and of its endpoint, to files of testdata/.
func (c *cluster) describes(moment string, more []rule) {
	c.Helper()
	if *update {
		time.Sleep(numbersWithin)
	}
	for kind, object := range map[string]string{"trigger": "cldt/uploads", "endpoint": "nep/media"} {
		c.describesAs(filepath.Join("testdata", "describe-"+kind+"-"+moment+".txt"), func() string {
			return normalize(c.kubectl("describe", "-n", "shop", object), more)
		})
	}
}

func (c *cluster) describesAs(file string, describe func() string) {
	c.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(describe()), 0o644); err != nil {
			c.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		c.Fatal(err)
	}
	c.within(numbersWithin, "kubectl describe is as in "+file, func() error {
		if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(describe(), "\n")); diff != "" {
			return errors.New("(-want +got)\n" + diff)
		}
		return nil
	})
}
