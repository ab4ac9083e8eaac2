// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

// The dashboard's grid, at the width of a small screen.
const (
	columnWidth = 50
	unitHeight  = 34
	gap         = 8
	margin      = 12
	header      = 44
	footer      = 30
	inset       = 10
)

// style has the colors of Grafana's two themes. Where a page is dark, the picture is.
const style = `
  text { font-family: -apple-system, "Segoe UI", Inter, Roboto, "DejaVu Sans", sans-serif; font-size: 12px; fill: #24292e; }
  .page { fill: #f4f5f5; }
  .panel { fill: #ffffff; stroke: #e0e2e5; }
  .head { font-size: 15px; font-weight: 600; }
  .title { font-weight: 600; }
  .soft { fill: #5c6773; font-size: 11px; }
  .grid { stroke: #e6e8eb; }
  .value { font-size: 26px; font-weight: 600; }
  .green { fill: #2f7d3b; } .orange { fill: #b35900; } .red { fill: #c4162a; }
  .line.green { fill: none; stroke: #56a64b; } .line.orange { fill: none; stroke: #ff780a; } .line.red { fill: none; stroke: #e02f44; }
  @media (prefers-color-scheme: dark) {
    text { fill: #ccccdc; }
    .page { fill: #111217; }
    .panel { fill: #181b1f; stroke: #2c3037; }
    .soft { fill: #9fa7b3; }
    .grid { stroke: #2a2e34; }
    .green { fill: #73bf69; } .orange { fill: #ff9830; } .red { fill: #f2495c; }
  }
`

// lineColors can be told apart on both themes.
func lineColors() []string {
	return []string{"#3274d9", "#e0752d", "#56a64b", "#a352cc", "#d9a000", "#e02f44", "#1f9fb5", "#8f6a4f"}
}

// picture is what is drawn.
type picture struct {
	row        string
	panels     []answered
	start, end time.Time
}

// box is a rectangle in pixels.
type box struct{ x, y, w, h float64 }

// canvas is an SVG that is being written.
type canvas struct{ bytes.Buffer }

func (c *canvas) addf(format string, args ...any) { fmt.Fprintf(c, format+"\n", args...) }

func (c *canvas) text(class string, x, y float64, text, more string) {
	c.addf(`<text class="%s" x="%.1f" y="%.1f"%s>%s</text>`, class, x, y, more, escape(text))
}

const (
	centered = ` text-anchor="middle"`
	toTheEnd = ` text-anchor="end"`
)

func escape(text string) string {
	var out bytes.Buffer
	_ = xml.EscapeText(&out, []byte(text)) // a buffer takes everything
	return out.String()
}

func draw(p picture) []byte {
	top, bottom := p.bounds()
	width := 24*columnWidth + 2*margin
	height := (bottom-top)*unitHeight + header + footer + margin
	c := &canvas{}
	c.addf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">`, width, height, width, height)
	c.addf("<title>The first row of the dashboard: %s</title>", escape(p.row))
	c.addf("<!-- Written by make dashboard-picture from a real run. -->\n<style>%s</style>", style)
	c.addf(`<rect class="page" width="%d" height="%d" rx="6"/>`, width, height)
	c.text("head", margin+4, 28, "Cloudinary operator / "+p.row, "")
	c.text("soft", float64(width-margin-4), 28, fmt.Sprintf("%s to %s UTC", clock(p.start), clock(p.end)), toTheEnd)
	for _, one := range p.panels {
		g := one.GridPos
		b := box{
			float64(margin + g.X*columnWidth), float64(header + (g.Y-top)*unitHeight),
			float64(g.W*columnWidth - gap), float64(g.H*unitHeight - gap),
		}
		c.addf("<g><desc>%s</desc>", escape(queries(one.panel)))
		c.addf(`<rect class="panel" x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="3"/>`, b.x, b.y, b.w, b.h)
		c.text("title", b.x+inset, b.y+20, one.Title, "")
		inside := box{b.x + inset, b.y + 32, b.w - 2*inset, b.h - 32 - inset}
		if one.Type == "stat" {
			c.stat(one, inside, p)
		} else {
			c.graph(one, inside, p)
		}
		c.addf("</g>")
	}
	c.text("soft", margin+4, float64(height-margin), "Drawn by hack/demo/dashboard from the queries of the dashboard over a run of the demo. It is no screenshot of Grafana.", "")
	c.addf("</svg>")
	return c.Bytes()
}

// queries are what a panel shows, so that whoever reads the picture knows, and a test can tell that it is of the dashboard.
func queries(p panel) string {
	var all []string
	for _, t := range p.Targets {
		all = append(all, t.Expr)
	}
	return strings.Join(all, "; ")
}

// check reports whether a picture has just these panels, in their order, with their queries.
func check(svg []byte, row string, panels []panel) error {
	want := []string{"Cloudinary operator / " + row}
	for _, p := range panels {
		want = append(want, queries(p), p.Title)
	}
	var got []string
	decoder := xml.NewDecoder(bytes.NewReader(svg))
	telling := false
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("the picture is no XML: %w", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			telling = t.Name.Local == "desc" || slices.ContainsFunc(t.Attr, func(a xml.Attr) bool {
				return a.Name.Local == "class" && (a.Value == "title" || a.Value == "head")
			})
		case xml.EndElement:
			telling = false
		case xml.CharData:
			if telling {
				got = append(got, string(t))
			}
		}
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("the picture has %q, and the dashboard's first row %q", got, want)
	}
	return nil
}

func (p *picture) bounds() (top, bottom int) {
	top = math.MaxInt
	for _, one := range p.panels {
		top, bottom = min(top, one.GridPos.Y), max(bottom, one.GridPos.Y+one.GridPos.H)
	}
	return top, bottom
}

