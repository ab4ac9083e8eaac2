// SPDX-License-Identifier: Apache-2.0

package plugin

import "strconv"

// style decides about colors and symbols: a terminal has them, a pipe does not.
type style struct{ colored bool }

const (
	red    = "31"
	green  = "32"
	yellow = "33"
)

// style heeds NO_COLOR (https://no-color.org), and terminals that know no colors.
func (c *cli) style() style {
	return style{colored: c.Terminal && c.Getenv("NO_COLOR") == "" && c.Getenv("TERM") != "dumb"}
}

func (s style) bold() string { return "1" }

// paint gives a text a color, where there are colors.
func (s style) paint(color, text string) string {
	if !s.colored || color == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// mark is the symbol, and a blank, for success or failure. A pipe gets nothing.
func (s style) mark(well bool) string {
	switch {
	case !s.colored:
		return ""
	case well:
		return s.paint(green, "✔") + " "
	default:
		return s.paint(red, "✗") + " "
	}
}

// cell is a table's cell in the column of this name.
func (s style) cell(column, text string) shown {
	if text == "" {
		text = "-"
	}
	if !s.colored {
		return shown{text: text}
	}
	switch column {
	case "READY", "ACCEPTED", "SYNCED", "STATUS":
		return stateCell(text)
	case "ACTION":
		return actionCell(text)
	case "DEAD", "DEAD LETTERS":
		if n, err := strconv.Atoi(text); err == nil && n > 0 {
			return shown{text, red}
		}
	}
	return shown{text: text}
}

// stateCell is the status of a condition.
func stateCell(text string) shown {
	switch text {
	case "True":
		return shown{"✔ " + text, green}
	case "False":
		return shown{"✗ " + text, red}
	case "Unknown":
		return shown{"… " + text, yellow}
	default:
		return shown{text: text}
	}
}

// actionCell is the action of a step.
func actionCell(text string) shown {
	switch text {
	case "create":
		return shown{"+ " + text, green}
	case "delete":
		return shown{"- " + text, red}
	default:
		return shown{"~ " + text, yellow}
	}
}
