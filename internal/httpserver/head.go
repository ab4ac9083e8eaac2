// SPDX-License-Identifier: Apache-2.0

package httpserver

import "bytes"

// head follows the line and header of a request through the bytes as they arrive, to where net/http, too, finds its end: the first empty
// line after one that is not. The zero value is at the start of a request.
type head struct {
	bytes, lines int
	// length is how much has arrived of the present line, and onlyCR whether that is a single CR.
	length int
	onlyCR bool
	begun  bool // a line that is not empty has ended
}

// outcome is where a head is.
type outcome int

const (
	unfinished outcome = iota
	finished
	tooLarge
)

// read takes the next bytes, and returns how many of them belong to the head.
func (h *head) read(p []byte, limits *Limits) (n int, found outcome) {
	for n < len(p) && found == unfinished {
		end := bytes.IndexByte(p[n:], '\n')
		if end < 0 {
			h.extend(p[n:])
			n = len(p)
			break
		}
		h.extend(p[n : n+end])
		n += end + 1
		found = h.endLine(limits.MaxHeaderLines + 1) // one is the request's own
	}
	if h.bytes += n; h.bytes > limits.MaxHeaderBytes {
		found = tooLarge
	}
	return n, found
}

func (h *head) extend(part []byte) {
	if len(part) == 0 {
		return
	}
	h.onlyCR = h.length == 0 && len(part) == 1 && part[0] == '\r'
	h.length += len(part)
}

func (h *head) endLine(most int) outcome {
	empty := h.length == 0 || h.onlyCR
	h.length, h.onlyCR = 0, false
	if empty && h.begun {
		return finished
	}
	h.begun = h.begun || !empty
	if h.lines++; h.lines > most {
		return tooLarge
	}
	return unfinished
}
