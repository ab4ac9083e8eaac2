// SPDX-License-Identifier: Apache-2.0

package receiverproof

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

var mutationsFlag = flag.String("proof.mutations", "", "break the receiver in the ways whose names this expression fits, and see that the proof finds each; .: in all of them")

// mutation is a way to break the receiver: a place in its source, and what stands there then. BROKEN is true there if it is this
// mutation's turn: all of them are built into one program.
type mutation struct {
	name     string
	within   int // so many histories it has to be found
	file     string
	old, new string
	also     [2]string // in the same file
}

// mutations are faults that somebody might make. The first four of the store were there once.
func mutations() []mutation {
	return []mutation{
		{
			name: "operations that their callers have given up stay in the inbox", within: 400, file: "internal/queue/writer.go",
			old: "		return ctx.Err(), s.inbox.withdraw(o)\n", new: "		if BROKEN {\n			return ctx.Err(), false\n		}\n		return ctx.Err(), s.inbox.withdraw(o)\n",
		},
		{
			name: "an engine that cannot write its files is no failure", within: 400, file: "internal/queue/health.go",
			old: "	if failed != nil {\n		s.fail(failed)", new: "	if failed != nil && !BROKEN {\n		s.fail(failed)",
		},
		{
			// Without the pause it takes a goroutine that is interrupted between two lines.
			name: "a duplicate is acknowledged after the store has failed", within: 400, file: "internal/queue/writer.go",
			old: "	if s.failure() != nil {\n		return false\n	}\n	if g.commit != 0 {", new: "	if s.failure() != nil && !BROKEN {\n		return false\n	}\n	if g.commit != 0 {",
			also: [2]string{"	alone, err := s.inbox.put(o)", "	if BROKEN {\n		time.Sleep(time.Millisecond)\n	}\n	alone, err := s.inbox.put(o)"},
		},
		{
			name: "the name of a file of the log is not synced", within: 1000, file: "internal/queue/wal/wal.go",
			old:  "	if err := files.SyncDir(o.FS, o.Dir); err != nil {\n		return nil, err\n	}\n	return l, l.trim()",
			new:  "	if err := files.SyncDir(o.FS, o.Dir); err != nil && !BROKEN {\n		return nil, err\n	}\n	return l, l.trim()",
			also: [2]string{"	if err := files.SyncDir(o.FS, o.Dir); err != nil && !", "	if BROKEN {\n		return l, l.trim()\n	}\n	if err := files.SyncDir(o.FS, o.Dir); err != nil && !"},
		},
		{
			name: "the log is not synced", within: 20, file: "internal/queue/wal/wal.go",
			old: "	if err := s.file.SyncData(); err != nil {", new: "	sync := s.file.SyncData\n	if BROKEN {\n		sync = func() error { return nil }\n	}\n	if err := sync(); err != nil {",
		},
		{
			name: "the log is synced after the answer", within: 100, file: "internal/queue/wal/wal.go",
			old: "	if err := sync(); err != nil {", new: "	if BROKEN {\n		go func() { _ = s.file.SyncData() }()\n		sync = func() error { return nil }\n	}\n	if err := sync(); err != nil {",
		},
		{
			name: "what could not be synced is acknowledged", within: 100, file: "internal/queue/writer.go",
			old: "			s.fail(fmt.Errorf(\"write: %w\", err))\n			return false\n		}\n		g.took",
			new: "			if !BROKEN {\n				s.fail(fmt.Errorf(\"write: %w\", err))\n				return false\n			}\n		}\n		g.took",
		},
		{
			name: "the order key is released when an attempt fails", within: 100, file: "webhookreceiver/delivery/lane.go",
			old: "	l.land(f)\n	if why.message == l.lastFailure {", new: "	l.land(f)\n	if BROKEN {\n		l.release(f.order)\n	}\n	if why.message == l.lastFailure {",
		},
		{
			name: "a deduplication key is forgotten before it expires", within: 100, file: "webhookreceiver/handler.go",
			old: "KeyExpires: now.Add(endpoint.MaxAge + keyGrace),", new: "KeyExpires: now.Add(map[bool]time.Duration{false: endpoint.MaxAge + keyGrace, true: endpoint.MaxAge / 4}[BROKEN]),",
		},
		{
			name: "an outcome is noted before the target has answered", within: 100, file: "webhookreceiver/delivery/pump.go",
			old: "		r = d.send(p, &Delivery{",
			new: "		if BROKEN {\n			_ = d.o.Queue.Finish(d.attemptIn, queue.Outcome{ID: f.id, Target: t.target, Kind: queue.Delivered})\n		}\n		r = d.send(p, &Delivery{",
		},
		{
			name: "an ID is given out again after a restart", within: 100, file: "internal/queue/load.go",
			old: "	s.ledger.nextID = max(link.nextID, l.last+1, 1)\n", new: "	s.ledger.nextID = max(link.nextID, l.last+1, 1)\n	if BROKEN {\n		s.ledger.nextID = max(s.ledger.nextID-1, 1)\n	}\n",
		},
		{
			name: "the place of a request is not given back", within: 20, file: "webhookreceiver/intake.go",
			old: "	i.requests--\n", new: "	if !BROKEN {\n		i.requests--\n	}\n",
		},
		{
			name: "the budget of an attempt is not given back", within: 20, file: "webhookreceiver/delivery/pump.go",
			old: "	d.pools[f.charged].giveBack(t, int64(f.size))\n", new: "	if !BROKEN {\n		d.pools[f.charged].giveBack(t, int64(f.size))\n	}\n",
		},
		{
			name: "a change of an object is not followed", within: 100, file: "internal/kube/informer.go",
			old: "UpdateFunc: func(any, any) { changed() }", new: "UpdateFunc: func(any, any) {\n			if !BROKEN {\n				changed()\n			}\n		}",
		},
		{
			name: "what a target refuses is dropped", within: 100, file: "internal/queue/finish.go",
			old: "case pending && out.Kind == Dead:", new: "case pending && out.Kind == Dead && !BROKEN:",
		},
		{
			name: "what is redriven is not announced", within: 200, file: "internal/queue/letters.go",
			old: "		g.items = append(g.items, e.item(d.target))\n", new: "		if !BROKEN {\n			g.items = append(g.items, e.item(d.target))\n		}\n",
		},
		{
			name: "the age of a signature does not count", within: 100, file: "internal/notification/signature.go",
			old: "case age >= p.maxAge:", new: "case age >= p.maxAge && !BROKEN:",
		},
		{
			name: "a maxAge that is raised has what was forgotten count again", within: 1000, file: "webhookreceiver/handler.go",
			old: "case endpoint.Forgotten(verified.Timestamp, now):", new: "case endpoint.Forgotten(verified.Timestamp, now) && !BROKEN:",
		},
		{
			name: "the routes of the last run are not served", within: 200, file: "webhookreceiver/watch/watch.go",
			old: "	if configs == nil {\n		return", new: "	if configs == nil || BROKEN {\n		return",
		},
		{
			name: "what waits for a target that was taken out is discarded at once", within: 400, file: "webhookreceiver/delivery/track.go",
			old: "floor: t.missingSince + int64(removedAfter), kind", new: "floor: t.missingSince + map[bool]int64{false: int64(removedAfter)}[BROKEN], kind",
		},
		{
			name: "an Event that the API server did not take is not tried again", within: 100, file: "webhookreceiver/events/send.go",
			old: "		r.Verdict, r.Message = delivery.Failed, o.Err.Error()\n", new: "		r.Verdict, r.Message = delivery.Failed, o.Err.Error()\n		if BROKEN {\n			r.Verdict = delivery.Delivered\n		}\n",
		},
		{
			name: "a clock that is set ahead has keys forgotten", within: 200, file: "internal/queue/store.go",
			old: "	return min(now.Unix(), s.opened", new: "	if BROKEN {\n		return now.Unix()\n	}\n	return min(now.Unix(), s.opened",
		},
	}
}