func clock(t time.Time) string { return t.UTC().Format("15:04") }

// stat writes the last value, with a line of how it was before below it.
func (c *canvas) stat(a answered, b box, p picture) {
	d := &a.FieldConfig.Defaults
	text, color := d.NoValue, "red"
	if a.hasData() {
		samples := a.series[0].samples
		text, color = d.shown(samples[len(samples)-1].value)
		line := box{b.x, b.y + 0.62*b.h, b.w, 0.38 * b.h}
		top := highest(a.series[:1])
		c.addf(`<polyline class="line %s" points="%s"/>`, color, path(samples, line, p, top))
	}
	c.text("value "+color, b.x+b.w/2, b.y+0.4*b.h, text, centered)
}

// graph draws series as lines, or stacked upon each other as the panel asks for, with a legend below.
func (c *canvas) graph(a answered, b box, p picture) {
	d := &a.FieldConfig.Defaults
	legend := c.legend(a.series, b)
	plot := box{b.x + 52, b.y, b.w - 58, b.h - legend - 20}
	all := a.series
	stacked := d.Custom.Stacking.Mode == "normal"
	if stacked {
		all = stack(a.series)
	}
	top := roundUp(highest(all), d.Unit)
	c.axes(d, plot, p, top)
	colors := lineColors()
	for i, s := range slices.Backward(all) { // the lowest of a stack is drawn last, over the others
		color := colors[i%len(colors)]
		for _, part := range unbroken(s.samples, p) {
			points := path(part, plot, p, top)
			if stacked {
				first, last := x(part[0].at, plot, p), x(part[len(part)-1].at, plot, p)
				c.addf(`<polygon points="%.1f,%.1f %s %.1f,%.1f" fill="%s"/>`, first, plot.y+plot.h, points, last, plot.y+plot.h, color)
			} else {
				c.addf(`<polyline points="%s" fill="none" stroke="%s" stroke-width="1.5"/>`, points, color)
			}
		}
	}
}

// legend writes the names of series, as many as fit into a line, and returns how high that is.
func (c *canvas) legend(all []series, b box) float64 {
	const lineHeight, letter = 18, 6.6
	type entry struct {
		at   float64
		line int
	}
	entries := make([]entry, len(all))
	at, line := 0.0, 0
	for i, s := range all {
		width := 30 + letter*float64(len(s.name))
		if at > 0 && at+width > b.w {
			at, line = 0, line+1
		}
		entries[i] = entry{at, line}
		at += width
	}
	height := float64((line + 1) * lineHeight)
	colors := lineColors()
	for i, s := range all {
		left, y := b.x+entries[i].at, b.y+b.h-height+float64((entries[i].line+1)*lineHeight)-4
		c.addf(`<rect x="%.1f" y="%.1f" width="12" height="4" rx="1" fill="%s"/>`, left, y-6, colors[i%len(colors)])
		c.text("soft", left+17, y, s.name, "")
	}
	return height
}

func (c *canvas) axes(d *defaults, b box, p picture, top float64) {
	const lines = 4
	for i := range lines + 1 {
		y := b.y + b.h*float64(lines-i)/lines
		c.addf(`<line class="grid" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, b.x, b.x+b.w, y, y)
		c.text("soft", b.x-6, y+4, d.format(top*float64(i)/lines), toTheEnd)
	}
	every := max(time.Minute, p.end.Sub(p.start)/6).Round(time.Minute)
	for at := p.start.Truncate(every).Add(every); at.Before(p.end); at = at.Add(every) {
		c.text("soft", x(at, b, p), b.y+b.h+16, clock(at), centered)
	}
}

func x(at time.Time, b box, p picture) float64 {
	return b.x + b.w*float64(at.Sub(p.start))/float64(p.end.Sub(p.start))
}

// path has the points of a line.
func path(samples []sample, b box, p picture, top float64) string {
	var points []string
	for _, s := range samples {
		points = append(points, fmt.Sprintf("%.1f,%.1f", x(s.at, b, p), b.y+b.h*(1-s.value/max(top, 1e-9))))
	}
	return strings.Join(points, " ")
}

// unbroken cuts samples where some are missing.
func unbroken(samples []sample, p picture) [][]sample {
	longest := p.end.Sub(p.start) / points * 3 / 2
	var parts [][]sample
	for i, s := range samples {
		if i == 0 || s.at.Sub(samples[i-1].at) > longest {
			parts = append(parts, nil)
		}
		parts[len(parts)-1] = append(parts[len(parts)-1], s)
	}
	return parts
}

// stack adds to each series what lies below it: all have their samples at the same times, or none.
func stack(all []series) []series {
	sums := map[time.Time]float64{}
	stacked := make([]series, len(all))
	for i, s := range all {
		stacked[i].name = s.name
		for _, one := range s.samples {
			sums[one.at] += one.value
			stacked[i].samples = append(stacked[i].samples, sample{one.at, sums[one.at]})
		}
	}
	return stacked
}

func highest(all []series) float64 {
	top := 0.0
	for _, s := range all {
		for _, one := range s.samples {
			top = max(top, one.value)
		}
	}
	return top
}

// roundUp finds a top of the axis whose quarters are round, in the unit that the axis is written in.
func roundUp(value float64, unit string) float64 {
	scale := 1.0
	if unit == "s" && value > 60 {
		scale = 60
	}
	value /= scale
	if value <= 0 {
		return scale
	}
	power := math.Pow(10, math.Floor(math.Log10(value)))
	for _, step := range []float64{1, 2, 4, 6, 8, 10} {
		if step*power >= value {
			return scale * step * power
		}
	}
	return scale * 10 * power
}
