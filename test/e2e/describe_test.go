// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloudinary-operator/cloudinary-operator/test/described"
)

var update = flag.Bool("update", false, "write testdata/ anew")

// whileFailing are what differs, too, while deliveries fail: it depends on the moment.
func whileFailing() []described.Rule {
	return []described.Rule{
		{Name: "numbers of notifications and attempts", Pattern: `(?m)^( +(?:Attempts|Delivered|Discarded|Duplicates|Received|Retrying|Waiting): +)\d+$`, Replacement: "${1}<N>"},
		// What is dropped may be a new connection, or a request on one from before.
		{Name: "the packet that gets no answer", Pattern: `no (?:connection within 5s|answer within 15s)`, Replacement: "no <CONNECTION OR ANSWER>"},
		// What was cut off or restarted before may have left Events, too.
		{Name: "earlier turns", Pattern: `(?m)(?:^  (?:Normal  Delivered|Warning  TargetFailing)  .*\n)*^(  Warning  TargetFailing  .*)$(?:\n  Normal  Delivered  .*$)*`, Replacement: "${1}"},
	}
}

// numbersWithin is how old the numbers of a status may be: a minute, as docs/receiver.md has it, and the time to write them.
const numbersWithin = 90 * time.Second

// describes holds the real output of kubectl describe, of a trigger and of its endpoint, to files of testdata/.
func (c *cluster) describes(moment string, more []described.Rule) {
	c.Helper()
	if *update {
		time.Sleep(numbersWithin)
	}
	for kind, object := range map[string]string{"trigger": "cldt/uploads", "endpoint": "nep/media"} {
		c.describesAs(filepath.Join("testdata", "describe-"+kind+"-"+moment+".txt"), func() string {
			return described.Text(c.kubectl("describe", "-n", "shop", object), more...)
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
