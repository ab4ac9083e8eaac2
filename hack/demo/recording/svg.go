// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"
)

const (
	textWidth  = 675 // 80 characters of a font of 14 pixels
	lineHeight = 19
	margin     = 16
	titleBar   = 34
	// How long a screen stands: long enough to read it.
	secondsEach = 9
)

// style holds the colors of a terminal, and the animation's default: without animations, or for who has asked for less motion, the last
// frame stands still.
const style = `
  text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #c9d1d9; white-space: pre; }
  .bar { fill: #8b949e; }
  .title { fill: #ffffff; font-weight: bold; }
  .why { fill: #a5b4c4; font-style: italic; }
  .command { fill: #7ee787; }
  .more { fill: #8b949e; }
  g { visibility: hidden; }
  g:last-of-type { visibility: visible; }
`

func draw(frames [][]string, scenes []scene) []byte {
	rows := 0
	for _, frame := range frames {
		rows = max(rows, len(frame))
	}
	width, height := textWidth+2*margin, rows*lineHeight+titleBar+2*margin
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">`+"\n", width, height, width, height)
	fmt.Fprintf(&out, "<title>make demo: %s</title>\n", escape(strings.Join(titles(scenes), "; ")))
	fmt.Fprintf(&out, "<!-- Written by make demo-recording from a real run. -->\n<style>%s%s</style>\n", style, animation(len(frames)))
	fmt.Fprintf(&out, `<rect width="%d" height="%d" rx="8" fill="#0d1117"/>`+"\n", width, height)
	for i, color := range []string{"#ff5f57", "#febc2e", "#28c840"} {
		fmt.Fprintf(&out, `<circle cx="%d" cy="%d" r="6" fill="%s"/>`+"\n", margin+6+20*i, titleBar/2, color)
	}
	fmt.Fprintf(&out, `<text class="bar" x="%d" y="%d" text-anchor="middle">$ make demo</text>`+"\n", width/2, titleBar/2+5)
	for i, frame := range frames {
		fmt.Fprintf(&out, `<g class="f%d">`+"\n", i)
		drawFrame(&out, frame)
		fmt.Fprintln(&out, "</g>")
	}
	fmt.Fprintln(&out, "</svg>")
	return out.Bytes()
}

func titles(scenes []scene) []string {
	var all []string
	for _, s := range scenes {
		all = append(all, s.title)
	}
	return all
}

// animation shows each frame for its part of the time.
func animation(frames int) string {
	var css strings.Builder
	part := 100 / float64(frames)
	css.WriteString("  @media (prefers-reduced-motion: no-preference) {\n")
	for i := range frames {
		// Before its part, in it, and after it; without the first the animation would begin with all frames.
		fmt.Fprintf(&css, "    .f%d { animation: f%d %ds step-end infinite; }\n", i, i, frames*secondsEach)
		fmt.Fprintf(&css, "    @keyframes f%d { 0%% { visibility: %s; } %.3f%% { visibility: visible; } %.3f%% { visibility: hidden; } }\n",
			i, map[bool]string{true: "visible", false: "hidden"}[i == 0], float64(i)*part, min(float64(i+1)*part, 99.999))
	}
	css.WriteString("  }\n")
	return css.String()
}

// drawFrame tells title, sentence, commands and their output apart as demo.sh prints them: the sentence ends with the first empty line, and a
// command goes on for as long as its lines end with a backslash or are indented by four.
func drawFrame(out *bytes.Buffer, lines []string) {
	class := "title"
	for i, line := range lines {
		switch {
		case i == 0:
		case line == "":
			class = ""
		case strings.HasPrefix(line, "$ "):
			class = "command"
		case class == "title" && strings.HasPrefix(lines[0], "What you saw"):
			class = ""
		case class == "title":
			class = "why"
		case class == "command" && strings.HasPrefix(line, "    "), class == "why":
		case strings.HasPrefix(line, "(") && strings.Contains(line, " more lines in "):
			class = "more"
		default:
			class = ""
		}
		if line != "" {
			fmt.Fprintf(out, `<text class="%s" x="%d" y="%d" xml:space="preserve">%s</text>`+"\n", class, margin, titleBar+margin+(i+1)*lineHeight-5, escape(line))
		}
	}
}

func escape(text string) string {
	var out bytes.Buffer
	_ = xml.EscapeText(&out, []byte(text)) // a buffer takes everything
	return out.String()
}
