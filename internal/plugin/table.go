// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

const (
	maxWidth     = 120 // of a table, unless it is wide
	minColumn    = 6
	columnGap    = 3
	minShortened = 12 // what is left of a cell that is shortened
)

// table is rows under a header, as kubectl prints them. An empty cell is a dash.
type table struct {
	header []string
	rows   [][]string
	below  map[int][]string // lines below a row
	// shorten are the columns to shorten, in this order, if a line would exceed maxWidth. None: no
	// column is.
	shorten []string
}

func (t *table) add(row []string, below ...string) {
	if len(below) > 0 && t.below == nil {
		t.below = map[int][]string{}
	}
	if len(below) > 0 {
		t.below[len(t.rows)] = below
	}
	t.rows = append(t.rows, row)
}

// shown is a cell as it is printed, and its color.
type shown struct{ text, color string }

func (t *table) print(w io.Writer, s style) error {
	lines := make([][]shown, 0, len(t.rows)+1)
	head := make([]shown, len(t.header))
	for i, name := range t.header {
		head[i] = shown{name, s.bold()}
	}
	lines = append(lines, head)
	for _, row := range t.rows {
		cells := make([]shown, len(row))
		for i, cell := range row {
			cells[i] = s.cell(t.header[i], printable(cell))
		}
		lines = append(lines, cells)
	}
	widths := t.widths(lines)
	var b strings.Builder
	for n, cells := range lines {
		for i, cell := range cells {
			b.WriteString(s.paint(cell.color, shortened(cell.text, widths[i])))
			if i < len(cells)-1 {
				b.WriteString(strings.Repeat(" ", max(minColumn, widths[i]+columnGap)-utf8.RuneCountInString(shortened(cell.text, widths[i]))))
			}
		}
		b.WriteByte('\n')
		for _, line := range t.below[n-1] {
			b.WriteString("   " + printable(line) + "\n")
		}
	}
	_, err := fmt.Fprint(w, b.String())
	return err
}

// widths are the widths of the columns. They keep lines within their limit, if possible.
func (t *table) widths(lines [][]shown) []int {
	widths := make([]int, len(t.header))
	for _, cells := range lines {
		for i, cell := range cells {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell.text))
		}
	}
	total := 0
	for i, width := range widths {
		if i < len(widths)-1 {
			width = max(minColumn, width+columnGap)
		}
		total += width
	}
	for _, name := range t.shorten {
		for i := range t.header {
			if t.header[i] == name && total > maxWidth {
				less := min(total-maxWidth, max(0, widths[i]-minShortened))
				widths[i] -= less
				total -= less
			}
		}
	}
	return widths
}

// shortened cuts a text, and says so.
func shortened(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	runes := []rune(text)
	return string(runes[:max(0, width-1)]) + "…"
}
