// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// points is how many steps a query has: about one for each pixel of a graph.
const points = 300

// prometheus asks for one span of time.
type prometheus struct {
	url          string
	start, end   time.Time
	rateInterval time.Duration
	client       *http.Client
}

func newPrometheus(url string, start, end time.Time, rateInterval time.Duration) *prometheus {
	return &prometheus{url: url, start: start, end: end, rateInterval: rateInterval, client: &http.Client{Timeout: 30 * time.Second}}
}

// answered is a panel with what its queries gave.
type answered struct {
	panel
	series []series
}

type series struct {
	name    string
	samples []sample
}

type sample struct {
	at    time.Time
	value float64
}

func (a answered) hasData() bool { return len(a.series) > 0 }

// answer asks the queries of panels.
func (p *prometheus) answer(ctx context.Context, panels []panel) ([]answered, error) {
	var all []answered
	for _, one := range panels {
		a := answered{panel: one}
		for _, t := range one.Targets {
			found, err := p.ask(ctx, t)
			if err != nil {
				return nil, fmt.Errorf("the panel %q: %w", one.Title, err)
			}
			a.series = append(a.series, found...)
		}
		slices.SortStableFunc(a.series, func(a, b series) int { return strings.Compare(a.name, b.name) })
		all = append(all, a)
	}
	return all, nil
}

// ask leaves out what is no number: Grafana draws nothing there, either.
func (p *prometheus) ask(ctx context.Context, t target) ([]series, error) {
	step := p.end.Sub(p.start) / points
	query := url.Values{
		"query": {fill(t.Expr, p.rateInterval, p.end.Sub(p.start))},
		"start": {unix(p.start)}, "end": {unix(p.end)}, "step": {strconv.FormatFloat(step.Seconds(), 'f', 3, 64)},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/api/v1/query_range?"+query.Encode(), http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := p.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask Prometheus: %w", err)
	}
	defer response.Body.Close()
	var answer struct {
		Error string
		Data  struct {
			Result []struct {
				Metric map[string]string
				Values [][2]any
			}
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("read what Prometheus answered (%s): %w", response.Status, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("refused %s: %s", query.Get("query"), answer.Error)
	}
	var all []series
	for _, r := range answer.Data.Result {
		s := series{name: t.name(r.Metric)}
		for _, v := range r.Values {
			if one, ok := sampleOf(v); ok {
				s.samples = append(s.samples, one)
			}
		}
		if len(s.samples) > 0 {
			all = append(all, s)
		}
	}
	return all, nil
}

func unix(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }

// sampleOf reads the pair of a time and a number in quotes.
func sampleOf(pair [2]any) (sample, bool) {
	at, isNumber := pair[0].(float64)
	text, isText := pair[1].(string)
	value, err := strconv.ParseFloat(text, 64)
	if !isNumber || !isText || err != nil || math.IsNaN(value) || math.IsInf(value, 0) {
		return sample{}, false
	}
	return sample{time.UnixMilli(int64(at * 1000)), value}, true
}
