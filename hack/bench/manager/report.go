// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
)

// report is what was measured.
type report struct {
	changes []changeRow
	starts  []startRow
	rests   []restRow
}

// changeRow is a change of manifests.
type changeRow struct {
	usage

	world          *world
	what           string
	applied, ready time.Duration
}

// startRow is a start of the manager with everything in sync.
type startRow struct {
	usage

	world              *world
	what               string
	readyz, list, pass time.Duration
	written            int
}

// restRow is a time in which nothing happened.
type restRow struct {
	usage

	world       *world
	window      time.Duration
	lists       []time.Time
	passes      int
	passSeconds float64
	written     int
}

// perHour projects the calls to an hour: lists by the time between them, all others by the window.
func (r restRow) perHour() string {
	n := len(r.lists)
	if n < 2 {
		return "(window too short)"
	}
	between := r.lists[n-1].Sub(r.lists[0]).Hours() / float64(n-1)
	return fmt.Sprintf("%.0f", 1/between+float64(r.calls.total()-r.calls.lists)/r.window.Hours())
}

type header struct {
	options    *options
	args       []string
	took       time.Duration
	loadBefore string
}

func (r report) print(out io.Writer, h header) {
	h.print(out)
	r.printChanges(out)
	r.printStarts(out)
	r.printRests(out)
}

func (h header) print(out io.Writer) {
	fmt.Fprintf(out, "- Command: `%s`, %.1f minutes.\n", strings.TrimSpace("go run ./hack/bench/manager "+strings.Join(h.args, " ")), h.took.Minutes())
	fmt.Fprintf(out, "- Machine: %d cores, %s memory, %s/%s, %s. Load average before %s, after %s.\n",
		runtime.NumCPU(), machineMemory(), runtime.GOOS, runtime.GOARCH, runtime.Version(), h.loadBefore, loadAverage())
	endpoints, types := h.options.endpoints, len(notification.EventTypes())
	fmt.Fprintf(out, "- Each world: %d endpoints with %d event types each, %d triggers.", endpoints, types, endpoints*types)
	for _, s := range shapes() {
		fmt.Fprintf(out, " %s: %d objects, Secrets (and API keys): %d.", s.name, endpoints*s.objectsPerEndpoint, s.secrets)
	}
	fmt.Fprintln(out)
}

func (r report) printChanges(out io.Writer) {
	table(out, "Changes of manifests",
		"Change", "World", "Applied in (s)", "All Ready after (s)", "LIST", "Creates", "Updates", "Deletes", "Refused",
		"Writes a trigger", "Patches at the API server", "Events", "Peak memory (MB)", "CPU (s)")
	for _, c := range r.changes {
		line(out, c.what, c.world.name, seconds(c.applied), seconds(c.ready),
			c.calls.lists, c.calls.creates, c.calls.updates, c.calls.deletes, c.calls.failed,
			fmt.Sprintf("%.2f", float64(c.calls.writes())/float64(c.world.triggers)), c.patches, c.events, megabytes(c.peak), decimal(c.cpu))
	}
}

func (r report) printStarts(out io.Writer) {
	if len(r.starts) == 0 {
		return
	}
	table(out, "Start of the manager with everything in sync",
		"Manager was", "World", "/readyz after (s)", "First LIST after (s)", "Complete pass, all observed in sync, after (s)", "LIST", "Writes to Cloudinary",
		"Objects written at the API server", "Peak memory (MB)", "CPU (s)")
	for _, s := range r.starts {
		line(out, s.what, s.world.name, seconds(s.readyz), seconds(s.list), seconds(s.pass), s.calls.lists, s.calls.writes(),
			s.written, megabytes(s.peak), decimal(s.cpu))
	}
}

func (r report) printRests(out io.Writer) {
	if len(r.rests) == 0 {
		return
	}
	table(out, "At rest",
		"World", "Window (s)", "Calls in it", "of these writes", "Calls an hour, projected", "Passes", "Mean pass (ms)",
		"Objects written at the API server", "Peak memory (MB)", "CPU (s)")
	for _, s := range r.rests {
		line(out, s.world.name, fmt.Sprintf("%.0f", s.window.Seconds()), s.calls.total(), s.calls.writes(), s.perHour(),
			s.passes, fmt.Sprintf("%.0f", 1000*s.passSeconds/float64(max(s.passes, 1))), s.written, megabytes(s.peak), decimal(s.cpu))
	}
}

func table(out io.Writer, title string, columns ...string) {
	fmt.Fprintf(out, "\n**%s**\n\n| %s |\n|%s\n", title, strings.Join(columns, " | "), strings.Repeat(" --- |", len(columns)))
}

func line(out io.Writer, cells ...any) {
	for _, cell := range cells {
		fmt.Fprintf(out, "| %v ", cell)
	}
	fmt.Fprintln(out, "|")
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()) }

func decimal(f float64) string { return fmt.Sprintf("%.1f", f) }

func megabytes(bytes int64) string { return fmt.Sprintf("%.0f", float64(bytes)/1e6) }

func machineMemory() string {
	bytes, err := memoryField("/proc/meminfo", "MemTotal")
	if err != nil {
		return "unknown"
	}
	return fmt.Sprintf("%.0f GB", float64(bytes)/1e9)
}

func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	minute, _, _ := strings.Cut(string(text), " ")
	return minute
}
