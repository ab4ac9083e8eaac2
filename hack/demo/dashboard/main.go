// SPDX-License-Identifier: Apache-2.0

// Command dashboard draws the first row of the Grafana dashboard from a Prometheus: it asks each query of each panel, as Grafana would, and
// writes an SVG that needs no script. It is no Grafana, and the picture says so. It also asks the queries of all other panels, and ends with
// an error where one of them has no data and is not known to have none here.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

func main() {
	o := options{}
	flag.StringVar(&o.dashboard, "dashboard", "config/grafana/cloudinary-operator.json", "the dashboard")
	flag.StringVar(&o.prometheus, "prometheus", "http://127.0.0.1:9090", "the Prometheus to ask")
	flag.DurationVar(&o.span, "for", 6*time.Hour, "how far the picture goes back from now")
	flag.DurationVar(&o.rateInterval, "rate-interval", time.Minute, "what $__rate_interval stands for: four times the interval of scrapes")
	flag.StringVar(&o.out, "o", "docs/images/dashboard.svg", "the picture to write")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	err := run(ctx, o, time.Now(), os.Stdout)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "dashboard:", err)
		os.Exit(1)
	}
}

type options struct {
	dashboard, prometheus, out string
	span, rateInterval         time.Duration
}

func run(ctx context.Context, o options, now time.Time, out io.Writer) error {
	d, err := readDashboard(o.dashboard)
	if err != nil {
		return err
	}
	p := newPrometheus(o.prometheus, now.Add(-o.span), now, o.rateInterval)
	drawn, err := p.answer(ctx, d.firstRow())
	if err != nil {
		return err
	}
	others, err := p.answer(ctx, d.otherPanels())
	if err != nil {
		return err
	}
	if err := expected(append(others, drawn...), out); err != nil {
		return err
	}
	svg := draw(picture{row: d.firstRowTitle(), panels: drawn, start: p.start, end: p.end})
	return os.WriteFile(o.out, svg, 0o644)
}

// without has the panels that show nothing in a run of the demo, and why.
func without() map[string]string {
	return map[string]string{
		"Objects that are not Ready": "needs kube-state-metrics",
		"Memory":                     "needs the kubelet",
		"CPU":                        "needs the kubelet",
		"Restarts":                   "needs kube-state-metrics",
		"Dead letters":               "there are none",
	}
}

// expected fails where panels are empty that should not be.
func expected(panels []answered, out io.Writer) error {
	var empty []string
	full := 0
	for _, p := range panels {
		switch _, known := without()[p.Title]; {
		case p.hasData():
			full++
		case !known:
			empty = append(empty, p.Title)
		}
	}
	if len(empty) > 0 {
		return fmt.Errorf("no data in the panels: %s", strings.Join(empty, ", "))
	}
	fmt.Fprintf(out, "%d of %d panels have data; the others have none in a demo, see hack/demo/dashboard\n", full, len(panels))
	return nil
}

var errNoRow = errors.New("the dashboard does not begin with a row")
