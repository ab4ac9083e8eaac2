// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// dashboard is the part of Grafana's format that is drawn.
type dashboard struct {
	Panels []panel `json:"panels"`
}

type panel struct {
	Type    string `json:"type"`
	Title   string `json:"title"`
	GridPos struct {
		X, Y, W, H int
	} `json:"gridPos"`
	FieldConfig struct {
		Defaults defaults `json:"defaults"`
	} `json:"fieldConfig"`
	Targets []target `json:"targets"`
}

type defaults struct {
	Unit     string `json:"unit"`
	Decimals *int   `json:"decimals"`
	NoValue  string `json:"noValue"`
	Mappings []struct {
		Type    string                                  `json:"type"`
		Options map[string]struct{ Text, Color string } `json:"options"`
	} `json:"mappings"`
	Thresholds struct {
		Steps []struct {
			Color string   `json:"color"`
			Value *float64 `json:"value"`
		} `json:"steps"`
	} `json:"thresholds"`
	Custom struct {
		FillOpacity int                   `json:"fillOpacity"`
		Stacking    struct{ Mode string } `json:"stacking"`
	} `json:"custom"`
}

type target struct {
	Expr         string `json:"expr"`
	LegendFormat string `json:"legendFormat"`
}

func readDashboard(path string) (dashboard, error) {
	var d dashboard
	raw, err := os.ReadFile(path)
	if err != nil {
		return d, fmt.Errorf("read the dashboard: %w", err)
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		return d, fmt.Errorf("read the dashboard %s: %w", path, err)
	}
	if len(d.Panels) == 0 || d.Panels[0].Type != rowType {
		return d, fmt.Errorf("%s: %w", path, errNoRow)
	}
	return d, nil
}

const rowType = "row"

func (d dashboard) firstRowTitle() string { return d.Panels[0].Title }

// firstRow has the panels between the first title and the second.
func (d dashboard) firstRow() []panel {
	for i, p := range d.Panels[1:] {
		if p.Type == rowType {
			return d.Panels[1 : i+1]
		}
	}
	return d.Panels[1:]
}

func (d dashboard) otherPanels() []panel {
	var others []panel
	for _, p := range d.Panels[1+len(d.firstRow()):] {
		if p.Type != rowType {
			others = append(others, p)
		}
	}
	return others
}

var variable = regexp.MustCompile(`\$\{?[a-z]+\}?`)

// fill puts into a query what Grafana would: all of what may be chosen.
func fill(expr string, rateInterval, span time.Duration) string {
	expr = strings.NewReplacer("$__rate_interval", seconds(rateInterval), "$__range", seconds(span)).Replace(expr)
	return variable.ReplaceAllString(expr, ".*")
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d.Seconds())) + "s" }

// shown is what a panel of type stat says of a value, and in which color.
func (d *defaults) shown(value float64) (text, color string) {
	for _, step := range d.Thresholds.Steps {
		if step.Value == nil || value >= *step.Value {
			color = step.Color
		}
	}
	for _, m := range d.Mappings {
		if option, found := m.Options[strconv.FormatFloat(value, 'f', -1, 64)]; m.Type == "value" && found {
			return option.Text, option.Color
		}
	}
	return d.format(value), color
}

// format writes a value in the panel's unit, as Grafana does for those that the drawn panels have.
func (d *defaults) format(value float64) string {
	switch d.Unit {
	case "percentunit":
		return d.digits(100*value) + " %"
	case "s":
		return duration(value)
	case "cps":
		return d.digits(value) + " c/s"
	default:
		return d.digits(value)
	}
}

// digits has as many decimals as the panel asks for, else three digits that count.
func (d *defaults) digits(value float64) string {
	if d.Decimals != nil {
		return strconv.FormatFloat(value, 'f', *d.Decimals, 64)
	}
	return strconv.FormatFloat(value, 'g', 3, 64)
}

func duration(s float64) string {
	number := func(value float64, unit string) string { return strconv.FormatFloat(value, 'g', 3, 64) + " " + unit }
	switch {
	case s == 0:
		return "0 s"
	case s < 1:
		return number(1000*s, "ms")
	case s < 60:
		return number(s, "s")
	case s < 3600:
		return number(s/60, "min")
	default:
		return number(s/3600, "h")
	}
}

var placeholder = regexp.MustCompile(`\{\{ *([a-z_]+) *\}\}`)

// name is a series' in the legend.
func (t target) name(labels map[string]string) string {
	return placeholder.ReplaceAllStringFunc(t.LegendFormat, func(found string) string {
		return labels[placeholder.FindStringSubmatch(found)[1]]
	})
}
