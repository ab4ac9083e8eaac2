// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const maxAnswer = 16 << 20

// get returns the body of an answer with status 200.
func get(ctx context.Context, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	client := http.Client{Timeout: 10 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %s", url, response.Status)
	}
	return body, nil
}

// counts are Admin API calls by kind.
type counts struct{ lists, creates, updates, deletes, failed int }

func (c counts) minus(o counts) counts {
	return counts{c.lists - o.lists, c.creates - o.creates, c.updates - o.updates, c.deletes - o.deletes, c.failed - o.failed}
}

func (c counts) writes() int { return c.creates + c.updates + c.deletes }

func (c counts) total() int { return c.lists + c.writes() }

// adminCalls are the calls that the simulator has counted.
func adminCalls(ctx context.Context, simulator string) (counts, error) {
	body, err := get(ctx, simulator+"/_sim/calls")
	if err != nil {
		return counts{}, err
	}
	var answer struct {
		Calls []struct {
			Method        string
			Status, Count int
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return counts{}, fmt.Errorf("the simulator's calls: %w", err)
	}
	var c counts
	for _, call := range answer.Calls {
		switch call.Method {
		case http.MethodGet:
			c.lists += call.Count
		case http.MethodPost:
			c.creates += call.Count
		case http.MethodPut:
			c.updates += call.Count
		case http.MethodDelete:
			c.deletes += call.Count
		}
		if call.Status >= http.StatusBadRequest {
			c.failed += call.Count
		}
	}
	return c, nil
}

// triggersByURL counts the triggers that there truly are.
func triggersByURL(ctx context.Context, simulator string) (map[string]int, error) {
	body, err := get(ctx, simulator+"/_sim/triggers")
	if err != nil {
		return nil, err
	}
	var answer struct{ Triggers []struct{ URI string } }
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("the simulator's triggers: %w", err)
	}
	byURL := map[string]int{}
	for _, t := range answer.Triggers {
		byURL[t.URI]++
	}
	return byURL, nil
}

// series is one line of a program's metrics.
type series struct {
	name, labels string
	value        float64
}

type scrape []series

func metricsOf(ctx context.Context, url string) (scrape, error) {
	body, err := get(ctx, url+"/metrics")
	if err != nil {
		return nil, err
	}
	var all scrape
	for line := range strings.Lines(string(body)) {
		line = strings.TrimSpace(line)
		at := strings.LastIndexByte(line, ' ')
		if at < 0 || line[0] == '#' {
			continue
		}
		value, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("metric %q: %w", line, err)
		}
		name, labels, _ := strings.Cut(line[:at], "{")
		all = append(all, series{name, labels, value})
	}
	return all, nil
}

// sum adds up the series of a metric whose labels contain a text.
func (s scrape) sum(name, labels string) float64 {
	total := 0.0
	for _, one := range s {
		if one.name == name && strings.Contains(one.labels, labels) {
			total += one.value
		}
	}
	return total
}
