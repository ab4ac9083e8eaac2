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

// report prints medians, and ratios to the bare handler at the same number of connections.
func report(out io.Writer, o *options, fsync time.Duration, results []result) error {
	fmt.Fprintf(out, "%s %s/%s, %d CPUs shared with the load; %d rounds of %s; bodies of %d bytes; 4 KiB on disk in %s\n\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), o.rounds, o.duration, o.bodyBytes, fsync.Round(10*time.Microsecond))
	fmt.Fprintln(out, "| connections | contender | requests/s | of bare | p50 | p99 | memory idle → at most, MiB |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|")
	for _, connections := range o.connections {
		base := 0.0
		for _, name := range o.contenders {
			var rates, idle, top []float64
			var p50, p99 []time.Duration
			for _, r := range results {
				if r.contender == name && r.connections == connections {
					rates, p50, p99 = append(rates, r.rate), append(p50, r.p50), append(p99, r.p99)
					idle, top = append(idle, r.idleRSS), append(top, r.topRSS)
				}
			}
			ratio := "-"
			if name == bare {
				base = median(rates)
			}
			if base > 0 {
				ratio = fmt.Sprintf("%.2f", median(rates)/base)
			}
			if _, err := fmt.Fprintf(out, "| %d | %s | %.0f | %s | %s | %s | %.0f → %.0f |\n", connections, name, median(rates), ratio,
				median(p50).Round(10*time.Microsecond), median(p99).Round(10*time.Microsecond), median(idle), slices.Max(top)); err != nil {
				return fmt.Errorf("print the table: %w", err)
			}
		}
	}
	return nil
}
