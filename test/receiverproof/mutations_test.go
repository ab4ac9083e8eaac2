// SPDX-License-Identifier: Apache-2.0

package receiverproof

import (
	"encoding/json"
	"flag"
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

// mutation is a way to break the receiver: a place in its source, and what stands there then.
type mutation struct {
	name     string
	file     string
	old, new string
	within   int // so many histories it has to be found
	also     [2]string
}

// mutations are faults that somebody might make. The first four were there once.
func mutations() []mutation {
	return []mutation{
		{
			"operations that their callers have given up stay in the inbox", "internal/queue/writer.go",
			"return ctx.Err(), s.inbox.withdraw(o)", "return ctx.Err(), false", 200, [2]string{},
		},
		{
			"an engine that cannot write its files is not a failure", "internal/queue/health.go",
			"	if failed != nil {\n		s.fail(failed)\n	}", "	_ = failed", 200, [2]string{},
		},
		{
			// Without the pause it takes a goroutine that is interrupted between two lines.
			"a duplicate is acknowledged after the store has failed", "internal/queue/writer.go",
			"	if s.failure() != nil {\n		return false\n	}\n	if g.commit != 0 {", "	if g.commit != 0 {", 200,
			[2]string{"	alone, err := s.inbox.put(o)", "	time.Sleep(time.Millisecond)\n	alone, err := s.inbox.put(o)"},
		},
		{
			"the name of a file of the log is not synced", "internal/queue/wal/wal.go",
			"	if err := files.SyncDir(o.FS, o.Dir); err != nil {\n		return nil, err\n	}\n	return l, l.trim()", "	return l, l.trim()", 500, [2]string{},
		},
		{
			"the log is not synced", "internal/queue/wal/wal.go",
			"if err := s.file.SyncData(); err != nil {", "if err := error(nil); err != nil {", 10, [2]string{},
		},
		{
			"the log is synced after the answer", "internal/queue/wal/wal.go",
			"	if err := s.file.SyncData(); err != nil {\n		return fmt.Errorf(\"sync %s: %w\", s.path, err)\n	}",
			"	go func() { _ = s.file.SyncData() }()", 100, [2]string{},
		},
		{
			"what could not be synced is acknowledged", "internal/queue/writer.go",
			"			s.fail(fmt.Errorf(\"write: %w\", err))\n			return false\n		}\n		g.took", "			s.paced.Error(err, \"write\")\n		}\n		g.took", 100, [2]string{},
		},
		{
			"the order key is released when an attempt fails", "webhookreceiver/delivery/lane.go",
			"	l.land(f)\n	if why.message == l.lastFailure {", "	l.land(f)\n	l.release(f.order)\n	if why.message == l.lastFailure {", 50, [2]string{},
		},
		{
			"a key is forgotten before it expires", "webhookreceiver/handler.go",
			"KeyExpires: now.Add(endpoint.MaxAge + keyGrace),", "KeyExpires: now.Add(endpoint.MaxAge / 2),", 50, [2]string{},
		},
		{
			"an outcome is noted before the target has answered", "webhookreceiver/delivery/pump.go",
			"		r = d.send(p, &Delivery{", "		_ = d.o.Queue.Finish(d.attemptIn, queue.Outcome{ID: f.id, Target: t.target, Kind: queue.Delivered})\n		r = d.send(p, &Delivery{", 50, [2]string{},
		},
		{
			"an ID is given out again after a restart", "internal/queue/load.go",
			"s.ledger.nextID = max(link.nextID, l.last+1, 1)", "s.ledger.nextID = max(min(link.nextID, l.last+1)-1, 1)", 50, [2]string{},
		},
		{
			"the place of a request is not given back", "webhookreceiver/intake.go",
			"	i.requests--\n", "", 50, [2]string{},
		},
		{
			"the budget of an attempt is not given back", "webhookreceiver/delivery/pump.go",
			"	d.pools[f.charged].giveBack(t, int64(f.size))\n", "", 50, [2]string{},
		},
		{
			"a change of an object is not followed", "internal/kube/informer.go",
			"UpdateFunc: func(any, any) { changed() }", "UpdateFunc: func(any, any) {}", 50, [2]string{},
		},
		{
			"what a target refuses is dropped", "internal/queue/finish.go",
			"case pending && out.Kind == Dead:", "case pending && out.Kind == Dead && false:", 50, [2]string{},
		},
		{
			"what is redriven is not announced", "internal/queue/letters.go",
			"		g.items = append(g.items, e.item(d.target))\n", "", 100, [2]string{},
		},
		{
			"the age of a signature does not count", "internal/notification/signature.go",
			"case age >= p.maxAge:", "case age >= 100*p.maxAge:", 50, [2]string{},
		},
		{
			"a maxAge that is raised has what was forgotten count again", "webhookreceiver/handler.go",
			"case endpoint.Forgotten(verified.Timestamp, now):", "case endpoint.Forgotten(verified.Timestamp, now) && false:", 500, [2]string{},
		},
		{
			"the routes of the last run are not served", "webhookreceiver/watch/watch.go",
			"	if configs == nil {\n		return\n	}", "	if configs != nil {\n		return\n	}", 200, [2]string{},
		},
		{
			"what waits for a target that was taken out is discarded at once", "webhookreceiver/delivery/track.go",
			"floor: t.missingSince + int64(removedAfter), kind", "floor: t.missingSince, kind", 200, [2]string{},
		},
		{
			"an Event that the API server did not take is not tried again", "webhookreceiver/events/send.go",
			"		r.Verdict, r.Message = delivery.Failed, o.Err.Error()", "		r.Message = o.Err.Error()", 100, [2]string{},
		},
	}
}

// TestTheProofFindsWhatIsWrong breaks the receiver, one way at a time, builds the proof anew and has it find that.
func TestTheProofFindsWhatIsWrong(t *testing.T) {
	if *mutationsFlag == "" {
		t.Skip("it builds the receiver once for each way to break it: make proof-receiver-mutations")
	}
	wanted := regexp.MustCompile(*mutationsFlag)
	found := regexp.MustCompile(`found after (\d+) histories: (.*)`)
	for _, m := range mutations() {
		if !wanted.MatchString(m.name) {
			continue
		}
		t.Run(strings.ReplaceAll(m.name, " ", "_"), func(t *testing.T) {
			begun := time.Now()
			binary := m.build(t)
			built := time.Since(begun)
			run := exec.CommandContext(t.Context(), binary, "-test.run=^TestFindsSomething$", "-test.v", "-proof.runs="+strconv.Itoa(m.within), "-proof.seed=1")
			run.Dir = t.TempDir()
			out, err := run.CombinedOutput()
			at := found.FindSubmatch(out)
			if at == nil {
				t.Fatalf("%d histories have found nothing wrong (%v): %s", m.within, err, tail(out))
			}
			t.Logf("found after %s histories, built in %s, found in %s: %s", at[1], built.Round(time.Second), (time.Since(begun) - built).Round(time.Second), at[2])
		})
	}
}

func tail(out []byte) []byte { return out[max(0, len(out)-2000):] }

// build builds this package's tests with the receiver broken. The sources are left as they are.
func (m *mutation) build(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, filepath.FromSlash(m.file))
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), m.old); n != 1 {
		t.Fatalf("%s has %d times, and not once, what this mutation changes: %q", m.file, n, m.old)
	}
	dir := t.TempDir()
	changed, overlay, binary := filepath.Join(dir, "changed.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "proof.test")
	raw, err := json.Marshal(map[string]map[string]string{"Replace": {path: changed}})
	if err != nil {
		t.Fatal(err)
	}
	broken := strings.Replace(string(source), m.old, m.new, 1)
	if m.also[0] != "" {
		broken = strings.Replace(broken, m.also[0], m.also[1], 1)
	}
	for name, content := range map[string][]byte{changed: []byte(broken), overlay: raw} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
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