// brokenVariable says which mutation's turn it is, by its number.
const brokenVariable = "RECEIVERPROOF_BROKEN"

// TestTheProofFindsWhatIsWrong breaks the receiver, one way at a time, and has the proof find that. The sources are left as they are.
func TestTheProofFindsWhatIsWrong(t *testing.T) {
	if *mutationsFlag == "" {
		t.Skip("it builds the receiver anew, and plays many histories: make proof-receiver-mutations")
	}
	wanted := regexp.MustCompile(*mutationsFlag)
	found := regexp.MustCompile(`found after (\d+) histories: (.*)`)
	begun := time.Now()
	binary := buildBroken(t)
	t.Logf("built in %s", time.Since(begun).Round(time.Second))
	for i, m := range mutations() {
		if !wanted.MatchString(m.name) {
			continue
		}
		t.Run(strings.ReplaceAll(m.name, " ", "_"), func(t *testing.T) {
			begun := time.Now()
			run := exec.CommandContext(t.Context(), binary, "-test.run=^TestFindsSomething$", "-test.v", "-proof.runs="+strconv.Itoa(m.within), "-proof.seed=1")
			run.Env = append(os.Environ(), brokenVariable+"="+strconv.Itoa(i))
			run.Dir = t.TempDir()
			out, err := run.CombinedOutput()
			at := found.FindSubmatch(out)
			if at == nil {
				t.Fatalf("%d histories have found nothing wrong (%v): %s", m.within, err, out[max(0, len(out)-2000):])
			}
			t.Logf("found after %s histories, in %s: %s", at[1], time.Since(begun).Round(time.Second), at[2])
		})
	}
}

