// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"
)

func median[T cmp.Ordered](values []T) T {
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	return sorted[len(sorted)/2]
}

// report prints medians. A ratio is the median of the rounds' ratios to the bare handler at the same number of connections: a
// machine that is busy for a while slows all contenders of a round.
func report(out io.Writer, o *options, fsync time.Duration, results []result) error {
	fmt.Fprintf(out, "%s %s/%s, %d CPUs shared with the load; %d rounds of %s; bodies of %d bytes; 4 KiB on disk in %s\n\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), o.rounds, o.duration, o.bodyBytes, fsync.Round(10*time.Microsecond))
	fmt.Fprintln(out, "| connections | contender | requests/s | of bare | p50 | p99 | memory idle → at most, MiB |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|")
	for _, connections := range o.connections {
		base := turns(results, bare, connections)
		for _, name := range o.contenders {
			all := turns(results, name, connections)
			m, ratio := medians(all), "-"
			if len(base) == len(all) {
				ratio = fmt.Sprintf("%.2f", medianRatio(all, base))
			}
			if _, err := fmt.Fprintf(out, "| %d | %s | %.0f | %s | %s | %s | %.0f → %.0f |\n", connections, name, m.rate, ratio,
				m.p50.Round(10*time.Microsecond), m.p99.Round(10*time.Microsecond), m.idleRSS, m.topRSS); err != nil {
				return fmt.Errorf("print the table: %w", err)
			}
		}
	}
	return nil
}

// turns are a contender's at a number of connections, by round.
func turns(results []result, name string, connections int) []result {
	var of []result
	for _, r := range results {
		if r.contender == name && r.connections == connections {
			of = append(of, r)
		}
	}
	return of
}

func medianRatio(all, base []result) float64 {
	ratios := make([]float64, len(all))
	for i := range all {
		ratios[i] = all[i].rate / base[i].rate
	}
	return median(ratios)
}

// medians of a contender's turns; of the memory the most.
func medians(of []result) result {
	var rates, idle, top []float64
	var p50, p99 []time.Duration
	for _, r := range of {
		rates, p50, p99 = append(rates, r.rate), append(p50, r.p50), append(p99, r.p99)
		idle, top = append(idle, r.idleRSS), append(top, r.topRSS)
	}
	return result{rate: median(rates), p50: median(p50), p99: median(p99), idleRSS: slices.Max(idle), topRSS: slices.Max(top)}
}
