// SPDX-License-Identifier: Apache-2.0

package test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/yaml"

	"github.com/cloudinary-operator/cloudinary-operator/internal/httpserver"
	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver"
)

// deployed is how much memory the manifests give to the container of a program, and what its environment says.
type deployed struct {
	memory int64
	env    map[string]string
}

func deployedAs(t *testing.T, manifest string) deployed {
	t.Helper()
	raw, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	var d appsv1.Deployment
	if err := yaml.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	container := d.Spec.Template.Spec.Containers[0]
	found := deployed{memory: container.Resources.Limits.Memory().Value(), env: map[string]string{}}
	for _, e := range container.Env {
		if e.Value != "" {
			found.env[e.Name] = e.Value
		}
	}
	if found.memory == 0 || found.env["GOMEMLIMIT"] == "" {
		t.Fatalf("%s has no limit of memory, or no GOMEMLIMIT", manifest)
	}
	return found
}

// flooded is a receiver with the memory of its container, which takes notifications while it is flooded.
type flooded struct {
	*receiverSetting
	process *receiverProcess
	memory  *testenv.Confined
	sent    struct {
		sync.Mutex
		connections, bytes int
		open               [2 * webhookreceiver.DefaultMaxConnections]net.Conn // the last ones
	}
}

func newFlooded(t *testing.T, flags ...string) *flooded {
	t.Helper()
	as := deployedAs(t, "../config/receiver/deployment.yaml")
	f := &flooded{receiverSetting: newReceiverSetting(t, flags...)}
	f.keys(theKey())
	f.endpoint("media")
	for name, value := range as.env {
		t.Setenv(name, value) // the program has the test's environment
	}
	f.process = f.start()
	f.memory = testenv.Confine(t, f.process.Process.Pid, as.memory)
	t.Cleanup(f.hangUp)
	f.ready(f.process)
	f.served("media")
	f.client.CloseIdleConnections()
	return f
}

// flood runs what strangers do until each has done it, while genuine notifications come in, each on a connection of its own.
func (f *flooded) flood(strangers ...func(f *flooded)) {
	f.Helper()
	before, cpu, begin := f.memory.Resident(), f.process.cpu(), time.Now()
	until := make(chan struct{})
	var genuine sync.WaitGroup
	var slowest time.Duration
	taken := 0
	genuine.Go(func() { taken, slowest = f.genuine(until) })
	var flood sync.WaitGroup
	for _, stranger := range strangers {
		flood.Go(func() { stranger(f) })
	}
	flood.Wait()
	close(until)
	genuine.Wait()
	peak, took := f.memory.Check(f.T), time.Since(begin)
	f.Logf("%d connections and %d KiB in %s; %d notifications taken meanwhile, the slowest in %s; memory %d MiB before, %d MiB at most; %.2f cores",
		f.sent.connections, f.sent.bytes>>10, took.Round(time.Millisecond), taken, slowest.Round(time.Millisecond), before>>20, peak>>20,
		float64(f.process.cpu()-cpu)/float64(took))
	if code := f.probe(f.probes, "/healthz"); code != http.StatusOK {
		f.Errorf("/healthz answers %d after the flood", code)
	}
	f.send("media", upload("after", 1))
}

// cpu is how long the process has worked so far.
func (p *receiverProcess) cpu() time.Duration {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Process.Pid))
	if err != nil {
		return 0 // it has ended, which is told elsewhere
	}
	_, rest, _ := strings.Cut(string(raw), ") ")
	fields := strings.Fields(rest)
	const user, system, tick = 11, 12, 10 * time.Millisecond // of the fields behind the name
	var ticks int64
	for _, field := range []string{fields[user], fields[system]} {
		n, err := strconv.ParseInt(field, 10, 64)
		p.s.must(err)
		ticks += n
	}
	return time.Duration(ticks) * tick
}

// genuine sends notifications as Cloudinary does that has no connection yet.
func (f *flooded) genuine(until <-chan struct{}) (taken int, slowest time.Duration) {
	pace := time.NewTicker(100 * time.Millisecond)
	defer pace.Stop()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: maxAnswerTime}
	for seq := 1; ; seq++ {
		begin := time.Now()
		a, err := postWith(client, f.receiverSetting, f.url("media"), upload("genuine", seq))
		if err != nil || a.status != http.StatusOK {
			f.Errorf("genuine notification %d was answered %v after %s, %v", seq, a, time.Since(begin), err)
		}
		taken++
		slowest = max(slowest, time.Since(begin))
		select {
		case <-until:
			return taken, slowest
		case <-pace.C:
		}
	}
}