// buildBroken builds this package's tests with a receiver that can be broken in each of the ways.
func buildBroken(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	sources := map[string]string{}
	for i, m := range mutations() {
		path := filepath.Join(root, filepath.FromSlash(m.file))
		if sources[path] == "" {
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			sources[path] = strings.Replace(string(raw), "import (\n", "import (\n	brokenos \"os\"\n", 1)
		}
		for _, edit := range [][2]string{{m.old, m.new}, m.also} {
			if edit[0] == "" {
				continue
			}
			if n := strings.Count(sources[path], edit[0]); n != 1 {
				t.Fatalf("%s has %d times, and not once, what %q changes: %q", m.file, n, m.name, edit[0])
			}
			sources[path] = strings.Replace(sources[path], edit[0], strings.ReplaceAll(edit[1], "BROKEN", fmt.Sprint("broken", i)), 1)
		}
		sources[path] += fmt.Sprintf("\nvar broken%d = brokenos.Getenv(%q) == \"%d\"\n", i, brokenVariable, i)
	}
	dir := t.TempDir()
	replace := map[string]string{}
	for path, source := range sources {
		replace[path] = filepath.Join(dir, fmt.Sprintf("%d.go", len(replace)))
		if err := os.WriteFile(replace[path], []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	overlay, binary := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "proof.test")
	if err := os.WriteFile(overlay, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-vet=off", "-overlay", overlay, "-o", binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("it does not build: %v\n%s", err, out)
	}
	return binary
}

// TestFindsSomething plays histories until one fails, and says so. It is for a receiver that is broken.
func TestFindsSomething(t *testing.T) {
	if *seedFlag == 0 {
		t.Skip("for a receiver that is broken on purpose")
	}
	sum := simulate(t, *seedFlag, *runsFlag, 1, 1)
	if len(sum.failures) > 0 {
		t.Logf("found after %d histories: %.300s", sum.runs, sum.failures[0].failures[0])
	}
}