// connect is a stranger who sends something, for as long as the receiver takes it.
func (f *flooded) connect(text string) {
	c, err := (&net.Dialer{Timeout: soon}).DialContext(f.Context(), "tcp", f.address)
	if err != nil {
		f.Errorf("a stranger is not let in: %v", err)
		return
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	n, _ := io.WriteString(c, text) // it may be closed meanwhile
	f.sent.Lock()
	defer f.sent.Unlock()
	place := &f.sent.open[f.sent.connections%len(f.sent.open)]
	if *place != nil {
		_ = (*place).Close()
	}
	*place = c
	f.sent.connections++
	f.sent.bytes += n
}

func (f *flooded) hangUp() {
	f.sent.Lock()
	defer f.sent.Unlock()
	for _, c := range f.sent.open {
		if c != nil {
			_ = c.Close()
		}
	}
}

// floodTime is how long a flood goes on: longer than a stranger's header may take, and a body's start.
const floodTime = 6 * time.Second

// onAndOn has n strangers do the same, one after the other, whether the receiver has done with those before or not.
func onAndOn(n int, one func(f *flooded, i int)) func(f *flooded) {
	return func(f *flooded) {
		var all sync.WaitGroup
		defer all.Wait()
		pace := time.NewTicker(floodTime / time.Duration(n))
		defer pace.Stop()
		for i := range n {
			all.Go(func() { one(f, i) })
			select {
			case <-f.Context().Done():
				return
			case <-pace.C:
			}
		}
	}
}

// short are names of header lines: each is three letters long, and there are many.
func short(lines int) string {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	var b strings.Builder
	for i := range lines {
		fmt.Fprintf(&b, "%c%c%c:\r\n", letters[i%26], letters[i/26%36], letters[i/26/36%36])
	}
	return b.String()
}

// padded is a header's beginning that is as large as may be, and has as many lines.
func padded(begin string, lines int) string {
	const name = "x: "
	text := begin + short(lines-strings.Count(begin, "\n")) // the padding's line is one, the request's own is none
	return text + name + strings.Repeat("x", httpserver.DefaultMaxHeaderBytes-len(text)-len(name)-len("\r\n\r\n"))
}

// plausible are headers with which a body is read: their form is right, and that is all.
func plausible(length int) string {
	return fmt.Sprintf("X-Cld-Timestamp: %d\r\nX-Cld-Signature: %040x\r\nContent-Length: %d\r\n", time.Now().Unix(), 1, length)
}

// many are twice as many connections as there may be at once, and as many more. some are a kind's part of them, where there are eight kinds: who
// floods, and who sends what is genuine, share the test's CPUs with the receiver.
const (
	many = 3 * webhookreceiver.DefaultMaxConnections
	some = many / 8
)

func unfinishedHeaders(f *flooded, _ int) {
	f.connect(padded("POST /nowhere HTTP/1.1\r\nHost: a\r\n", httpserver.DefaultMaxHeaderLines))
}

func largeHeadersAndNoBody(f *flooded, _ int) {
	f.connect(padded(f.postHead(plausible(9)), httpserver.DefaultMaxHeaderLines) + "\r\n\r\n")
}

func slowBodies(f *flooded, _ int) { f.connect(f.postHead(plausible(9)) + "\r\n{") }

func slowLargeBodies(f *flooded, _ int) {
	f.connect(f.postHead(plausible(3<<20)) + "\r\n" + strings.Repeat("x", 40<<10))
}

func idle(f *flooded, _ int) { f.connect("") }

func refusedAndIdle(f *flooded, _ int) { f.connect("GET / HTTP/1.1\r\nHost: x\r\n\r\n") }

func headersBeyondTheLimits(f *flooded, i int) {
	text := "POST /nowhere HTTP/1.1\r\nHost: a\r\n" + short(3200) // 19 KiB, of which net/http makes 14 times as much
	if i%2 == 1 {
		text = "POST /nowhere HTTP/1.1\r\nHost: a\r\nx: " + strings.Repeat("x", httpserver.DefaultMaxHeaderBytes)
	}
	f.connect(text)
}

func wronglySigned(f *flooded, _ int) {
	f.connect(f.postHead(plausible(3<<20)) + "\r\n" + strings.Repeat("x", 3<<20))
}

// pipelined sends what is read along with a body.
func pipelined(f *flooded, _ int) {
	f.connect(f.postHead(plausible(2)) + "\r\n{}" + short(800))
}

func trailers(f *flooded, _ int) {
	head := strings.Replace(f.postHead(plausible(0)), "Content-Length: 0", "Transfer-Encoding: chunked", 1)
	f.connect(head + "\r\n2\r\n{}\r\n0\r\n" + short(600))
}

func TestFloodsKillNothingAndKeepNobodyWaiting(t *testing.T) {
	for name, flood := range map[string][]func(*flooded){
		"headers that do not end, at the limits":      {onAndOn(many, unfinishedHeaders)},
		"headers beyond the limits":                   {onAndOn(many, headersBeyondTheLimits)},
		"headers at the limits whose bodies are slow": {onAndOn(many, largeHeadersAndNoBody)},
		"slow bodies":                            {onAndOn(many, slowBodies)},
		"slow bodies that are large":             {onAndOn(many, slowLargeBodies)},
		"connections that bring nothing":         {onAndOn(many, idle)},
		"connections that were refused":          {onAndOn(many, refusedAndIdle)},
		"large bodies that are wrongly signed":   {onAndOn(60, wronglySigned)},
		"requests behind requests, and trailers": {onAndOn(many, pipelined), onAndOn(many, trailers)},
		"all at once": {
			onAndOn(some, unfinishedHeaders), onAndOn(some, headersBeyondTheLimits), onAndOn(some, largeHeadersAndNoBody),
			onAndOn(some, slowBodies), onAndOn(some, slowLargeBodies), onAndOn(some, idle), onAndOn(20, wronglySigned),
			onAndOn(some, pipelined), onAndOn(some, trailers),
		},
	} {
		t.Run(name, func(t *testing.T) { newFlooded(t).flood(flood...) })
	}
}

func TestFlagsThatDoNotFitTheMemoryAreRefusedAtTheStart(t *testing.T) {
	t.Setenv("GOMEMLIMIT", deployedAs(t, "../config/receiver/deployment.yaml").env["GOMEMLIMIT"])
	s := newReceiverSetting(t)
	p := s.start("--store-max-notifications=4000000")
	select {
	case <-p.ended:
	case <-time.After(soon):
		t.Fatal("it runs")
	}
	for _, want := range []string{"--store-max-notifications is 4000000", "(GOMEMLIMIT)", "Set --store-max-notifications to "} {
		if !strings.Contains(p.log.String(), want) {
			t.Errorf("the log does not say %q", want)
		}
	}
	if p.err == nil {
		t.Error("it ended well")
	}
	if _, err := os.Stat(s.store); err == nil {
		t.Error("the store was opened")
	}
}
